"""Where rows within a distance can be: for each leaf, a run of its rows in the order of their distance to its centroid.

By the triangle inequality a row within r of a query lies in a ring around the centroid of its leaf, not nearer than
|q - c| - r and not farther than |q - c| + r (Jagadish et al., "iDistance", TODS 2005). Of an inner product the
inequality of Cauchy and Schwarz says the like: <q, x> = <q, c> + <q, x - c> <= <q, c> + |q| |x - c|. Both hold for
every row, so what lies outside of the runs need not be looked at, and nothing is missed.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hierindex.index.native import compared
from hierindex.index.products import product
from hierindex.vectors import Float32, Int64, Metric

__all__ = ["Rings", "RingsOnce", "Runs", "rounding"]

Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Runs:
    """For each query and leaf the rows that may be near: ``order[start:stop]``.

    Attributes:
        start, stop: ``(q, L)``, places in `Rings.order`.
    """

    start: Int64
    stop: Int64

    @property
    def counts(self) -> Int64:
        """``(q,)``: how many rows may be near each query."""
        return np.asarray((self.stop - self.start).sum(axis=1))

    def pairs(self, some: Int64, order: Int64) -> tuple[Int64, Int64]:
        """The queries' numbers and the rows ``(p,)`` of all pairs that may be near, for ``some`` of the queries."""
        start, size = self.start[some].ravel(), (self.stop - self.start)[some].ravel()
        ends = np.cumsum(size)
        places = np.arange(ends[-1] if len(ends) else 0) + np.repeat(start - ends + size, size)
        query = np.repeat(np.repeat(some, self.start.shape[1]), size)
        return query.astype(np.int64), order[places]


@dataclass(frozen=True, eq=False)
class Rings:
    """Rows by leaf, and within a leaf by their distance to its centroid.

    Attributes:
        order: ``(n,)`` row numbers.
        key: ``(n,)`` float64, rising: leaf times ``span`` plus the distance.
        centroids: ``(L, d)`` float64.
        bounds: ``(L + 1,)``, where each leaf starts in ``order``.
        top: the largest distance.
    """

    order: Int64
    key: Float64
    centroids: Float64
    bounds: Int64
    top: float

    @classmethod
    def of(cls, rows: Float32, leaves: NDArray[np.integer[Any]], centroids: Float32) -> Self:
        """The rings of rows ``(n, d)`` in ``leaves`` ``(n,)`` with these centroids ``(L, d)``."""
        gap = np.sqrt(
            compared(rows, centroids, np.arange(len(rows)), leaves.astype(np.int64), by_product=False), dtype=np.float64
        )
        top = float(gap.max(initial=0))
        order = np.lexsort((gap, leaves)).astype(np.int64)
        key = leaves[order] * (2 * top + 1) + gap[order]
        bounds = np.searchsorted(leaves[order], np.arange(len(centroids) + 1))
        return cls(order, np.asarray(key, np.float64), centroids.astype(np.float64), bounds, top)

    @cached_property
    def longest(self) -> float:
        """At least as long as the longest row."""
        return float(np.sqrt((self.centroids**2).sum(axis=1).max())) + self.top

    def runs(self, queries: Float32, radius: float, metric: Metric) -> Runs:
        """The rows that may lie within ``radius`` of each query ``(q, d)``."""
        q = queries.astype(np.float64)
        if metric is Metric.IP:
            return self._between(*self._by_product(q, radius))
        if metric is Metric.COSINE:  # |q - x|^2 <= 2 (1 - <q, x>) where neither is longer than 1
            radius = float(np.sqrt(2 * (radius + rounding(q.shape[1]))))
        return self._between(*self._by_distance(q, radius))

    def _by_distance(self, q: Float64, radius: float) -> tuple[Float64, Float64]:
        squared = (self.centroids**2).sum(axis=1)
        norms = np.sqrt((q**2).sum(axis=1))[:, None]
        gap = np.sqrt(np.maximum(norms**2 + squared - 2 * product(q, self.centroids.T), 0))
        slack = rounding(q.shape[1]) * (gap + radius + self.top)
        slack += 1e-8 * np.sqrt(8 + q.shape[1]) * (norms + np.sqrt(squared.max()))  # of gap itself
        return gap - radius - slack, gap + radius + slack

    def _by_product(self, q: Float64, radius: float) -> tuple[Float64, Float64]:
        norms = np.sqrt((q**2).sum(axis=1))[:, None]
        missing = -radius - product(q, self.centroids.T) - rounding(q.shape[1]) * norms * self.longest
        low = np.where(missing <= 0, 0, missing / np.maximum(norms, 1e-30))  # longer than any row where q is zero
        return low, np.full(low.shape, np.inf)

    def _between(self, low: Float64, high: Float64) -> Runs:
        leaf = np.arange(len(self.centroids)) * (2 * self.top + 1)
        start = np.broadcast_to(self.bounds[:-1], low.shape).copy()
        stop = np.broadcast_to(self.bounds[1:], low.shape).copy()
        above, below = low > 0, high < self.top
        start[above] = np.searchsorted(self.key, (leaf + np.minimum(low, 2 * self.top + 0.5))[above], side="left")
        stop[below] = np.searchsorted(self.key, (leaf + np.maximum(high, 0))[below], side="right")
        return Runs(start, np.maximum(start, stop))


@dataclass(eq=False)
class RingsOnce:
    """Rings made by the first of many threads that ask."""

    _made: Rings | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, rows: Float32, leaves: NDArray[np.integer[Any]], centroids: Float32) -> Rings:
        """See `Rings.of`; the arguments are always the same ones."""
        with self._lock:
            if self._made is None:
                self._made = Rings.of(rows, leaves, centroids)
            return self._made


def rounding(dim: int) -> float:
    """How far a sum of ``dim`` products in float32 may be off, as a share of the sum of their sizes."""
    return float((16 + dim) * np.finfo(np.float32).eps)
