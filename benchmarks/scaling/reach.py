"""How many leaves queries need for nine and a half of ten neighbours, at several numbers of rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from hierindex.index.exact import exact_rows, in_order
from hierindex.index.native import kmeans, nearest, scan_rows
from hierindex.vectors import Float32, Metric

__all__ = ["leaves_needed"]

_K = 10
_RECALL = 0.95
_SAMPLE_PER_LEAF = 64


def leaves_needed(rows: Any, queries: Float32, sizes: tuple[int, ...]) -> list[dict[str, float]]:  # noqa: ANN401
    """For each number of rows n, cut into sqrt(n) k-means cells: the nearest so many cells hold .95 of the true ten.

    The cells are what the index makes; that each query may scan another number of them is left out here, so the true
    numbers are lower by what `index.effort` saves.
    """
    out = []
    rng = np.random.default_rng(0)
    for n in sizes:
        some = np.ascontiguousarray(rows[np.sort(rng.choice(len(rows), n, replace=False))], np.float32)
        n_leaves = round(n**0.5)
        sample = some[rng.choice(n, min(n, _SAMPLE_PER_LEAF * n_leaves), replace=False)]
        centres = kmeans(sample, n_leaves, 0)
        cell = nearest(some, centres)
        truth, _ = in_order(*exact_rows(queries, some, _K, by_product=False), Metric.L2)
        order, _ = scan_rows(queries, centres, n_leaves, by_product=False)
        place = np.empty_like(order)
        np.put_along_axis(place, order, np.arange(n_leaves)[None], axis=1)
        rank = np.take_along_axis(place, cell[truth], axis=1)
        out.append({"n": n, "leaves": float(np.quantile(rank, _RECALL)) + 1})
    return out
