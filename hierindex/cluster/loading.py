"""From the files of an index to what its caller and its workers keep. Each reads only what it needs.

A worker passes over the parts that hold none of its leaves. Where parts were written by leaf (a build on a cluster does
that) it reads about what it keeps; where they were not, all parts, of which it holds one at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hierindex.api.model import Model
from hierindex.cluster.front import Front
from hierindex.cluster.messages import Held
from hierindex.cluster.shard import Shard
from hierindex.index.nodes import Nodes
from hierindex.index.splitting import settle
from hierindex.storage import Place, place_of
from hierindex.storage.draft import MODEL, POINTS, TREE
from hierindex.storage.load import load_points
from hierindex.storage.log import Log, open_log
from hierindex.storage.model_file import read_model
from hierindex.storage.parts import Part, highest
from hierindex.storage.points import OWN
from hierindex.storage.removed_file import Removed
from hierindex.storage.tree_file import TreeFile, read_tree
from hierindex.vectors import Int64

__all__ = ["Loaded", "Source", "read_front", "read_shard"]

_CODED_AT_ONCE = 16_384  # rows are turned in float64: at most some tens of MiB beside what is kept


@dataclass(frozen=True)
class Source:
    """Where an index lies, and which version of it is meant; small enough to be sent to every worker."""

    path: str
    version: int
    options: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, place: Place, version: int, options: Mapping[str, str] | None) -> Source:
        """The source of a version at a place."""
        return cls(str(place), version, tuple(sorted((options or {}).items())))

    @property
    def place(self) -> Place:
        """The folder or address."""
        return place_of(self.path, dict(self.options) or None)


@dataclass(frozen=True, eq=False)
class Loaded:
    """A shard and where in it each part's rows stand, so that the next version need not be read anew.

    Attributes:
        shard: the rows.
        front: the version that they are of, without its late rows.
        pieces: for each part by name, its run of rows in the shard.
    """

    shard: Shard
    front: Front
    pieces: dict[str, slice]


def read_front(source: Source) -> tuple[Front, Model]:
    """What the caller keeps of a version, and the model that encodes its queries.

    Raises:
        StorageError: and its kinds, see `Store.open`. InputError: see `Front.of`.
    """
    place = source.place
    log = open_log(place / POINTS, source.version)
    tree, model = read_tree(place / TREE, log.tree), read_model(place / MODEL, log.model)
    front = _front(log, tree)
    late = [part for part in _by_seq(log) if front.packed_seq is not None and _last_seq(part) >= front.packed_seq]
    every = np.ones(len(front.nodes.leaves), np.bool_)
    pieces = [_read(log, part, front, every, late=True) for part in late]
    return front.with_late(Held.joined([front.late, *pieces])), Model.from_file(model)


def read_shard(source: Source, held: Int64, before: Loaded | None = None) -> Loaded:
    """The shard of the leaves ``held`` of a version; rows of parts that ``before`` has already are taken from there.

    Args:
        source: the version.
        held: rising positions of leaves.
        before: what the same worker held of an earlier version.
    """
    place = source.place
    log = open_log(place / POINTS, source.version)
    tree = read_tree(place / TREE, log.tree)
    front = _front(log, tree)
    wanted = np.zeros(len(front.nodes.leaves), np.bool_)
    wanted[held] = True
    kept = _kept(before, log, held, front)
    known, pieces, starts, at = set[str](), [front.late], {}, 0
    codes: list[NDArray[np.uint8]] = []
    for part in _parts_for(log, front, wanted):
        if part.path.name in kept and before is not None:
            piece, old_codes = _taken(before.shard, kept[part.path.name], log.removed)
        else:
            piece, old_codes = _read(log, part, front, wanted, late=False), None
        if front.coder is not None:
            codes.append(front.coder.encode(piece.rows, at_once=_CODED_AT_ONCE) if old_codes is None else old_codes)
        known.add(part.path.name)
        pieces.append(piece)
        starts[part.path.name] = slice(at, at + len(piece))
        at += len(piece)
    coded = np.concatenate(codes) if codes else None
    shard = Shard.of(held, Held.joined(pieces), front.metric, front.coder, front.nodes.leaf_centroids[held], coded)
    return Loaded(shard, front, starts)


def _front(log: Log, tree: TreeFile) -> Front:
    """The front of a version, without its late rows."""
    last = max((highest(part, log.schema, "seq") for part in log.parts), default=-1)
    return Front.of(tree.nodes, tree.about, _no_rows(log, tree.dim), log.rows, last)


def _kept(before: Loaded | None, log: Log, held: Int64, front: Front) -> dict[str, slice]:
    """Parts whose rows can be taken from what was held before: the same leaves of the same tree, all rows packed."""
    if before is None or not before.front.lays_out_as(front) or not np.array_equal(before.shard.held, held):
        return {}
    top = before.front.packed_seq
    whole = {part.path.name for part in log.parts if top is None or _last_seq(part) < top}
    return {name: run for name, run in before.pieces.items() if name in whole}


def _taken(shard: Shard, run: slice, removed: Removed) -> tuple[Held, NDArray[np.uint8] | None]:
    data = shard.data
    payload = None if data.payload is None else data.payload[run]
    piece = Held(data.rows[run], data.seq[run], data.ids[run], data.leaf[run], payload)
    codes, gone = None if shard.codes is None else shard.codes[run], removed.has(piece.seq)
    if not gone.any():
        return piece, codes
    return piece.take(np.flatnonzero(~gone)), None if codes is None else codes[~gone]


def _parts_for(log: Log, front: Front, wanted: NDArray[np.bool_]) -> list[Part]:
    """The parts that may hold rows of the wanted leaves, by rising seq; those with late rows only are the caller's."""
    relevant, top = _homes(front.nodes, wanted), front.packed_seq
    arriving = front.moves.seq[relevant[front.moves.leaf]]

    def holds(part: Part) -> bool:
        first, last = np.searchsorted(arriving, [part.low.get("seq", 0), _last_seq(part) + 1])
        stored = relevant[part.low.get("leaf", 0) : part.high.get("leaf", len(relevant)) + 1]
        return bool(stored.any() or last > first)

    return [part for part in _by_seq(log) if (top is None or part.low.get("seq", 0) < top) and holds(part)]


