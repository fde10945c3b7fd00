"""Recall, as the benchmarks of the field count it: a tie with the k-th neighbour is as good as that neighbour."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.searching.data import DataSet
from hierindex.vectors import Float32, Int64

__all__ = ["recall_of"]


def recall_of(found: Int64, data: DataSet, k: int) -> float:
    """The share of each query's k results that are no farther than its true k-th neighbour; a row counts once.

    Args:
        found: ``(q, k)`` rows, -1 for none.
        data: whose first q queries were asked.
        k: neighbours.
    """
    right = 0
    for at in range(0, len(found), 500):
        rows, queries = found[at : at + 500, :k], data.queries[at : at + 500]
        reach = _squared(data, queries, data.truth[at : at + 500, k - 1 : k])
        ordered = np.sort(rows, axis=1)
        valid = np.ones(ordered.shape, dtype=bool)
        valid[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
        near = _squared(data, queries, ordered) <= reach * (1 + 1e-9)
        right += int((near & valid & (ordered >= 0)).sum())
    return right / (len(found) * k)


def _squared(data: DataSet, queries: Float32, rows: Int64) -> NDArray[np.float64]:
    gaps = data.base[rows].astype(np.float64) - queries[:, None].astype(np.float64)
    return np.asarray(np.einsum("qkd,qkd->qk", gaps, gaps))
