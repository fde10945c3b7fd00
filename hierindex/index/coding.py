"""How short codes may be: measured on a branch of the tree, where rows crowd as they do in the whole index.

Shorter codes are compared faster and tell less, so more candidates must be compared exactly. Which wins depends on how
many dimensions the rows really fill, and is the sum of both costs for a number of parts.
"""

from __future__ import annotations

import math
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
    """The coder with the cheapest search, found by walking from a quarter of the dimensions to fewer or more parts.

    Args:
        table: the rows.
        nodes: the tree above them.
        metric: how rows are compared.
        judged: held-out rows; they do not shape the codes.
        routed: their ways through the leaves.
        seed: of every random choice.
    """
    dim = table.rows.values.shape[1]
    axes = Axes.of(table.rows.values, np.setdiff1d(table.ids.live_rows, judged.rows), seed)
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

    @cache
    def cost(parts: int) -> float:
        candidates = _candidates(coder(parts), rows, own, truth, metric)
        centroids = math.sqrt(len(nodes.leaves))  # hardly anything either way: all coders route alike
        return ScanCost(dim, parts).of_both(Work(centroids, True, math.ceil(lists), lists, scanned, candidates))

    ladder = _ladder(dim)
    best = min(range(len(ladder)), key=lambda step: abs(ladder[step] - dim / 4))
    for direction in (-1, 1):
        while 0 <= (step := best + direction) < len(ladder):
            if cost(ladder[step]) >= cost(ladder[best]):
                break
            best = step
    return coder(ladder[best])


def _ladder(dim: int) -> list[int]:
    """Numbers of parts worth trying: from few to two dimensions a part."""
    whole = math.ceil(dim / 2)
    return [parts for parts in _PARTS if parts < whole] + ([whole] if whole <= _PARTS[-1] else [])


def _crowd(table: Table, nodes: Nodes) -> Int64:
    """Live rows below one node: all of them, or those of the branch whose number of rows is nearest to _ROWS."""
    live = table.ids.live_rows
    if len(live) <= 2 * _ROWS:
        return live
    counts = nodes.counts(table.leaf.values[live])
    node = int(np.argmin(np.abs(counts - _ROWS)))
    return live[np.isin(table.leaf.values[live], nodes.leaves_under(node))]


def _candidates(coder: Coder, rows: Float32, own: Int64, truth: Int64, metric: Metric) -> float:
    """How many candidates hold _FOUND of the true neighbours ``(q, t)`` of ``rows[own]``; too many where none do."""
    kind = faiss.METRIC_INNER_PRODUCT if metric.coded_by_product else faiss.METRIC_L2
    index = faiss.IndexPQFastScan(coder.width, coder.n_parts, 4, kind)
    index.pq, index.is_trained = coder.quantizer, True
    index.add(coder.turned(rows))
    deep = min(_DEEP, len(rows))
    found = without_own(index.search(coder.turned(rows[own]), deep)[1], own)
    match = found[:, :, None] == truth[:, None, :]
    place = np.where(match.any(axis=1), match.argmax(axis=1), 4 * _DEEP)
    return float(np.quantile(place, _FOUND)) + 1
