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
from hierindex.index.native import Selector, search_lists
from hierindex.vectors import Float32, Int64

__all__ = ["FlatLeaves", "LeafLists", "PqLeaves", "fill"]

_SHORT = 1 << 16


class LeafLists(Protocol):
    """Rows in one list for each leaf, in the order of `Nodes.leaves`."""

    @property
    def index(self) -> Any:  # noqa: ANN401 - faiss has no useful types
        """FAISS's inverted file; never written to after it is made."""

    @property
    def exact(self) -> bool:
        """Whether the best candidates are the best rows."""

    def scan(self, queries: Float32, lists: Int64, k: int, only: Selector | None) -> Int64:
        """Candidates ``(q, k)``: row numbers of the best k in the lists ``(q, probes)``, -1 (at row ends) for none.

        Queries are as `Packed.turned` gives them.
        """


@dataclass(frozen=True, eq=False)
class FlatLeaves:
    """Float32 rows; what is best here is best. Costs a second copy of the rows."""

    index: Any
    exact: bool = True

    @classmethod
    def pack(cls, rows: Float32, lists: Int64, n_lists: int, by_product: bool) -> Self:
        """Rows ``(n, d)`` by the list ``(n,)`` they belong to."""
        index = faiss.IndexIVFFlat(_quantizer(rows.shape[1]), rows.shape[1], n_lists, _faiss_metric(by_product))
        index.parallel_mode = 3  # over queries and lists; the default searches preassigned lists on one thread
        index.is_trained = True
        fill(index, rows.view(np.uint8), lists, n_lists)
        return cls(index)

    def scan(self, queries: Float32, lists: Int64, k: int, only: Selector | None) -> Int64:
        """See `LeafLists`."""
        return search_lists(self.index, queries, lists, k, only)[0]


@dataclass(frozen=True, eq=False)
class PqLeaves:
    """4-bit product codes, compared 32 at a time from registers (fast-scan: Andre et al., VLDB 2015)."""

    index: Any
    exact: bool = False

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
        return cls(faiss.IndexIVFPQFastScan(plain, 32))

    def scan(self, queries: Float32, lists: Int64, k: int, only: Selector | None) -> Int64:
        """See `LeafLists`."""
        return search_lists(self.index, queries, lists, k, only)[0]


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
