"""How much work a promised recall needs: measured on held-out rows, looked up by every search.

What may vary is how wide the way down the tree is, how many leaves of it each query scans, and how many candidates are
compared exactly. One scan for each width shows at which place among the candidates each true neighbour stands; from
that follows what any mixture of settings finds, without searching again. What is kept is the cheapest setting for each
recall. Cost is a count of work, not a clock, so tuning is deterministic.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hierindex.index.cost import ScanCost, Work
from hierindex.index.effort import Effort, features, fitted
from hierindex.index.judged import Judged, Routed, without_own
from hierindex.index.native import Selector
from hierindex.index.packed import Packed
from hierindex.index.points import OperatingPoint, OperatingPoints
from hierindex.index.router import ALL
from hierindex.index.tables import Table
from hierindex.vectors import Float32, Int64

__all__ = ["tune"]

_TARGETS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.88, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.995, 0.999)
_CANDIDATES = np.array(sorted({round(2 ** (i / 4)) for i in range(49)}))  # 1, 2, 3 .. 16, 19, 23, 27, 32 .. 4096
_MOST = int(_CANDIDATES[-1])
_STEPS = 24
_NEIGHBOURS = 10  # at least so many say how hard a query is
_SHARE = 0.75  # of the neighbours: a query's effort is fitted to the number of leaves that hold these
_PLACED = 0.9995  # of the neighbours that codes find at all: so deep is looked in every scan
_REACHED = 0.98  # of the neighbours: beams are compared by what it takes to reach the leaves of these
_SAME = 0.97  # an effort that scans so much of the width on average saves nothing


def tune(table: Table, packed: Packed, judged: Judged) -> OperatingPoints:
    """Measure the operating points of packed leaves with held-out rows."""
    n_live, n_leaves = table.ids.n_live, len(packed.sizes)
    if not len(judged.rows):  # fewer than ten rows: nothing is promised, everything is compared
        return OperatingPoints((), n_live, n_leaves)
    queries = packed.turned(judged.queries)
    routed = _cheapest_way(packed, queries, judged)
    places = _places(table, packed, queries, judged, routed)
    measured = [point for k in judged.measured_k for point in _Curve(packed, judged, routed, places, k).points()]
    frontier = tuple(point for k in judged.measured_k for point in _frontier([p for p in measured if p.k == k]))
    return OperatingPoints(frontier, n_live, n_leaves)


def _cheapest_way(packed: Packed, queries: Float32, judged: Judged) -> Routed:
    """The ways through the leaves with the beam that reaches most of the neighbours' leaves for the least."""
    price = _price(packed, judged)
    ways = [
        Routed.of(packed.router, queries, judged, packed.list_of, packed.sizes, beam) for beam in packed.router.beams
    ]

    def cost(way: Routed) -> float:
        lists = min(way.width, int(np.quantile(way.rank[:, :_NEIGHBOURS], _REACHED)) + 1)
        rows = float(way.rows_up_to[:, lists].mean())
        missed = float((way.rank[:, :_NEIGHBOURS] >= way.width).mean())
        return price.of_both(_work(packed, way.beam, lists, lists, rows, _NEIGHBOURS)) * (1 + missed / (1 - _REACHED))

    return min(ways, key=cost)


def _places(table: Table, packed: Packed, queries: Float32, judged: Judged, routed: Routed) -> NDArray[np.int16]:
    """``(widths, q, t)``: the least number of candidates that has each true neighbour, as an index into _CANDIDATES.

    Widths are numbers of leaves scanned; the query's own row is no candidate. Where lists are exact, any number of
    candidates has what is found at all. The widest scan comes first: among fewer rows no neighbour stands further back.
    """
    truth = judged.truth
    deep = truth.shape[1] if packed.lists.exact else _MOST
    only = None if table.ids.alive[: packed.base].all() else Selector(table.ids.alive)
    position = np.full(len(table) + 1, _MOST, np.int64)  # the last entry takes the missing, numbered -1
    places = np.empty((len(routed.widths), *truth.shape), np.int16)
    for width, nprobe in reversed(list(enumerate(routed.widths.tolist()))):
        lists = np.ascontiguousarray(routed.lists[:, :nprobe])
        found = without_own(packed.lists.scan(queries, lists, deep + 1, only), judged.rows)
        for query, rows in enumerate(found):
            position[rows] = np.arange(len(rows))
            position[-1] = _MOST
            places[width, query] = np.searchsorted(_CANDIDATES, position[truth[query]] + 1)
            position[rows] = _MOST
        placed = places[width][places[width] < len(_CANDIDATES)]
        if nprobe == routed.width and len(placed) and not packed.lists.exact:
            deep = int(_CANDIDATES[int(np.quantile(placed, _PLACED, method="higher"))])
    if packed.lists.exact:
        places[places < len(_CANDIDATES)] = 0
    return places


