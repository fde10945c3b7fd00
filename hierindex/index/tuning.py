"""How much work a promised recall needs: measured on held-out rows, looked up by every search.

The held-out rows are in the index like all others, but shaped neither its cells nor its codes, and each is left out of
its own answer. For every beam and number of leaves, one scan shows at which place among the candidates each true
neighbour stands, and so the recall for every number of candidates at once. What is kept is the frontier: settings such
that nothing cheaper finds more. Cost is a model of counted work, not a clock, so tuning is deterministic.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hierindex.errors import CorruptIndexError
from hierindex.index.exact import exact_rows_where, ranked
from hierindex.index.native import Selector
from hierindex.index.packed import Packed
from hierindex.index.tables import Table
from hierindex.vectors import Float32, Int64, Metric

__all__ = ["OperatingPoint", "OperatingPoints", "held_out", "tune"]

_TUNED_K = (1, 10, 100)
_CANDIDATES = tuple(sorted({round(2 ** (i / 2)) for i in range(20)}))  # 1, 2, 3, 4, 6, 8, 11, 16 .. 724
_MOST = _CANDIDATES[-1]
_GOOD_ENOUGH = 0.9995
_NO_MORE = 1e-4
_GROWN = 1.5
_SPLIT = 1.25


@dataclass(frozen=True)
class OperatingPoint:
    """A setting of the search, and what it does.

    Attributes:
        k: neighbours asked for when it was measured.
        beam: nodes kept above the leaves, see `Router`. nprobe: leaves scanned. candidates: rows compared exactly.
        recall: what it finds of the true k nearest, less two standard errors.
        cost: nanoseconds for a query, by the model of `_cost`.
    """

    k: int
    beam: int
    nprobe: int
    candidates: int
    recall: float
    cost: float


@dataclass(frozen=True)
class OperatingPoints:
    """What was measured, and for which state of the index.

    Attributes:
        points: for each k, by rising cost and recall.
        n_live, n_leaves: rows and leaves at the time.
    """

    points: tuple[OperatingPoint, ...]
    n_live: int
    n_leaves: int

    def lookup(self, k: int, recall: float) -> OperatingPoint | None:
        """The cheapest setting that finds ``recall`` of the k nearest; None where only a scan of everything does.

        A k between those measured takes the next larger one's setting; one above them all, the largest one's with
        probes and candidates in proportion.
        """
        measured = self._measured_k
        if not measured:
            return None
        tuned = next((known for known in measured if known >= k), measured[-1])
        point = next((p for p in self.points if p.k == tuned and p.recall >= recall), None)
        if point is None or k <= tuned:
            return point
        times = math.ceil(k / tuned)
        return OperatingPoint(
            k, point.beam * times, point.nprobe * times, point.candidates * times, point.recall, point.cost * times
        )

    @cached_property
    def _measured_k(self) -> list[int]:
        return sorted({point.k for point in self.points})

    def stale(self, n_live: int, n_leaves: int) -> bool:
        """Whether the index has since grown by half, or a quarter of its leaves have split."""
        return n_live > _GROWN * self.n_live or n_leaves > _SPLIT * self.n_leaves

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self) | {"points": [asdict(point) for point in self.points]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The points of `to_json`.

        Raises:
            CorruptIndexError: the values are no such points.
        """
        try:
            points = tuple(OperatingPoint(**point) for point in values["points"])
            return cls(points, int(values["n_live"]), int(values["n_leaves"]))
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptIndexError(f"the stored operating points should be readable; found {error!r}") from error


