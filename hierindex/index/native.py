"""The few FAISS calls that the index makes with raw pointers, each behind a NumPy signature.

SWIG takes bare addresses: every array named here is held by a local name until the call is over, contiguous and of
the right dtype, or memory would be read that is no longer there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from hierindex.vectors import Float32, Int64

__all__ = [
    "Selector",
    "all_squared",
    "compared",
    "kmeans",
    "measuring",
    "nearest",
    "nearest_among",
    "scan_rows",
    "search_lists",
    "twice",
    "within",
]

_raw: Any = faiss  # the stubs that FAISS ships lack or misname much of what is called here


def ivf_parameters(
    nprobe: int,
    only: Selector | None = None,
    above: object = None,
    *,
    one_by_one: bool = False,
) -> Any:  # noqa: ANN401
    """How to search an inverted file.

    Args:
        nprobe: lists to probe.
        only: rows that may be found.
        above: how its quantizer is searched.
        one_by_one: a query's lists in the order given. Otherwise FAISS takes those of codes by their numbers, so that
            several queries go through a list together, and prepares for that though there be only one.
    """
    settings: dict[str, object] = {} if above is None else {"quantizer_params": above}
    if one_by_one:
        settings["max_lists_num"] = nprobe  # where a search may stop early FAISS goes one by one; this one never does
    return _raw.SearchParametersIVF(nprobe=nprobe, sel=only.sel if only else None, **settings)


class Selector:
    """A set of row numbers in the form FAISS asks while it scans: one bit a row.

    Example:
        >>> Selector(np.array([True, False, True])).count
        2
    """

    def __init__(self, mask: NDArray[np.bool_]) -> None:
        self.rows = np.flatnonzero(mask).astype(np.int64)
        self.count = len(self.rows)
        self._bits = np.packbits(mask, bitorder="little")  # FAISS reads it in place: it must live as long as sel
        self.sel = _raw.IDSelectorBitmap(self._bits)


def scan_rows(
    queries: Float32, rows: Float32, k: int, by_product: bool, only: Selector | None = None
) -> tuple[Int64, Float32]:
    """The k rows ``(q, k)`` with the smallest squared L2 distance or the largest inner product, best first.

    Ids are -1 where there are fewer. For many queries FAISS computes |q|^2 - 2 q.x + |x|^2, which rounds far from the
    origin; how many is a rule of the build (queries, or queries times dimensions), so nothing should rest on it.
    """
    (nq, dim), n = queries.shape, len(rows)
    values, ids = np.empty((nq, k), np.float32), np.full((nq, k), -1, np.int64)
    sp, sel = faiss.swig_ptr, only.sel if only else None
    if by_product:
        faiss.knn_inner_product(sp(queries), sp(rows), dim, nq, n, k, sp(values), sp(ids), sel)
    else:
        faiss.knn_L2sqr(sp(queries), sp(rows), dim, nq, n, k, sp(values), sp(ids), None, sel)
    return ids, values


def nearest_among(
    queries: Float32, rows: Float32, candidates: Int64, k: int, by_product: bool
) -> tuple[Int64, Float32]:
    """The best k of each query's own ``candidates`` ``(q, c)``, compared pair by pair in float32.

    The value of a pair does not depend on what else is in the call. A candidate of -1 ends its row.
    """
    (nq, dim), c = queries.shape, candidates.shape[1]
    values, ids = np.empty((nq, k), np.float32), np.empty((nq, k), np.int64)
    sp = _raw.swig_ptr
    by_idx = _raw.knn_inner_products_by_idx if by_product else _raw.knn_L2sqr_by_idx
    by_idx(sp(queries), sp(rows), sp(candidates), dim, nq, len(rows), c, k, sp(values), sp(ids), c)
    return ids, values


def compared(a: Float32, b: Float32, of_a: Int64, of_b: Int64, by_product: bool) -> Float32:
    """``(p,)``: squared L2 distances or inner products of the rows ``of_a`` of ``a`` with the rows ``of_b`` of ``b``.

    Bit for bit what `nearest_among` says of the same pairs.
    """
    values, sp = np.empty(len(of_a), np.float32), _raw.swig_ptr
    of_a, of_b = np.ascontiguousarray(of_a, np.int64), np.ascontiguousarray(of_b, np.int64)
    by_pair = _raw.pairwise_indexed_inner_product if by_product else _raw.pairwise_indexed_L2sqr
    by_pair(a.shape[1], len(of_a), sp(a), sp(of_a), sp(b), sp(of_b), sp(values))
    return values


def all_squared(queries: Float32, rows: Float32) -> Float32:
    """``(q, n)``: the squared L2 distance of every query and row, as rounded as `scan_rows` rounds those of many."""
    values, sp = np.empty((len(queries), len(rows)), np.float32), faiss.swig_ptr
    _raw.pairwise_L2sqr(rows.shape[1], len(queries), sp(queries), len(rows), sp(rows), sp(values))
    return values


def measuring(query: Float32, rows: Float32, squared: Float32) -> Callable[[], None]:
    """What writes the squared L2 distance of a query ``(1, d)`` and every row ``(n, d)`` whenever called.

    Each is computed by itself. The arrays stay where they are in memory, and all are contiguous.
    """
    sp = _raw.swig_ptr
    where = sp(squared), sp(query), sp(rows), rows.shape[1], len(rows)
    held = squared, query, rows  # the addresses alone would let them go

    def call(_: object = held) -> None:
        _raw.fvec_L2sqr_ny(*where)

    return call


def within(queries: Float32, rows: Float32, bound: float, by_product: bool) -> tuple[Int64, Int64]:
    """All pairs ``(p,)`` of a query's number and a row's with a squared L2 distance below, or a product above a bound.

    As rounded as `scan_rows`.
    """
    (nq, dim), n = queries.shape, len(rows)
    found, sp = _raw.RangeSearchResult(nq), _raw.swig_ptr
    search = _raw.range_search_inner_product if by_product else _raw.range_search_L2sqr
    search(sp(queries), sp(rows), dim, nq, n, bound, found)
    ends = _raw.rev_swig_ptr(found.lims, nq + 1).astype(np.int64)
    labels = _raw.rev_swig_ptr(found.labels, int(ends[-1])).astype(np.int64) if ends[-1] else np.empty(0, np.int64)
    return np.repeat(np.arange(nq, dtype=np.int64), np.diff(ends)), labels


def search_lists(
    index: Any,  # noqa: ANN401 - faiss.IndexIVF
    queries: Float32,
    lists: Int64,
    k: int,
    only: Selector | None,
) -> tuple[Int64, Float32]:
    """The best k ``(q, k)`` in the given lists ``(q, probes)`` (-1: none) of an inverted file.

    Parameters travel with the call: an index is never written to, so any number of threads may search it.
    """
    nq, probes = lists.shape
    values, ids = np.empty((nq, k), np.float32), np.empty((nq, k), np.int64)
    coarse = np.zeros((nq, probes), np.float32)  # only residual codes would look at it
    parameters = ivf_parameters(probes, only)
    sp = _raw.swig_ptr
    index.search_preassigned_c(nq, sp(queries), k, sp(lists), sp(coarse), sp(values), sp(ids), False, parameters)
    return ids, values


def twice(index: Any) -> Any:  # noqa: ANN401 - faiss.IndexIVF
    """Give every list of an inverted file a second number, its own and as many more as there are lists.

    Returns:
        the lists, which the index now reads but no longer owns: to be kept as long as the index is.
    """
    lists, both = index.invlists, _raw.InvertedListsPtrVector()
    both.push_back(lists)
    both.push_back(lists)
    stack = _raw.VStackInvertedLists(2, both.data())  # copies the two addresses
    index.own_invlists, index.nlist = False, 2 * index.nlist
    index.replace_invlists(stack, True)
    stack.this.disown()  # the index deletes it
    lists.this.own(True)
    return lists


def nearest(queries: Float32, centroids: Float32) -> Int64:
    """``(q,)``: the centroid nearest to each query in L2."""
    return scan_rows(queries, centroids, 1, by_product=False)[0][:, 0]


def kmeans(sample: Float32, k: int, seed: int, *, iterations: int = 12) -> Float32:
    """``(k, d)``: centroids of Lloyd's k-means over a sample of at least k rows."""
    settings = faiss.ClusteringParameters()
    settings.niter, settings.seed = iterations, seed
    settings.min_points_per_centroid, settings.max_points_per_centroid = 1, len(sample)  # no warnings, no sampling
    clustering = faiss.Clustering(sample.shape[1], k, settings)
    clustering.train(sample, faiss.IndexFlatL2(sample.shape[1]))
    return faiss.vector_to_array(clustering.centroids).reshape(k, sample.shape[1]).astype(np.float32)
