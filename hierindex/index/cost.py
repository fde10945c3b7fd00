"""What a search costs, by counting what it does: so that tuning gives the same settings on every machine and run.

Nanoseconds on one core, measured with FAISS 1.15 on AVX-512 at 32 and 128 dimensions and up to ten million rows: for a
query of a large batch, where codes come from the cache because neighbouring queries ask for the same leaves, and for a
query by itself, where they come from memory. A setting is judged by the geometric mean of both. Only ratios count: a
busy machine takes half as long again for all of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from hierindex.index.codes import Coder, part_width

__all__ = ["ScanCost", "Work"]

_BY_PRODUCTS = 128_000  # queries times dimensions from which FAISS compares by a matrix product


@dataclass(frozen=True)
class Work:
    """What a query does on average.

    Attributes:
        centroids: compared on the way down. flat: all of the leaves at once, not some of each level down a nest.
        nprobe: leaves kept in order of distance. lists: leaves scanned. rows: rows in them.
        candidates: rows compared exactly.
    """

    centroids: float
    flat: bool
    nprobe: int
    lists: float
    rows: float
    candidates: float


@dataclass(frozen=True)
class ScanCost:
    """The price of each step.

    Attributes:
        dim: d of the rows.
        n_parts: codes of 4 bits a row, or None where leaves hold float32 rows.
    """

    dim: int
    n_parts: int | None

    @classmethod
    def of(cls, dim: int, coder: Coder | None) -> ScanCost:
        """The prices of leaves made by a coder, or of float32 ones."""
        return cls(dim, None if coder is None else coder.n_parts)

    def of_both(self, work: Work) -> float:
        """The geometric mean of a query's price in a batch and by itself."""
        return math.sqrt(self.in_batch(work) * self.alone(work))

    def in_batch(self, work: Work) -> float:
        """One of many queries."""
        if work.flat:
            route = (3.5 + 0.018 * self._width) * work.centroids + 20 * work.nprobe
        else:
            route = 0.15 * self._width * work.centroids + 100 * work.nprobe
        exact = (30 + 0.55 * self.dim) * work.candidates
        if self.n_parts is None:
            return route + 180 * work.lists + 0.22 * self.dim * work.rows + exact
        tables = 120 * self.n_parts
        scan = 80 * work.lists + (0.19 + 0.008 * self.n_parts) * work.rows
        return route + tables + scan + self._kept(work) + exact

    def alone(self, work: Work) -> float:
        """The only query: nothing is in the cache, and calls take their time."""
        a_row = 0.56 * self.dim if self.n_parts is None else 0.5 + 0.045 * self.n_parts
        if work.flat:
            route = (4 + 0.04 * self._width) * work.centroids + 25 * work.nprobe
        else:
            route = 0.15 * self._width * work.centroids + 150 * work.nprobe
        exact = (80 + self.dim) * work.candidates
        return 30_000 + route + 700 * work.lists + a_row * work.rows + self._kept(work) + exact

    def _kept(self, work: Work) -> float:
        """Keeping the candidates apart from the rest: nothing where float32 rows are compared at once."""
        if self.n_parts is None:
            return 0.0
        return work.candidates * (28 + 16 * math.log(max(work.rows / work.candidates, 1)))

    def whole(self, rows: float, queries: int) -> float:
        """Comparing so many rows exactly in the order in which they lie, for one of ``queries`` in one call."""
        if queries == 1:
            return 30_000 + 0.56 * self.dim * rows
        return (0.05 if queries * self.dim >= _BY_PRODUCTS else 0.22) * self.dim * rows

    def brute(self, rows: float, share: float, queries: int) -> float:
        """As `whole`, among the ``share`` of the rows that may be found, which are copied out once."""
        return self.whole(rows * share, queries) + (2 * rows + self.dim * rows * share) / queries

    def scattered(self, rows: float, queries: int) -> float:
        """Comparing so many rows exactly that lie here and there, for one of ``queries`` in one call."""
        return (80 + self.dim if queries == 1 else 30 + 0.55 * self.dim) * rows

    @property
    def _width(self) -> int:
        """Dimensions in which queries are routed."""
        return self.dim if self.n_parts is None else self.n_parts * part_width(self.n_parts, self.dim)
