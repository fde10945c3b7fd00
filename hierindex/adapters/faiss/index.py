"""`IndexHier`: the calls of `faiss.Index`."""

from __future__ import annotations

from typing import Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hierindex.adapters.faiss.terms import (
    METRIC_INNER_PRODUCT,
    METRIC_L2,
    IDSelector,
    SearchParametersHier,
    members,
    metric_of,
    own_radius,
    reported,
)
from hierindex.adapters.growing import Growing
from hierindex.api import BuildConfig, HierIndex
from hierindex.errors import InputError, UnknownIdError
from hierindex.vectors import Float32, Int64, Metric, as_ids, as_vectors, positive

__all__ = ["IndexHier"]

_T = TypeVar("_T", bound=np.generic)
_FAR = np.finfo(np.float32).max


class IndexHier:
    """An index with the calls of `faiss.Index`.

    Args:
        d: the dimension.
        metric: `METRIC_L2`, `METRIC_INNER_PRODUCT`, or a `Metric` by name. For "cosine" vectors are normalised on their
            way in, and D holds cosines, largest first.
        recall: the share of the true neighbours that a search finds, on average; 1 is exact. Up to 1,000 points (4,000
            of few dimensions, see `IndexConfig`) every search is.
        config: how the tree is learned and laid out.

    Attributes:
        recall: as given; may be set at any time.

    Example:
        >>> x = np.array([[0, 0], [3, 4]], np.float32)
        >>> index = IndexHier(2)
        >>> index.add(x)
        >>> D, I = index.search(x[:1], 2)
        >>> D.tolist(), I.tolist()
        ([[0.0, 25.0]], [[0, 1]])
    """

    def __init__(
        self,
        d: int,
        metric: int | str | Metric = METRIC_L2,
        *,
        recall: float = 0.95,
        config: BuildConfig | None = None,
    ) -> None:
        self._d = positive(d, "d")
        self._metric, self._config = metric_of(metric), config
        self._growing = Growing(self._metric, config)
        self._next = 0
        self.recall = recall

    @classmethod
    def around(cls, index: HierIndex, *, recall: float = 0.95) -> Self:
        """These calls for an index that is there already; what they change stays in memory.

        Raises:
            InputError: its ids are strings.
        """
        if index.ids.dtype == object:
            raise InputError(f"ids should be integers, as FAISS has them; found strings in {index}")
        made = cls(index.dim, index.metric, recall=recall)
        made._growing.hold(index.pinned())
        made._next = int(index.ids.max(initial=-1)) + 1
        return made

    def __len__(self) -> int:
        """As `ntotal`."""
        return self.ntotal

    @property
    def d(self) -> int:
        """The dimension."""
        return self._d

    @property
    def ntotal(self) -> int:
        """How many vectors are in the index."""
        return len(self._growing)

    @property
    def is_trained(self) -> bool:
        """True: nothing has to come before `add`. A tree that was not trained is learned from what is added."""
        return True

    @property
    def metric_type(self) -> int:
        """`METRIC_L2`, or `METRIC_INNER_PRODUCT` for inner products and cosines."""
        return METRIC_L2 if self._metric is Metric.L2 else METRIC_INNER_PRODUCT

    @property
    def index(self) -> HierIndex:
        """The index behind: its tree, payload, filters and all else.

        Raises:
            InputError: nothing was added or trained yet.
        """
        if self._growing.index is None:
            raise InputError("index should come after the first train or add; found an index that nothing was put into")
        return self._growing.index

    # ---- filling

    def train(self, x: ArrayLike) -> None:
        """Learn the tree from vectors ``(n, d)``, n >= 2, and keep none of them; `add` keeps the tree then.

        Without it the tree is learned from what is added first, and again while the index is small.

        Raises:
            InputError: fewer than 2 vectors, ones that do not fit, or an index that holds vectors.
        """
        if self.ntotal:
            raise InputError(f"train should come before add; found {self.ntotal} vectors in the index; reset it first")
        index = HierIndex.from_vectors(self._rows(x), metric=self._metric, config=self._config)
        index.delete(index.ids)
        self._growing.hold(index)

    def add(self, x: ArrayLike) -> None:
        """Add vectors ``(n, d)`` under the next numbers: 0, 1, ... where nothing else was done."""
        rows = self._rows(x)
        self.add_with_ids(rows, np.arange(self._next, self._next + len(rows), dtype=np.int64))

    def add_with_ids(self, x: ArrayLike, ids: ArrayLike) -> None:
        """Add vectors ``(n, d)`` under ids ``(n,)`` of your own.

        Raises:
            DuplicateIdError: an id is given twice or is in the index. InputError: an id below 0, or what does not fit.
        """
        rows = self._rows(x)
        chosen = as_ids(ids, len(rows))
        if chosen.dtype == object:
            raise InputError(f"ids should be integers, as FAISS has them; found {chosen[0]!r}; see HierIndex for names")
        self._growing.add(rows, chosen)
        self._next = max(self._next, int(chosen.max()) + 1)

    def remove_ids(self, ids: ArrayLike | IDSelector) -> int:
        """Remove vectors by an array of ids or one of FAISS's selectors; how many there were. Other ids stay."""
        gone = self._selected(ids)
        return self._growing.remove(self.index.ids[gone]) if gone.any() else 0

    def reset(self) -> None:
        """Remove all vectors, and forget the tree."""
        self._growing, self._next = Growing(self._metric, self._config), 0

    # ---- asking

    def search(
        self,
        x: ArrayLike,
        k: int,
        *,
        params: SearchParametersHier | None = None,
        D: Float32 | None = None,  # noqa: N803 - FAISS's names
        I: Int64 | None = None,  # noqa: E741, N803
    ) -> tuple[Float32, Int64]:
        """The k nearest vectors of each query.

        Args:
            x: ``(n, d)`` queries.
            k: how many.
            params: of this search only.
            D: ``(n, k)`` float32, where to write distances; None makes a new array.
            I: ``(n, k)`` int64, likewise for ids.

        Returns:
            D: squared L2 distances, smallest first, or inner products (cosines), largest first; I: ids, -1 where there
            are fewer than k, and there D is the largest float32, or the smallest.

        Raises:
            InputError: k < 1, queries or arrays that do not fit.
        """
        q = self._rows(x)
        worst = _FAR if self._metric is Metric.L2 else -_FAR
        values = _target(D, np.full((len(q), positive(k, "k")), worst, np.float32), "D")
        ids = _target(I, np.full((len(q), k), -1, np.int64), "I")
        if self.ntotal:
            how = params or SearchParametersHier()
            hits = self.index.search(
                q,
                k,
                recall=self.recall if how.recall is None else how.recall,
                nprobe=how.nprobe,
                filter=None if how.sel is None else self._selected(how.sel),
            )
            there = hits.leaves >= 0
            ids[there], values[there] = hits.ids[there], reported(hits.distances[there], self._metric)
        return values, ids

    def range_search(
        self, x: ArrayLike, radius: float, *, params: SearchParametersHier | None = None
    ) -> tuple[NDArray[np.uint64], Float32, Int64]:
        """All vectors nearer than a radius: squared L2 distances below it, or inner products above it. Exact.

        Returns:
            lims ``(n + 1,)`` uint64, D and I: what belongs to query i stands at ``lims[i]:lims[i + 1]``, nearest first.

        Raises:
            InputError: a radius that is not finite, or queries that do not fit.
        """
        q, empty = self._rows(x), np.zeros(0, np.float32)
        if not self.ntotal or (self._metric is Metric.L2 and radius < 0):
            return np.zeros(len(q) + 1, np.uint64), empty, np.zeros(0, np.int64)
        sel = None if params is None or params.sel is None else self._selected(params.sel)
        near = self.index.search(q, radius=own_radius(float(radius), self._metric), filter=sel)
        values = reported(near.distances, self._metric)
        inside = values < radius if self._metric is Metric.L2 else values > radius  # FAISS leaves the rim out
        lims = np.concatenate([[0], np.cumsum(inside)])[near.lims]
        return lims.astype(np.uint64), values[inside], near.ids[inside].astype(np.int64)

    def assign(self, x: ArrayLike, k: int = 1) -> Int64:
        """Ids ``(n, k)`` of the k nearest vectors of each query; -1 where there are fewer."""
        return self.search(x, k)[1]

    def search_and_reconstruct(self, x: ArrayLike, k: int) -> tuple[Float32, Int64, Float32]:
        """As `search`, with the vectors found, ``(n, k, d)``; NaN where there are fewer, as in FAISS."""
        values, ids = self.search(x, k)
        there = ids >= 0
        vectors = np.full((*ids.shape, self.d), np.nan, np.float32)
        if there.any():
            vectors[there] = self.index.vectors(ids[there])
        return values, ids, vectors

    def reconstruct(self, key: int) -> Float32:
        """The vector ``(d,)`` of an id; of unit length for cosine.

        Raises:
            UnknownIdError: it is not in the index.
        """
        vector: Float32 = self.reconstruct_batch([key])[0]
        return vector

    def reconstruct_batch(self, key: ArrayLike) -> Float32:
        """The vectors ``(n, d)`` of ids.

        Raises:
            UnknownIdError: one of them is not in the index.
        """
        if self._growing.index is None:
            raise UnknownIdError("ids should be in the index; found an index that nothing was put into")
        return self.index.vectors(key)

    def reconstruct_n(self, n0: int = 0, ni: int = -1) -> Float32:
        """The vectors of the ids n0, n0 + 1, ... n0 + ni - 1; -1 stands for all there are."""
        return self.reconstruct_batch(np.arange(n0, n0 + (self.ntotal if ni == -1 else ni)))

    # ---- inside

    def _rows(self, x: ArrayLike) -> Float32:
        return as_vectors(x, name="x", dim=self._d)

    def _selected(self, ids: ArrayLike | IDSelector) -> NDArray[np.bool_]:
        """Which of the ids there are, in their order."""
        there: Int64 = np.empty(0, np.int64) if self._growing.index is None else self.index.ids.astype(np.int64)
        return members(ids, there)


def _target(given: NDArray[_T] | None, fresh: NDArray[_T], name: str) -> NDArray[_T]:
    """The caller's array with the values of a fresh one, or the fresh one."""
    if given is None:
        return fresh
    if given.shape != fresh.shape or given.dtype != fresh.dtype:
        raise InputError(
            f"{name} should be {fresh.dtype} {fresh.shape}; found {given.dtype} {given.shape}; None makes a new array"
        )
    given[:] = fresh
    return given