@dataclass(frozen=True, eq=False)
class _Curve:
    """What can be found of the k nearest with one beam, and for how much."""

    packed: Packed
    judged: Judged
    routed: Routed
    places: NDArray[np.int16]
    k: int

    def points(self) -> Iterator[OperatingPoint]:
        """For each width and number of candidates, the least effort that reaches each target."""
        weights: dict[int, NDArray[np.float64]] = {}
        for width in self.routed.widths.tolist():
            x = features(self.routed.distances[:, :width])
            if x.shape[1] not in weights:
                weights[x.shape[1]] = fitted(x, self._needed)
            yield from self._at_width(width, x @ weights[x.shape[1]], weights[x.shape[1]])

    @cached_property
    def _needed(self) -> Int64:
        """``(q,)``: how many leaves hold the larger part of each query's nearest."""
        rank = np.sort(self.routed.rank[:, : max(self.k, _NEIGHBOURS)], axis=1)
        return rank[:, int(_SHARE * (rank.shape[1] - 1))] + 1

    @cached_property
    def _columns(self) -> Iterable[int]:
        """Numbers of candidates worth trying, as places in _CANDIDATES: beyond the last nothing more is found."""
        if self.packed.lists.exact:
            return [0]
        found = self.places[:, :, : self.k]
        first = int(np.searchsorted(_CANDIDATES, self.k))
        return range(first, int(found[found < len(_CANDIDATES)].max(initial=first)) + 1)

    def _at_width(
        self, width: int, guess: NDArray[np.float64], weights: NDArray[np.float64]
    ) -> Iterator[OperatingPoint]:
        shifts = np.linspace(-guess.max(), math.log(width) - guess.min() + 1e-9, _STEPS)
        wanted = [np.clip(np.exp(guess + shift), 1, width).astype(np.int64) for shift in shifts]
        recall = np.maximum.accumulate([self._recall(leaves) for leaves in wanted], axis=0)
        leaves = np.array([needed.mean() for needed in wanted])
        rows = np.array([np.take_along_axis(self.routed.rows_up_to, n[:, None], axis=1).mean() for n in wanted])
        for column in self._columns:
            candidates = self.k if self.packed.lists.exact else int(_CANDIDATES[column])
            reached = recall[:, column]
            for target in _TARGETS:
                if reached[-1] < target:
                    break
                shift, mean_leaves, mean_rows = (
                    float(np.interp(target, reached, values)) for values in (shifts, leaves, rows)
                )
                everywhere = mean_leaves > _SAME * width
                effort: Effort = () if everywhere else (*weights[:-1].tolist(), float(weights[-1] + shift))
                cost = self._cost(width, mean_leaves, mean_rows, candidates)
                yield OperatingPoint(
                    self.k,
                    self.routed.beam,
                    width,
                    candidates,
                    float(reached[-1]) if everywhere else target,
                    cost,
                    effort,
                )

    def _recall(self, leaves: Int64) -> NDArray[np.float64]:
        """``(candidates,)``: the share of the k nearest found when each query scans so many leaves.

        Less a standard error, and what a sample of this size cannot tell from 1.
        """
        level = np.searchsorted(self.routed.widths, leaves)
        query = np.arange(len(leaves))
        place = self.places[level, query, : self.k].astype(np.int64)
        place[self.routed.rank[:, : self.k] >= leaves[:, None]] = len(_CANDIDATES)
        cells = len(_CANDIDATES) + 1
        counts = np.bincount((place + cells * query[:, None]).ravel(), minlength=cells * len(query))
        share = np.cumsum(counts.reshape(len(query), cells)[:, :-1], axis=1) / self.k
        return np.asarray(share.mean(axis=0) - share.std(axis=0) / math.sqrt(len(query)) - 1 / (len(query) * self.k))

    def _cost(self, width: int, leaves: float, rows: float, candidates: int) -> float:
        return _price(self.packed, self.judged).of_both(
            _work(self.packed, self.routed.beam, width, leaves, rows, candidates)
        )


def _price(packed: Packed, judged: Judged) -> ScanCost:
    return ScanCost.of(judged.queries.shape[1], packed.coder)


def _work(packed: Packed, beam: int, nprobe: int, lists: float, rows: float, candidates: int) -> Work:
    return Work(packed.router.visited(beam), beam == ALL, nprobe, lists, rows, candidates)


def _frontier(points: list[OperatingPoint]) -> list[OperatingPoint]:
    """The points than which no cheaper one finds as much, by rising cost."""
    kept: list[OperatingPoint] = []
    for point in sorted(points, key=lambda p: (p.cost, -p.recall)):
        if not kept or point.recall > kept[-1].recall:
            kept.append(point)
    return kept
