"""The nearest leaves of queries, by comparing every centroid.

The distances of many queries come from one matrix product, those of one query one by one. The smallest are set apart by
NumPy's partition, which with AVX-512 or AVX2 takes a fraction of what FAISS's heaps take.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np

from hierindex.index.native import all_squared, measuring
from hierindex.index.threads import in_parts
from hierindex.vectors import Float32, Int64

__all__ = ["Centroids"]

_AT_ONCE = 2**20  # bytes of distances, so that they are still in the cache when they are looked through


@dataclass(frozen=True, eq=False)
class Centroids:
    """The centroids of all leaves.

    Attributes:
        values: ``(L, w)`` float32.
        bound: B, the largest |c|^2, where products are compared: in the space with one dimension more in which nearness
            is a larger product (Bachrach et al., RecSys 2014) the squared distance is |q - c|^2 + (B - |c|^2).
        lifted: ``(L,)``, these B - |c|^2. Both are None where squared distances are compared.

    Example:
        >>> line = Centroids.of(np.array([[0.0], [5.0], [2.0]], np.float32), by_product=False)
        >>> [each.tolist() for each in line.nearest(np.array([[3.0]], np.float32), 2)]
        [[[2, 1]], [[1.0, 4.0]]]
    """

    values: Float32
    bound: float | None = None
    lifted: Float32 | None = None

    @classmethod
    def of(cls, values: Float32, by_product: bool) -> Self:
        """Centroids ``(L, w)`` of which the nearest are those with the largest product or the smallest distance."""
        values = np.ascontiguousarray(values)
        if not by_product:
            return cls(values)
        norms = np.einsum("lw,lw->l", values, values)
        return cls(values, float(norms.max()), norms.max() - norms)

    def nearest(self, queries: Float32, n: int) -> tuple[Int64, Float32]:
        """The ``n`` nearest of each query ``(q, w)``: positions ``(q, n)`` and squared distances, nearest first."""
        if len(queries) == 1:
            leaves, squared = self.asking(np.ascontiguousarray(queries), n)()
            return leaves[None], squared[None]
        leaves, squared = np.empty((len(queries), n), np.int64), np.empty((len(queries), n), np.float32)

        def some(part: slice) -> None:
            leaves[part], squared[part] = self._nearest(queries[part], n)

        in_parts(some, len(queries), max(1, _AT_ONCE // (4 * len(self.values))))
        return leaves, np.maximum(squared, 0, out=squared)

    def _nearest(self, queries: Float32, n: int) -> tuple[Int64, Float32]:
        squared = all_squared(queries, self.values)
        if self.lifted is not None:
            squared += self.lifted
        kept = squared.argpartition(n - 1, axis=1)[:, :n]
        squared = np.take_along_axis(squared, kept, axis=1)
        order = squared.argsort(axis=1)
        return np.take_along_axis(kept, order, axis=1), np.take_along_axis(squared, order, axis=1)

    def asking(self, query: Float32, n: int) -> Callable[[], tuple[Int64, Float32]]:
        """What finds the nearest of the query in a buffer ``(1, w)`` whenever called: ``(n,)`` each, as `nearest` does.

        Without the price of new arrays for every query; for one thread.
        """
        squared, lifted = np.empty(len(self.values), np.float32), self.lifted
        measure = measuring(query, self.values, squared)

        def call() -> tuple[Int64, Float32]:
            measure()
            if lifted is not None:
                np.add(squared, lifted, out=squared)
            kept = squared.argpartition(n - 1)[:n]
            distances = squared[kept]
            order = distances.argsort()
            return kept[order], distances[order]

        return call
