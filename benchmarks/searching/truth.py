"""Exact neighbours by flat FAISS, and how hard a data set is: its local intrinsic dimension."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import faiss
import numpy as np

from hierindex.vectors import Float32, Int64

__all__ = ["by_blocks", "exact", "local_dimension", "unit_rows"]


def exact(base: Float32, queries: Float32, k: int = 100) -> tuple[Float32, Int64]:
    """Squared distances and row numbers ``(q, k)`` of the nearest base rows (of unit rows: those of largest cosine)."""
    flat = faiss.IndexFlatL2(base.shape[1])
    flat.add(base)
    with by_blocks():
        parts = [flat.search(queries[at : at + 500], min(k, len(base))) for at in range(0, len(queries), 500)]
    distances, rows = (np.concatenate(column) for column in zip(*parts, strict=True))
    return distances, rows.astype(np.int64)


@contextmanager
def by_blocks() -> Iterator[None]:
    """FAISS compares 20 queries or more with all rows by matrix products, as it did by default before 1.15.

    The threshold that 1.15.1 comes with (128,000 queries) makes it go row by row, 16 times slower here.
    """
    before = faiss.cvar.distance_compute_blas_threshold
    faiss.cvar.distance_compute_blas_threshold = 20
    try:
        yield
    finally:
        faiss.cvar.distance_compute_blas_threshold = before


def unit_rows(x: Float32) -> Float32:
    """Rows of norm 1; zero rows stay."""
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(x / np.where(norms > 0, norms, 1), dtype=np.float32)


def local_dimension(squared: Float32) -> dict[str, float]:
    """Local intrinsic dimension around the queries, mean and median, from squared distances ``(q, k)`` to k neighbours.

    The maximum-likelihood estimator of Levina and Bickel (2004) as Amsaleg et al. (KDD 2015) use it,
    ``-1 / mean_i log(r_i / r_k)``; neighbours at distance 0 say nothing and are left out.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = 0.5 * np.log(squared.astype(np.float64) / squared[:, -1:])
        logs[~np.isfinite(logs)] = np.nan
        each = -1 / np.nanmean(logs[:, :-1], axis=1)
    each = each[np.isfinite(each)]
    return {"mean": float(each.mean()), "median": float(np.median(each))}
