"""How short codes may be: measured on the leaves that some queries would scan, where rows crowd as they will.

Shorter codes are compared faster and tell less, so more candidates must be compared exactly. Which wins depends on how
many dimensions the rows really fill and on how many rows lie about as near as the nearest ones, and is the sum of both
costs for a number of parts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import faiss
import numpy as np
from numpy.typing import NDArray

from hierindex.index.codes import Axes, Coder
from hierindex.index.cost import ScanCost, Work
from hierindex.index.judged import Judged, Routed, nearest_others, without_own
from hierindex.index.tables import Table
from hierindex.vectors import Float32, Int64, Metric

__all__ = ["choose_coder"]

_PARTS = (4, 6, 8, 12, 16, 24, 32, 40, 48, 64, 96, 128)
_PLACES = 16
_QUERIES = 16  # at each of them
_ROWS = 2**13  # at each: so many are coded by every coder that is tried, or a share where a query scans more
_SHARE = 1 / 8
_K = 10
_DEEP = 4_096
_FOUND = 0.99  # of the neighbours should be among the candidates: those that leaves miss cost more to find
_IN_LEAVES = 0.965  # of the neighbours lie in the leaves that are thought to be scanned


def choose_coder(table: Table, leaf_of: Int64, metric: Metric, judged: Judged, routed: Routed, seed: int) -> Coder:
    """The coder with the cheapest search: one with two dimensions a part, or one with one.

    Args:
        table: the rows.
        leaf_of: ``(n,)``, the leaf (its position from left to right) of each row.
        metric: how rows are compared.
        judged: held-out rows; they do not shape the codes.
        routed: their ways through the leaves.
        seed: of every random choice.
    """
    dim = table.rows.values.shape[1]
    usable = table.ids.alive.copy()
    usable[judged.rows] = False
    axes = Axes.of(table.rows.values, np.flatnonzero(usable), seed)
    lists = float(np.quantile(routed.rank[:, :_K], _IN_LEAVES)) + 1
    probed = routed.lists[:, : min(routed.width, math.ceil(lists))]
    scanned = float(routed.rows_up_to[:, probed.shape[1]].mean())
    rng = np.random.default_rng(seed)
    ways = probed[np.sort(rng.choice(len(probed), min(_PLACES, len(probed)), replace=False))]
    places = [place for way in ways if (place := _place(table, leaf_of, metric, way, rng)) is not None]

    @cache
    def coder(parts: int) -> Coder:
        return axes.coder(parts, seed)

    def price(parts: int, candidates: float) -> float:
        # all coders route alike, so what that costs is left out
        return ScanCost(dim, parts).of_both(Work(0, True, math.ceil(lists), lists, scanned, candidates))

    @cache
    def cost(parts: int) -> float:
        candidates = _candidates(coder(parts), places, metric)
        return price(parts, candidates) if candidates <= _DEEP else math.inf

    best, least = 0, math.inf
    for ladder, start in _ladders(dim):
        if price(ladder[0], _K) < least:  # else these cost more however few candidates they need
            parts = _cheapest(ladder, start, cost)
            if cost(parts) <= least:
                best, least = parts, cost(parts)
    return coder(best)


def _ladders(dim: int) -> list[tuple[list[int], float]]:
    """Numbers of parts worth trying, with where to begin: parts of two dimensions, then of one (see `part_width`).

    Codes of one dimension a part begin with all dimensions: where these are wanted, hardly one can be left out.
    """
    half = math.ceil(dim / 2)
    tried = sorted(parts for parts in {*_PARTS, half, dim} if parts <= min(dim, _PARTS[-1]))
    twos, ones = [parts for parts in tried if parts <= half], [parts for parts in tried if parts > half]
    return [(ladder, start) for ladder, start in ((twos, dim / 4), (ones, dim)) if ladder]


def _cheapest(ladder: list[int], start: float, cost: Callable[[int], float]) -> int:
    """The number of parts to which the cost falls from ``start``, up or down; up through those that are of no use."""
    best = min(range(len(ladder)), key=lambda step: abs(ladder[step] - start))
    while best + 1 < len(ladder) and cost(ladder[best + 1]) <= cost(ladder[best]):
        best += 1
    while best > 0 and cost(ladder[best - 1]) < cost(ladder[best]):
        best -= 1
    return ladder[best]


@dataclass(frozen=True, eq=False)
class _Place:
    """What a query scans, and queries that would scan about the same.

    Attributes:
        rows: ``(s, d)``. weight: ``(s,)``, for how many rows each of them stands.
        own: ``(q,)``, which of them are the queries. truth: ``(q, t)``, the nearest of each among the others.
    """

    rows: Float32
    weight: NDArray[np.float64]
    own: Int64
    truth: Int64


def _place(table: Table, leaf_of: Int64, metric: Metric, way: Int64, rng: np.random.Generator) -> _Place | None:
    """The live rows in the leaves ``(w,)`` of a query's way, and queries out of the first one; None without any.

    One branch of the tree for all would be simpler, but heavy-tailed rows crowd differently everywhere: of a million, a
    branch wants 160 candidates where the tuner then asks for 400.
    """
    members = np.flatnonzero(np.isin(leaf_of, way) & table.ids.alive)
    rows, near = table.rows.values[members], np.flatnonzero(leaf_of[members] == way[0])
    if len(rows) < 2 or not len(near):  # nobody is left there, or nobody else
        return None
    own = np.sort(rng.choice(near, min(len(near), _QUERIES), replace=False))
    truth = nearest_others(rows, own, min(_K, len(rows) - 1), metric, np.ones(len(rows), np.bool_))
    kept = np.zeros(len(rows), np.bool_)
    kept[own], kept[truth] = True, True
    others = np.flatnonzero(~kept)
    some = rng.choice(others, min(len(others), max(_ROWS, int(_SHARE * len(rows)))), replace=False)
    weight = np.where(kept, 1.0, len(others) / max(1, len(some)))
    kept[some] = True
    number = np.cumsum(kept) - 1
    return _Place(rows[kept], weight[kept], number[own], number[truth])


def _candidates(coder: Coder, places: list[_Place], metric: Metric) -> float:
    """How many candidates hold _FOUND of the true neighbours at all places; inf where _DEEP do not."""
    kind = faiss.METRIC_INNER_PRODUCT if metric.coded_by_product else faiss.METRIC_L2
    if not places:
        return float(_K)
    needed = []
    for place in places:
        index = faiss.IndexPQFastScan(coder.width, coder.n_parts, 4, kind)
        index.pq, index.is_trained = coder.quantizer, True
        index.add(coder.turned_together(place.rows))
        deep = min(_DEEP, len(place.rows))
        found = without_own(index.search(coder.turned(place.rows[place.own]), deep)[1], place.own)
        match = found[:, :, None] == place.truth[:, None, :]
        rank = np.take_along_axis(np.cumsum(place.weight[found], axis=1), match.argmax(axis=1), axis=1)
        needed.append(np.where(match.any(axis=1), rank, np.inf).ravel())
    return float(np.quantile(np.concatenate(needed), _FOUND, method="higher"))