def held_out(live_rows: Int64, tune_queries: int, seed: int) -> Int64:
    """Rows to measure with: ``tune_queries`` of them, at most a tenth of all."""
    count = min(tune_queries, len(live_rows) // 10)
    return np.sort(np.random.default_rng(seed).choice(live_rows, count, replace=False))


def tune(table: Table, packed: Packed, metric: Metric, held: Int64) -> OperatingPoints:
    """Measure the operating points of packed leaves with the held-out rows ``held``."""
    if not len(held):  # fewer than ten rows: nothing is promised, everything is compared
        return OperatingPoints((), table.ids.n_live, len(packed.nodes.leaves))
    queries = table.rows.values[held]
    judged = queries, held, _true_neighbours(table, metric, held, queries)
    measured = [point for beam in packed.router.beams for point in _measured(table, packed, judged, beam)]
    frontier = tuple(point for k in _TUNED_K for point in _frontier([p for p in measured if p.k == k]))
    return OperatingPoints(frontier, table.ids.n_live, len(packed.nodes.leaves))


def _true_neighbours(table: Table, metric: Metric, held: Int64, queries: Float32) -> Int64:
    """``(q, up to 100)``: the nearest live rows of each held-out row, without itself."""
    most = min(_TUNED_K[-1], table.ids.n_live - 1)
    rows = table.rows.values
    found = exact_rows_where(queries, rows, most + 1, metric.by_product, table.ids.alive)
    nearest, _ = ranked(queries, rows, found, most + 1, metric)
    return _without(nearest, held)[:, :most]


def _without(found: Int64, own: Int64) -> Int64:
    """``(q, c - 1)``: each row without its own number, or without its last where that is absent."""
    drop = found == own[:, None]
    drop[~drop.any(axis=1), -1] = True
    return np.asarray(found[~drop].reshape(len(found), -1))


_Judged = tuple[Float32, Int64, Int64]


def _measured(table: Table, packed: Packed, judged: _Judged, beam: int) -> Iterator[OperatingPoint]:
    """All settings with this beam, until more leaves find no more."""
    queries, _, truth = judged
    probes = _probe_grid(len(packed.sizes))
    lists, _ = packed.router.route(queries, probes[-1], beam)
    only = None if table.ids.alive[: packed.base].all() else Selector(table.ids.alive)
    reached = 0.0
    for nprobe in probes:
        place = _places(table, packed, judged, np.ascontiguousarray(lists[:, :nprobe]), only)
        scanned = float(np.where(lists[:, :nprobe] >= 0, packed.sizes[lists[:, :nprobe]], 0).sum(axis=1).mean())
        for k in (k for k in _TUNED_K if k <= truth.shape[1]):
            for candidates in _candidate_grid(packed, k):
                recall = _lower_recall(place[:, :k] < candidates)
                cost = _cost(packed, queries.shape[1], beam, (nprobe, scanned, candidates))
                yield OperatingPoint(k, beam, nprobe, candidates, recall, cost)
        before, reached = reached, float((place < _MOST).mean())
        if reached >= _GOOD_ENOUGH or reached - before < _NO_MORE:
            return


def _places(table: Table, packed: Packed, judged: _Judged, lists: Int64, only: Selector | None) -> Int64:
    """``(q, c)``: where each true neighbour stands among the candidates (without the query's own row); _MOST: not."""
    queries, held, truth = judged
    deep = truth.shape[1] if packed.lists.exact else _MOST
    found = _without(packed.lists.scan(queries, lists, deep + 1, only), held)
    place = np.full(truth.shape, _MOST, np.int64)
    position = np.full(len(table) + 1, _MOST, np.int64)  # the last entry takes the missing, numbered -1
    for query, row in enumerate(found):
        position[row] = np.arange(len(row))
        position[-1] = _MOST
        place[query] = position[truth[query]]
        position[row] = _MOST
    return place


def _lower_recall(hit: NDArray[np.bool_]) -> float:
    """Mean share of hits ``(q, k)``, less two standard errors and what a sample of this size cannot tell from 1."""
    share = hit.mean(axis=1)
    return float(share.mean() - 2 * share.std() / math.sqrt(len(share)) - 1 / hit.size)


def _probe_grid(n_leaves: int) -> list[int]:
    """1, 2, 3, 4, 6, 8, 11, 16 .. all leaves."""
    grid = {round(2 ** (i / 2)) for i in range(2 * n_leaves.bit_length())}
    return sorted({min(probes, n_leaves) for probes in grid})


def _candidate_grid(packed: Packed, k: int) -> list[int]:
    return [k] if packed.lists.exact else [c for c in _CANDIDATES if c >= k]


def _cost(packed: Packed, dim: int, beam: int, work: tuple[float, float, float]) -> float:
    """Nanoseconds of one query on one core, from what it does: (leaves probed, rows scanned, candidates).

    Measured with FAISS 1.15 on AVX-512 at 128 dimensions: 180 a list, 0.22 a float of a scanned row, 0.9 / 64 a code
    (at least 0.3 a row), 60 a candidate; a centroid costs a quarter of a row in one matrix product, a row in a nest.
    """
    nprobe, scanned, candidates = work
    each_row = 0.22 * dim if packed.coder is None else max(0.3, 0.014 * packed.coder.n_parts)
    each_centroid = (0.06 if beam == 0 else 0.22) * dim
    return (
        each_centroid * packed.router.visited(beam)
        + (0 if beam == 0 else 1_000)
        + 180 * nprobe
        + each_row * scanned
        + (10 + 0.4 * dim) * candidates
    )


def _frontier(points: list[OperatingPoint]) -> list[OperatingPoint]:
    """The points than which no cheaper one finds as much, by rising cost."""
    kept: list[OperatingPoint] = []
    for point in sorted(points, key=lambda p: (p.cost, -p.recall)):
        if not kept or point.recall > kept[-1].recall:
            kept.append(point)
    return kept
