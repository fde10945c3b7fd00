"""The rows of the leaves, packed for scanning: as float32, or as 4-bit codes.

Both kinds answer one question: which of the rows in these leaves may be the nearest. The caller compares what comes
back once more with the rows themselves, so codes decide only what is looked at, never what is reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from hierindex.index.codes import Coder
from hierindex.index.native import Selector, search_lists, twice
from hierindex.vectors import Float32, Int64

__all__ = ["FaissLists", "FlatLeaves", "LeafLists", "PqLeaves", "fill"]

_SHORT = 1 << 16
_FIRST = 2  # leaves whose candidates set a bar for those of the others (benchmarks/steps.py)


class LeafLists(Protocol):
    """Rows in one list for each leaf, in the order of `Nodes.leaves`."""

    @property
    def exact(self) -> bool:
        """Whether the best candidates are the best rows."""

    def scan(self, queries: Float32, lists: Int64, k: int, only: Selector | None) -> Int64:
        """Candidates ``(q, k)``: the most promising k rows of each query, -1 (at row ends) for none.

        Args:
            queries: as `Packed.turned` gives them.
            lists: ``(q, probes)`` leaves, the nearest first; -1 for none.
            k: how many.
            only: which rows may be found; None for all.
        """


@dataclass(frozen=True, eq=False)
class FaissLists:
    """Lists in memory.

    Attributes:
        index: FAISS's inverted file; never written to after it is made.
        exact: see `LeafLists`.
    """

    index: Any
    exact: bool

    def turns(self, probes: int) -> Int64:
        """``(probes,)``: what is added to the numbers of a query's leaves, nearest first, to name ``index``'s lists."""
        return np.zeros(probes, np.int64)

    def scan(self, queries: Float32, lists: Int64, k: int, only: Selector | None) -> Int64:
        """See `LeafLists`."""
        return self.promising(queries, lists, k, only)[0]

    def promising(self, queries: Float32, lists: Int64, k: int, only: Selector | None) -> tuple[Int64, Float32]:
        """As `scan`, with what each row promises ``(q, k)``: about its squared distance or its product."""
        in_turn = np.where(lists >= 0, lists + self.turns(lists.shape[1]), -1)
        return search_lists(self.index, queries, in_turn, k, only)


@dataclass(frozen=True, eq=False)
class FlatLeaves(FaissLists):
    """Float32 rows; what is best here is best. Costs a second copy of the rows."""

    @classmethod
    def pack(cls, rows: Float32, lists: Int64, n_lists: int, by_product: bool) -> Self:
        """Rows ``(n, d)`` by the list ``(n,)`` they belong to."""
        index = faiss.IndexIVFFlat(_quantizer(rows.shape[1]), rows.shape[1], n_lists, _faiss_metric(by_product))
        index.parallel_mode = 3  # over queries and lists; the default searches preassigned lists on one thread
        index.is_trained = True
        fill(index, rows.view(np.uint8), lists, n_lists)
        return cls(index, exact=True)


@dataclass(frozen=True, eq=False)
class PqLeaves(FaissLists):
    """4-bit product codes, compared 32 at a time from registers (fast-scan: Andre et al., VLDB 2015).

    FAISS goes through a batch's lists by rising number, so that queries share them, and keeps a row apart as long as it
    is among the best so far. Where a query's nearest lists come late, it keeps many that others then push out. So the
    same lists stand in the index twice, and only a query's nearest are asked for by their first number.

    Attributes:
        n_lists: how many lists there are.
        held: FAISS's lists, which the index names twice and does not own.
    """

    n_lists: int
    held: Any

    @classmethod
    def pack(cls, coder: Coder, codes: NDArray[np.uint8], lists: Int64, n_lists: int, by_product: bool) -> Self:
        """Codes ``(n, bytes)`` of ``coder`` by the list ``(n,)`` they belong to.

        FAISS's fast-scan index takes no rows with given lists (doing so corrupts memory); it does take over a plain
        one whole, and repacks its codes.
        """
        plain = faiss.IndexIVFPQ(
            _quantizer(coder.width), coder.width, n_lists, coder.n_parts, 4, _faiss_metric(by_product)
        )
        plain.by_residual = False  # codes do not depend on the leaf, so a split only moves them
        plain.pq = coder.quantizer
        plain.is_trained = True
        fill(plain, codes, lists, n_lists)
        index = faiss.IndexIVFPQFastScan(plain, 32)
        return cls(index, False, n_lists, twice(index))

    def turns(self, probes: int) -> Int64:
        """See `FaissLists`: the nearest go by their first number, the others by their second."""
        return np.where(np.arange(probes) < _FIRST, 0, self.n_lists)


def fill(index: Any, codes: NDArray[np.uint8], lists: Int64, n_lists: int) -> None:  # noqa: ANN401
    """Put codes into the lists; ids are row numbers, in rising order within a list."""
    short = np.uint16 if n_lists <= _SHORT else np.int64  # NumPy sorts 16-bit numbers by radix, in a tenth of the time
    order = np.argsort(lists.astype(short), kind="stable").astype(np.int64)
    sorted_codes = np.ascontiguousarray(codes[order])
    bounds = np.concatenate([[0], np.cumsum(np.bincount(lists, minlength=n_lists))])
    sp = faiss.swig_ptr
    for number, (start, stop) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)):
        if stop > start:
            ids, entries = order[start:stop], sorted_codes[start:stop]
            index.invlists.add_entries(number, stop - start, sp(ids), sp(entries))
    index.ntotal = len(codes)


def _quantizer(dim: int) -> Any:  # noqa: ANN401
    """The coarse quantizer that FAISS wants to hold; it stays empty, the router takes its place."""
    return faiss.IndexFlatL2(dim)


def _faiss_metric(by_product: bool) -> int:
    return int(faiss.METRIC_INNER_PRODUCT if by_product else faiss.METRIC_L2)
