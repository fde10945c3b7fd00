"""Build an index larger than a machine: Ray Data reads, encodes, assigns and sorts, and each worker writes its parts.

The tree, the heads and the codebook are learned on a sample. Then every row goes to the leaf with the nearest centroid,
rows of neighbouring leaves go to one worker, which writes them as one part, and one commit publishes all parts. A
second commit adds what was measured on them: how wide searches must go for each recall (until then they compare all).
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hierindex.api.build import from_vectors
from hierindex.api.config import BuildConfig
from hierindex.api.view import View
from hierindex.cluster.config import ClusterConfig
from hierindex.cluster.numbering import in_line
from hierindex.cluster.pieces import Piece, Reading, dim_of, pieces_of
from hierindex.cluster.publishing import published
from hierindex.cluster.ray import joined, quiet_data, ray
from hierindex.cluster.steps import NUMBER, Reader, Sampler, Settings, Tally
from hierindex.cluster.training import learned_from_images
from hierindex.cluster.tuning import tune
from hierindex.decode.ball import klein_to_poincare
from hierindex.errors import InputError
from hierindex.index.nodes import Nodes
from hierindex.progress import Silent
from hierindex.storage import Place, TreeFile, place_of, refuse_taken
from hierindex.vectors import Float32, Ids, Int64, Metric

__all__ = ["Built", "build"]

_SAMPLE = 65_536
_SAMPLE_PER_LEAF = 64


@dataclass(frozen=True)
class Built:
    """A build that is done.

    Attributes:
        path: where the index lies. version: its newest version. points: how many there are. parts: files of points.
        sample: how many rows the tree was learned on.
        seconds: what each stage took.
    """

    path: str
    version: int
    points: int
    parts: int
    sample: int
    seconds: dict[str, float]


def build(
    source: str | Path | Sequence[str | Path],
    path: str | Path,
    *,
    metric: Metric | str | None = None,
    reading: Reading | None = None,
    config: BuildConfig | None = None,
    cluster: ClusterConfig | None = None,
) -> Built:
    """Build an index on the workers of a Ray cluster, and save it.

    Args:
        source: of vectors, Parquet or ``.npy`` files, or folders of them, here or in an object store; of images, a
            folder of files, or Parquet files. All workers must see it there.
        path: where the index shall lie; all workers must see it there too.
        metric: of vectors, see `Metric`; None takes cosine, which images always have.
        reading: which columns hold what, and whether they are images; None reads vectors from the column ``vector``.
        config: as for `HierIndex.build`.
        cluster: how many workers.

    Raises:
        MissingExtraError: Ray is not installed. InputError: and its kinds, for a source that cannot be used.
        StorageError: something is at the path, or it cannot be written; nothing is published then.

    Example:
        ``build("s3://bucket/vectors/", "s3://bucket/my.index", metric="l2", cluster=ClusterConfig(workers=32))``
    """
    wish, config, cluster = reading or Reading(), config or BuildConfig(), cluster or ClusterConfig()
    wish = replace(
        wish, image_size=wish.image_size or config.image_size, image_mode=wish.image_mode or config.image_mode
    )
    chosen = Metric.parse(metric or Metric.COSINE)
    if wish.images and chosen is not Metric.COSINE:
        raise InputError(f"metric should be cosine for images, whose latents have unit length; found {chosen.value}")
    place = place_of(path)
    refuse_taken(place)
    joined(cluster)
    with quiet_data():
        return _built(source, place, chosen, wish, config, cluster)


def _built(
    source: str | Path | Sequence[str | Path],
    place: Place,
    chosen: Metric,
    wish: Reading,
    config: BuildConfig,
    cluster: ClusterConfig,
) -> Built:
    clock = _Clock()
    pieces = pieces_of(source, wish)
    n = sum(piece.rows for piece in pieces)
    view, used = _learned(pieces, n, chosen, wish, config, cluster)
    clock.lap("learn on a sample")
    nodes, _ = in_line(view.snapshot.nodes)
    settings = Settings(wish, chosen, int(nodes.centroid.shape[1]), view.model.to_file(), nodes)
    points = _placed(pieces, settings, cluster)
    nodes, counts = _counted(points, settings, cluster, len(pieces))
    clock.lap("assign and count")
    coder = None if view.snapshot.packed is None else view.snapshot.packed.coder
    large = n > config.index.flat_up_to(settings.dim)
    code = None if coder is None else coder.to_json()
    state = {"tuned": None, "packed_seq": n if large else None, "coder": code if large else None}
    tree = TreeFile(nodes, {"metric": chosen.value, "config": config.index.to_json(), "state": state})
    n_parts = published(points, settings, (pieces[0], place), (tree, view.model, counts))
    clock.lap("sort and write")
    version = 0
    if large:
        version = tune(place, cluster, used)
        clock.lap("measure recall")
    return Built(str(place), version, n, n_parts, len(used), clock.seconds)


# ---- what is learned, on a sample


def _learned(
    pieces: list[Piece], n: int, metric: Metric, reading: Reading, config: BuildConfig, cluster: ClusterConfig
) -> tuple[View, Ids]:
    """An index of a sample, whose tree, heads, encoder and codebook are those of the whole; ids of the sample."""
    n_leaves = config.index.leaves_for(n)
    queries = min(config.index.tune_queries, n // 10)  # are left out: they measure later what the others shaped
    size = min(n - queries, max(_SAMPLE, _SAMPLE_PER_LEAF * n_leaves))
    chosen = np.sort(np.random.default_rng(config.index.seed).choice(n, size, replace=False))
    laid_out = replace(config.index, n_leaves=min(n_leaves, size), flat_below=0)
    small = replace(config, index=laid_out)
    if reading.images:
        with tempfile.TemporaryDirectory() as folder:
            view = learned_from_images(_those(pieces, chosen), reading, small, cluster, Path(folder))
        return view, view.ids
    rows, ids = _sampled(pieces, chosen, Settings(reading, metric, dim_of(pieces[0], reading)), cluster)
    return from_vectors(rows, metric, None, None, small, Silent()), ids


def _sampled(pieces: list[Piece], chosen: Int64, settings: Settings, cluster: ClusterConfig) -> tuple[Float32, Ids]:
    wanted = [{"piece": _text(piece), "rows": rows.tolist()} for piece, rows in _those(pieces, chosen)]
    found = _mapped(ray().data.from_items(wanted), Sampler(settings), cluster, len(wanted))
    tables = [pa.table(table) for table in ray().get(found.to_arrow_refs())]
    table = pa.concat_tables(tables).sort_by(NUMBER)
    rows = np.frombuffer(b"".join(table["vector"].to_pylist()), "<f4").reshape(len(table), -1)
    return rows.astype(np.float32), table["id"].to_numpy()


def _those(pieces: list[Piece], chosen: Int64) -> list[tuple[Piece, Int64]]:
    """The pieces that hold chosen numbers (rising), and the places of these in them."""
    out = []
    for piece in pieces:
        low, high = np.searchsorted(chosen, [piece.start, piece.start + piece.rows])
        if high > low:
            out.append((piece, chosen[low:high] - piece.start))
    return out


# ---- the map over all rows


def _placed(pieces: list[Piece], settings: Settings, cluster: ClusterConfig) -> Any:  # noqa: ANN401 - ray.data.Dataset
    """All points with their leaves; images are encoded once and kept (Ray spills to disk), vectors read again."""
    items = ray().data.from_items([{"piece": _text(piece)} for piece in pieces], override_num_blocks=len(pieces))
    points = _mapped(items, Reader(settings), cluster, len(pieces))
    return points.materialize() if settings.reading.images else points


def _counted(points: Any, settings: Settings, cluster: ClusterConfig, n_pieces: int) -> tuple[Nodes, Int64]:  # noqa: ANN401
    """The tree with the means and counts of all rows, and ``(L,)`` the counts of its leaves."""
    nodes, d = settings.tree, settings.dim
    n_leaves, p = len(nodes.leaves), nodes.ball.shape[1]
    counts, sums, ball = np.zeros(n_leaves, np.int64), np.zeros((n_leaves, d)), np.zeros((n_leaves, p))
    tallies = _mapped(points, Tally(settings), cluster, n_pieces, rows=None)
    for table in tallies.iter_batches(batch_size=None, batch_format="pyarrow"):
        leaf = table["leaf"].to_numpy()
        counts[leaf] += table["count"].to_numpy()
        sums[leaf] += np.frombuffer(b"".join(table["sum"].to_pylist())).reshape(-1, d)
        ball[leaf] += np.frombuffer(b"".join(table["ball"].to_pylist())).reshape(-1, p)
    return _means(nodes, counts, sums, ball), counts


def _means(nodes: Nodes, counts: Int64, sums: Any, ball: Any) -> Nodes:  # noqa: ANN401 - float64 arrays
    """The nodes with these counts, and the means of these sums of their leaves ``(L, ..)``; an empty node stays."""
    m, n_leaves = len(nodes), len(counts)
    total = np.zeros((m, 1 + sums.shape[1] + ball.shape[1]))
    total[:n_leaves] = np.column_stack([counts, sums, ball])
    for node in nodes.preorder[:0:-1].tolist():
        total[nodes.parent[node]] += total[node]
    count, weight = total[:, 0], np.maximum(total[:, :1], 1)
    held = (count > 0)[:, None]
    centroid = total[:, 1 : 1 + sums.shape[1]] / weight
    place = klein_to_poincare(total[:, 1 + sums.shape[1] :] / weight)
    return replace(
        nodes,
        count=count.astype(np.int64),
        centroid=np.where(held, centroid, nodes.centroid).astype(np.float32),
        ball=np.where(held, place, nodes.ball).astype(np.float32),
    )


# ---- Ray


def _mapped(
    data: Any,  # noqa: ANN401 - ray.data.Dataset
    step: Reader | Sampler | Tally,
    cluster: ClusterConfig,
    pieces: int,
    rows: int | None = 1,
) -> Any:  # noqa: ANN401 - ray.data.Dataset
    """A step on every ``rows`` rows (None: on each block), by as many tasks at once as the cluster has workers.

    There are ``pieces`` to work on, so that no more tasks than that are started.
    """
    return data.map_batches(
        step,
        batch_size=rows,
        batch_format="pyarrow",
        num_cpus=cluster.cpus,
        compute=ray().data.TaskPoolStrategy(size=min(cluster.workers, pieces)),
    )


def _text(piece: Piece) -> str:
    return json.dumps(asdict(piece))


class _Clock:
    """Seconds between laps, by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage], self._last = now - self._last, now