def _homes(nodes: Nodes, wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """``(m,)``: nodes that a row of a wanted leaf may have been put into: the leaf, and what split into it."""
    before = np.concatenate([[0], np.cumsum(wanted)])
    spans = nodes.spans
    return np.asarray(before[spans[:, 1]] > before[spans[:, 0]])


def _read(log: Log, part: Part, front: Front, wanted: NDArray[np.bool_], late: bool) -> Held:
    """The packed rows of a part (or the late ones) that lie in the wanted leaves."""
    nodes = front.nodes
    points = load_points(log.folder, [part], log.schema, len(nodes), nodes.centroid.shape[1], log.removed)
    rows = np.arange(len(points), dtype=np.int64)
    if front.packed_seq is not None:
        rows = np.flatnonzero((points.seq >= front.packed_seq) == late)
    home = front.moves.homes(points.seq, points.leaf)
    rows = rows[_homes(nodes, wanted)[home[rows]]]
    leaf = nodes.leaf_position[settle(points.rows[rows], home[rows], nodes)]
    rows, leaf = rows[wanted[leaf]], leaf[wanted[leaf]]
    payload = None if points.payload is None else points.payload.take(rows)
    return Held(points.rows[rows], points.seq[rows], points.ids[rows], leaf, payload)


def _no_rows(log: Log, dim: int) -> Held:
    strings = pa.types.is_string(log.schema.field("id").type)
    none = np.zeros(0, np.int64)
    columns = pa.schema(list(log.schema)[OWN:])
    payload = columns.empty_table() if len(columns) else None
    return Held(np.zeros((0, dim), np.float32), none, np.zeros(0, object) if strings else none, none, payload)


def _by_seq(log: Log) -> list[Part]:
    return sorted((part for part in log.parts if part.rows), key=lambda part: part.low.get("seq", 0))


def _last_seq(part: Part) -> int:
    return part.high.get("seq", np.iinfo(np.int64).max - 1)
