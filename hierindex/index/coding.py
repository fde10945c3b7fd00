"""How short codes may be: measured on a branch of the tree, where rows crowd as they do in the whole index.

Shorter codes are compared faster and tell less, so more candidates must be compared exactly. Which wins depends on how
many dimensions the rows really fill, and is the sum of both costs for a number of parts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import faiss
import numpy as np

from hierindex.index.codes import Axes, Coder
from hierindex.index.cost import ScanCost, Work
from hierindex.index.exact import exact_rows, ranked
from hierindex.index.judged import Judged, Routed, without_own
from hierindex.index.nodes import Nodes
from hierindex.index.tables import Table
from hierindex.vectors import Float32, Int64, Metric

__all__ = ["choose_coder"]

_PARTS = (4, 6, 8, 12, 16, 24, 32, 40, 48, 64, 96, 128)
_ROWS = 65_536
_QUERIES = 256
_K = 10
_DEEP = 1_024
_FOUND = 0.985  # of the neighbours should be among the candidates
_IN_LEAVES = 0.965  # of the neighbours lie in the leaves that are thought to be scanned


def choose_coder(table: Table, nodes: Nodes, metric: Metric, judged: Judged, routed: Routed, seed: int) -> Coder:
    """The coder with the cheapest search: one with two dimensions a part, or one with one.

    Args:
        table: the rows.
        nodes: the tree above them.
        metric: how rows are compared.
        judged: held-out rows; they do not shape the codes.
        routed: their ways through the leaves.
        seed: of every random choice.
    """
    dim = table.rows.values.shape[1]
    usable = table.ids.alive.copy()
    usable[judged.rows] = False
    axes = Axes.of(table.rows.values, np.flatnonzero(usable), seed)
    branch = _crowd(table, nodes)
    rng = np.random.default_rng(seed)
    own = np.sort(rng.choice(len(branch), min(_QUERIES, max(1, len(branch) // 10)), replace=False))
    rows = table.rows.values[branch]
    found = exact_rows(rows[own], rows, min(_K + 1, len(rows)), metric.by_product)
    truth = without_own(ranked(rows[own], rows, found, min(_K + 1, len(rows)), metric)[0], own)[:, :_K]
    lists = float(np.quantile(routed.rank[:, :_K], _IN_LEAVES)) + 1
    scanned = float(routed.rows_up_to[:, min(routed.width, math.ceil(lists))].mean())

    @cache
    def coder(parts: int) -> Coder:
        return axes.coder(parts, seed)

    def price(parts: int, candidates: float) -> float:
        centroids = math.sqrt(len(nodes.leaves))  # hardly anything either way: all coders route alike
        return ScanCost(dim, parts).of_both(Work(centroids, True, math.ceil(lists), lists, scanned, candidates))

    @cache
    def cost(parts: int) -> float:
        candidates = _candidates(coder(parts), rows, own, truth, metric)
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


def _crowd(table: Table, nodes: Nodes) -> Int64:
    """Live rows below one node: all of them, or those of the branch whose number of rows is nearest to _ROWS."""
    live = table.ids.live_rows
    if len(live) <= 2 * _ROWS:
        return live
    counts = nodes.counts(table.leaf.values[live])
    node = int(np.argmin(np.abs(counts - _ROWS)))
    return live[np.isin(table.leaf.values[live], nodes.leaves_under(node))]


def _candidates(coder: Coder, rows: Float32, own: Int64, truth: Int64, metric: Metric) -> float:
    """How many candidates hold _FOUND of the true neighbours ``(q, t)`` of ``rows[own]``; inf where _DEEP do not."""
    kind = faiss.METRIC_INNER_PRODUCT if metric.coded_by_product else faiss.METRIC_L2
    index = faiss.IndexPQFastScan(coder.width, coder.n_parts, 4, kind)
    index.pq, index.is_trained = coder.quantizer, True
    index.add(coder.turned(rows))
    deep = min(_DEEP, len(rows))
    found = without_own(index.search(coder.turned(rows[own]), deep)[1], own)
    match = found[:, :, None] == truth[:, None, :]
    place = np.where(match.any(axis=1), match.argmax(axis=1), np.inf)
    return float(np.quantile(place, _FOUND, method="higher")) + 1
