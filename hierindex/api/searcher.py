"""What is asked of an index: neighbours, by their number or within a radius, spread over branches, and why."""

from __future__ import annotations

from typing import overload

import numpy as np
from numpy.typing import ArrayLike

from hierindex.api.diverse import Diverse, Rows, branches, excluded_rows
from hierindex.api.reader import Reader
from hierindex.errors import InputError
from hierindex.index.compare import Measured, against_flat
from hierindex.index.explain import Explanation
from hierindex.index.filters import Filter
from hierindex.index.ranges import checked_radius
from hierindex.results import Hits, Ranges
from hierindex.vectors import Float32, positive

__all__ = ["Searcher"]


class Searcher(Reader):
    """The part of `HierIndex` that searches it."""

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
    ) -> Hits: ...
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
    ) -> Ranges: ...
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
    ) -> Hits | Ranges:
        """The k nearest points of each query, or all within a radius.

        Args:
            query: one or many vectors ``(d,)`` or ``(n, d)`` of floats, or images of the kinds that `build` takes. An
                index of a table takes its rows: as a `Table`, a frame (columns by their names), or an array as wide as
                the table.
            k: how many neighbours; None is 10, or with a radius all there are.
            recall: the share of the true k nearest to find, on average, in (0, 1]; 1 is exact. A search by radius
                alone is always exact.
            radius: only points at most so far away, in the index's distance (for ip: -<q, x>). With ``k``, of the k
                nearest found those that are so near.
            nprobe: how many leaves to scan, instead of what ``recall`` needs.
            filter: a pyarrow expression over payload columns, or a boolean ``(len(index),)`` in the order of ``ids``;
                k results come back whenever k points match.
            num_threads: threads for this call; None takes those of `IndexConfig`. One query takes one. Searches let
                Python's other threads run, so many threads may search at once, each with ``num_threads=1``.

        Returns:
            Hits: ids, true distances and leaves, ``(n, k)`` each, nearest first. With a radius `Ranges`: as many for
            each query as there are.

        Raises:
            InputError: k < 1, recall outside (0, 1], a radius that is not finite or (not for ip) negative, nprobe with
                a radius and no k, vectors or images that do not fit, a filter that does not.
            NoEncoderError: images, and the index holds no encoder.

        Example:
            ``index.search("query.png", k=5, filter=pyarrow.compute.field("price") < 20)``
        """
        view = self._view  # one state for the whole of the search, whatever a writer does meanwhile
        snapshot = view.snapshot
        near = None if radius is None else checked_radius(radius, snapshot.metric)
        if near is not None and k is None and nprobe is not None:
            raise InputError(f"nprobe should come with k: a search by radius alone is exact; found nprobe={nprobe!r}")
        mask = None if filter is None else snapshot.mask(filter)
        q = view.encoding.query(query)
        if near is not None and k is None:
            found = snapshot.within(q, near, mask, self._heat, num_threads)
            return view.ranges(found.lims, found.rows, found.distances)
        wanted = 10 if k is None else positive(k, "k")
        rows, distances = snapshot.search(q, wanted, recall, nprobe, mask, self._heat, num_threads)
        return view.hits(rows, distances) if near is None else view.nearer(rows, distances, near)

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
    ) -> Hits:
        """The k nearest points of which at most so many lie in one branch of the tree.

        The nearest points are taken in order, and one whose branch is full is passed over. So every place of the
        answer is as near as the limit allows, and k points come back whenever the branches together have as many.

        Args:
            query: as for `search`.
            k: how many points.
            per_branch: at most so many of one branch.
            n_clusters: how many branches the tree is cut into, at most as many as it has leaves (then, and for None,
                each leaf is one). Fewer branches are wider ones, and keep answers further apart.
            merged: all queries ask together, for one answer: a point is as far away as it is from the nearest of them.
            recall: as for `search`.
            filter: as for `search`.
            exclude: ids not to be found, such as what was asked with; those that are not in the index do not matter.

        Returns:
            Hits: as of `search`, ``(n, k)`` each; ``(1, k)`` where merged.

        Raises:
            InputError: as for `search`; k, per_branch or n_clusters below 1, or more branches than leaves.

        Example:
            ``index.diverse(index.vectors(watched), k=10, n_clusters=30, merged=True, exclude=watched)``
        """
        view = self._view
        how = Diverse(
            rows=Rows(view.snapshot, recall, None if filter is None else view.snapshot.mask(filter)),
            branch_of=branches(view.snapshot.nodes, n_clusters),
            per_branch=positive(per_branch, "per_branch"),
            merged=merged,
            excluded=excluded_rows(view.snapshot, exclude),
        )
        return view.hits(*how.search(view.encoding.query(query), positive(k, "k"), self._heat))

    def explain(self, query: object, k: int = 10, *, recall: float = 0.95) -> Explanation:
        """What a search of one query does: levels visited, leaves probed, vectors scanned, seconds by stage.

        Raises:
            InputError: as for `search`, or more than one query.
        """
        view = self._view
        q = view.encoding.query(query)
        if len(q) != 1:
            raise InputError(f"query should be one vector or image to explain; found {len(q)}")
        return view.snapshot.explain(q, positive(k, "k"), recall=recall)

    def compare_with_flat(self, queries: object = None, *, k: int = 10, limit: int = 1_000) -> list[Measured]:
        """Recall and latency beside flat FAISS over the same vectors, measured now, the two by turns.

        Args:
            queries: unseen vectors or images; None takes stored points, each left out of its own answers.
            k: neighbours.
            limit: at most so many queries.

        Returns:
            One `Measured` for each of the recalls 0.9, 0.95, 0.99 and 1.
        """
        view, own = self._view, None
        if queries is None:
            own = np.random.default_rng(0).permutation(view.rows)[:limit]
        q = view.snapshot.rows[own] if own is not None else view.encoding.query(queries)[:limit]
        return against_flat(view.snapshot, q, positive(k, "k"), itself=own)

    def encode(self, images: object) -> Float32:
        """Latent vectors ``(n, d)`` float32 of images or rows of a table, as the index stores them.

        Raises:
            NoEncoderError: the index holds no encoder. InputError: images that cannot be read or do not fit.
        """
        return self._view.encoding.query(images)
