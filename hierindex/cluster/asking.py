"""What can be asked of an index that many workers hold: all that `HierIndex` can be asked of its points."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike

from hierindex.api.diverse import Diverse, branches
from hierindex.cluster.only import Only
from hierindex.cluster.picking import Elsewhere, named, numbered
from hierindex.cluster.ranging import nearer, within
from hierindex.cluster.results import ClusterHits, ClusterRanges
from hierindex.cluster.searching import Found, search
from hierindex.errors import InputError, ProcessError, UnknownIdError
from hierindex.index.filters import Filter, checked_mask
from hierindex.index.heat import HeatCounter
from hierindex.index.ranges import checked_radius
from hierindex.vectors import Float32, Int64, positive

if TYPE_CHECKING:
    from hierindex.cluster.index import _State

__all__ = ["Asking"]


class Asking:
    """The part of `ClusterIndex` that changes nothing."""

    _heat: HeatCounter

    @overload
    def search(
        self,
        query: object,
        k: int | None = ...,
        *,
        recall: float = ...,
        radius: None = ...,
        nprobe: int | None = ...,
        filter: Filter | None = ...,
        num_threads: int | None = ...,
    ) -> ClusterHits: ...
    @overload
    def search(
        self,
        query: object,
        k: int | None = ...,
        *,
        recall: float = ...,
        radius: float,
        nprobe: int | None = ...,
        filter: Filter | None = ...,
        num_threads: int | None = ...,
    ) -> ClusterRanges: ...
    def search(
        self,
        query: object,
        k: int | None = None,
        *,
        recall: float = 0.95,
        radius: float | None = None,
        nprobe: int | None = None,
        filter: Filter | None = None,  # noqa: A002 - the name that every vector store uses
        num_threads: int | None = None,
    ) -> ClusterHits | ClusterRanges:
        """The k nearest points of each query, or all within a radius: bit for bit what `HierIndex.search` finds.

        Args:
            query: as for `HierIndex.search`.
            k: how many; None is 10, or with a radius all there are.
            recall: the share of the true k nearest to find, in (0, 1]; 1 compares all rows on all workers.
            radius: only points at most so far away. Without ``k`` all workers are asked.
            nprobe: how many leaves to scan, instead of what ``recall`` needs.
            filter: as for `HierIndex.search`. An expression goes to the workers, who hold the payload; a boolean array
                is brought to them as numbers of rows, so prefer expressions where there are many points.
            num_threads: for finding the leaves of a batch; each worker takes one thread a call.

        Raises:
            InputError: as for `HierIndex.search`. NoEncoderError: images, and the index holds no encoder.
            ProcessError: a worker answers with an error that is not about the query; a boolean filter while a worker
                is missing.
        """
        with self._entered() as state:
            near = None if radius is None else checked_radius(radius, state.front.metric)
            if near is not None and k is None and nprobe is not None:
                raise InputError(
                    f"nprobe should come with k: a search by radius alone is exact; found nprobe={nprobe!r}"
                )
            only = None if filter is None else _only(state, filter)
            queries = state.encoding.query(query)
            if near is not None and k is None:
                return within(state.front, state.scanner, queries, near, only, self._heat)
            wanted = 10 if k is None else positive(k, "k")
            where = state.front, state.scanner, queries, wanted
            hits = search(*where, recall, self._heat, num_threads, nprobe, only).hits
            return hits if near is None else nearer(hits, near)

    def diverse(
        self,
        query: object,
        k: int = 10,
        *,
        per_branch: int = 2,
        n_clusters: int | None = None,
        merged: bool = False,
        recall: float = 0.95,
        filter: Filter | None = None,  # noqa: A002 - as for search
        exclude: ArrayLike | None = None,
    ) -> ClusterHits:
        """The k nearest points of which at most so many lie in one branch of the tree; see `HierIndex.diverse`.

        Args:
            query: as for `search`.
            k: how many points.
            per_branch: at most so many of one branch.
            n_clusters: how many branches the tree is cut into; None makes each leaf one.
            merged: all queries ask together, for one answer.
            recall: as for `search`.
            filter: as for `search`.
            exclude: ids not to be found.

        Raises:
            InputError: as for `HierIndex.diverse`. ProcessError: as for `search`; ``exclude`` while a worker is
                missing.
        """
        with self._entered() as state:
            front = state.front
            rows = Elsewhere(front, state.scanner, recall, None if filter is None else _only(state, filter))
            how = Diverse(
                rows=rows,
                branch_of=branches(front.nodes, n_clusters),
                per_branch=positive(per_branch, "per_branch"),
                merged=merged,
                excluded=numbered(front, state.scanner, exclude),
            )
            return rows.hits(*how.search(state.encoding.query(query), positive(k, "k"), self._heat), merged)

    def found(self, query: object, k: int = 10, *, recall: float = 0.95, num_threads: int | None = None) -> Found:
        """As `search`, with what it took: the leaves of each query, and whose lists had to be scanned once more.

        Raises:
            InputError: as for `search`.
        """
        with self._entered() as state:
            queries = state.encoding.query(query)
            wanted = positive(k, "k")
            return search(state.front, state.scanner, queries, wanted, recall, self._heat, num_threads)

    def __contains__(self, id: object) -> bool:  # noqa: A002 - what all calls here call it
        """Whether a point has this id."""
        try:
            self.vectors(np.array([id]))
        except UnknownIdError:
            return False
        return True

    def vectors(self, ids: ArrayLike) -> Float32:
        """Stored vectors ``(n, d)`` float32 of some ids, such as to search with.

        Raises:
            UnknownIdError: an id is not in the index. ProcessError: a worker is missing.
        """
        with self._entered() as state:
            return named(state.front, state.scanner, ids).rows

    def payload(self, ids: ArrayLike) -> pa.Table | None:
        """The payload columns of some ids; None if there are none.

        Raises:
            UnknownIdError, ProcessError: as for `vectors`.
        """
        with self._entered() as state:
            return named(state.front, state.scanner, ids).payload

    def encode(self, images: object) -> Float32:
        """Latent vectors ``(n, d)`` of images, as the index stores them.

        Raises:
            NoEncoderError: the index holds no encoder. InputError: images that cannot be read or do not fit.
        """
        with self._entered() as state:
            return state.encoding.query(images)

    def _entered(self) -> AbstractContextManager[_State]:
        raise NotImplementedError


def _only(state: _State, filter: Filter) -> Only:  # noqa: A002 - as for search
    """Which rows a filter lets through, said so that workers understand it."""
    if isinstance(filter, pc.Expression):
        return Only(expression=filter)
    mask = checked_mask(filter, state.front.n)
    answers = state.scanner.every("numbers")
    if answers.partial:
        raise ProcessError(
            "filter should be an expression while a worker is missing: which row is which cannot be told; repeat it"
        )
    held: list[Int64] = [np.asarray(each, np.int64) for each in answers.given]
    return Only(seq=np.sort(np.concatenate([state.front.late.seq, *held]))[mask])
