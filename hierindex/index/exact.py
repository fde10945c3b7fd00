"""Exact neighbours, and the exact order and distance of candidates.

Distances are always computed once more, pair by pair, from the float32 rows: a row finds itself at 0, and an answer
does not depend on which other queries came in the same call.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hierindex.index.native import Selector, nearest_among, scan_rows
from hierindex.vectors import Float32, Int64, Metric

__all__ = ["exact_rows", "exact_rows_where", "in_order", "joined", "ranked"]

_SPARE = 2  # with 1, one query in a hundred has to be compared pair by pair; each more makes a scan dearer
_PAIRS_AT_ONCE = 4_000_000
_GATHER_BELOW = 0.5  # below this share of rows it is cheaper to copy them out for all queries than to ask of each row
_GATHER_FOR_ONE_BELOW = 0.125
_GATHER_MOST = 64 * 2**20  # bytes copied out at once: what is compared may be larger than the memory


def exact_rows(
    queries: Float32, rows: Float32, k: int, by_product: bool, only: Selector | None = None
) -> tuple[Int64, Float32]:
    """The k nearest rows, or all that match, as `nearest_among` gives them: -1 ends a row.

    Of equals at the k-th place any may stand; the order among equals is FAISS's (see `in_order`).
    """
    matching = len(rows) if only is None else only.count
    if not matching:
        return np.full((len(queries), k), -1, np.int64), np.zeros((len(queries), k), np.float32)
    spare = 0 if by_product or len(queries) == 1 or matching <= k else _SPARE
    ids, by_scan = scan_rows(queries, rows, min(k + spare, matching), by_product, only)
    found, values = nearest_among(queries, rows, ids, k, by_product)
    if spare:
        unsure = np.flatnonzero(_unsure(queries, by_scan[:, -1], values[:, -1]))
        if len(unsure):
            found[unsure], values[unsure] = _by_pairs(queries[unsure], rows, k, only)
    return found, values


def exact_rows_where(
    queries: Float32, rows: Float32, k: int, by_product: bool, allowed: NDArray[np.bool_]
) -> tuple[Int64, Float32]:
    """As `exact_rows`, among the rows where ``allowed`` ``(n,)`` holds."""
    count = int(np.count_nonzero(allowed))
    if count == len(rows):
        return exact_rows(queries, rows, k, by_product)
    if count > (_GATHER_FOR_ONE_BELOW if len(queries) == 1 else _GATHER_BELOW) * len(rows):
        return exact_rows(queries, rows, k, by_product, Selector(allowed))
    some = np.flatnonzero(allowed)
    step = max(1, _GATHER_MOST // (4 * rows.shape[1]))
    found = _gathered(queries, rows, some[:step], k, by_product)
    for at in range(step, count, step):
        both = joined(found[0], _gathered(queries, rows, some[at : at + step], k, by_product)[0])
        found = nearest_among(queries, rows, both, k, by_product)
    return found


def _gathered(queries: Float32, rows: Float32, some: Int64, k: int, by_product: bool) -> tuple[Int64, Float32]:
    ids, values = exact_rows(queries, rows[some], k, by_product)
    return (np.where(ids >= 0, some[ids], -1) if len(some) else ids), values


def joined(first: Int64, second: Int64) -> Int64:
    """Two sets of candidates of the same queries side by side, what is missing (-1) at the row ends."""
    both = np.concatenate([first, second], axis=1)
    missing = both < 0
    return np.take_along_axis(both, np.argsort(missing, axis=1, kind="stable"), axis=1) if missing.any() else both


def ranked(queries: Float32, rows: Float32, candidates: Int64, k: int, metric: Metric) -> tuple[Int64, Float32]:
    """The k nearest of each query's candidates, by distance and then by row number.

    Args:
        queries: ``(q, d)``.
        rows: ``(n, d)``.
        candidates: ``(q, c)`` different row numbers; -1 ends a row.
        k: how many.
        metric: how rows are compared.

    Returns:
        rows ``(q, k)``, -1 where there are fewer, and true distances ``(q, k)`` float32, inf there.
    """
    return in_order(*nearest_among(queries, rows, np.ascontiguousarray(candidates), k, metric.by_product), metric)


def in_order(ids: Int64, values: Float32, metric: Metric) -> tuple[Int64, Float32]:
    """Rows ``(q, k)`` by distance and then by row number, from how FAISS sorted them by ``values`` ``(q, k)``."""
    missing = ids < 0
    distances = metric.distances(values)
    distances[missing] = np.inf
    level = (distances[:, 1:] == distances[:, :-1]) & (ids[:, 1:] < ids[:, :-1])
    if level.any():
        level &= ~missing[:, 1:]
        for row in np.flatnonzero(level.any(axis=1)):
            order = np.lexsort((ids[row], missing[row], distances[row]))
            ids[row], distances[row] = ids[row, order], distances[row, order]
    return ids, distances


def _by_pairs(queries: Float32, rows: Float32, k: int, only: Selector | None) -> tuple[Int64, Float32]:
    """The k nearest in L2 with every distance computed by itself: slower, and right far from the origin too."""
    some = np.arange(len(rows), dtype=np.int64) if only is None else only.rows
    step = max(1, _PAIRS_AT_ONCE // len(some))
    ids, values = np.empty((len(queries), k), np.int64), np.empty((len(queries), k), np.float32)
    for start in range(0, len(queries), step):
        part = queries[start : start + step]
        found = nearest_among(part, rows, np.tile(some, (len(part), 1)), k, by_product=False)
        ids[start : start + step], values[start : start + step] = found
    return ids, values


def _unsure(queries: Float32, last: Float32, kth: Float32) -> NDArray[np.bool_]:
    """Whether rounding in |q|^2 - 2 q.x + |x|^2 may have kept one of the k nearest out of the candidates.

    A row that was kept out wrongly lies within the k-th distance r, so |x| <= |q| + r bounds its error.

    Args:
        queries: ``(q, d)``.
        last: ``(q,)`` squared distances of the last candidates, so rounded.
        kth: ``(q,)`` true squared distances of the k-th of the candidates.
    """
    r = np.sqrt(kth.astype(np.float64))
    norm = np.sqrt(np.einsum("qd,qd->q", queries, queries, dtype=np.float64))
    error = (8 + np.sqrt(queries.shape[1])) * np.finfo(np.float32).eps * (norm**2 + (norm + r) ** 2)
    return np.asarray(~(last > kth + error))
