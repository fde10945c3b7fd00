"""The nearest points with at most so many from one branch of the tree: answers that do not all say the same.

Taking points nearest first and passing over those whose branch is full gives, at every place of the answer, the
nearest point that any choice under the limit could have there (branches make a partition matroid, on which the greedy
choice is the best one). So nearness is not weighed against variety: there is only the limit to set.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hierindex.errors import InputError
from hierindex.index.explain import NoWatch
from hierindex.index.nodes import Nodes
from hierindex.index.snapshot import Snapshot
from hierindex.vectors import Float32, Int64, as_ids, positive

__all__ = ["Among", "Diverse", "Rows", "Searchable", "branches", "excluded_rows"]

Found = tuple[Int64, Float32]
_LOOK, _LOOK_FURTHER = 8, 64  # times k rows: looking at more costs less than leaving full branches out of a search


def branches(nodes: Nodes, n_clusters: int | None) -> Int64:
    """``(m,)``: the branch 0 .. n_clusters-1 that each leaf lies in when the tree is cut; -1 for inner nodes.

    Args:
        nodes: the tree of an index.
        n_clusters: how many branches; None makes each leaf one.

    Raises:
        InputError: more branches than leaves.
    """
    most = len(nodes.leaves)
    if n_clusters is not None and positive(n_clusters, "n_clusters") > most:
        raise InputError(
            f"n_clusters should be at most {most}, the leaves of the index; found {n_clusters}; None limits each leaf"
        )
    cut = nodes.leaves if n_clusters is None else nodes.cut(n_clusters)
    branch = np.full(len(nodes), -1, np.int64)
    branch[nodes.leaves] = np.repeat(np.arange(len(cut)), np.diff(nodes.spans[cut], axis=1)[:, 0])
    return branch


def excluded_rows(snapshot: Snapshot, ids: ArrayLike | None) -> Int64:
    """Row numbers, rising, of those of some ids that are in the index.

    Raises:
        InputError: ids of another kind than those of the index.
    """
    unwanted = np.unique(np.atleast_1d(np.asarray([] if ids is None else ids)))
    if not unwanted.size:
        return np.zeros(0, np.int64)
    return np.sort(snapshot.ids.rows_of(snapshot.ids.present(as_ids(unwanted, len(unwanted)))))


@dataclass(frozen=True, eq=False)
class Among:
    """Some of the rows that may be found.

    Attributes:
        open: ``(m,)`` bool: nodes in which they lie.
        without: ``(w,)`` rows that are not among them.
    """

    open: NDArray[np.bool_]
    without: Int64


class Searchable(Protocol):
    """Rows that can be searched, wherever they are; those that came first have the lower numbers."""

    def __len__(self) -> int:
        """How many points there are."""

    def nearest(self, queries: Float32, k: int, among: Among | None, watch: NoWatch | None) -> Found:
        """The k nearest rows ``(q, k)``, -1 for none, and distances; None is among all."""

    def leaf_of(self, rows: Int64) -> Int64:
        """``(r,)``: the leaves of rows that were found."""


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a snapshot.

    Attributes:
        snapshot: the index. recall, mask: as for `Snapshot.search`.
    """

    snapshot: Snapshot
    recall: float
    mask: NDArray[np.bool_] | None

    def __len__(self) -> int:
        """See `Searchable`."""
        return len(self.snapshot)

    def nearest(self, queries: Float32, k: int, among: Among | None, watch: NoWatch | None) -> Found:
        """See `Searchable`."""
        mask = self.mask
        if among is not None:
            mask = among.open[self.snapshot.leaf] & (self.snapshot.ids.alive if mask is None else mask)
            mask[among.without] = False
        return self.snapshot.search(queries, k, self.recall, None, mask, watch)

    def leaf_of(self, rows: Int64) -> Int64:
        """See `Searchable`."""
        return self.snapshot.leaf[rows]


@dataclass(frozen=True, eq=False)
class Diverse:
    """A search that finds at most so many rows of one branch.

    Attributes:
        rows: what is searched.
        branch_of: ``(m,)``, see `branches`.
        per_branch: how many rows of one branch.
        merged: all queries ask together, and a row is as far away as it is from the nearest of them.
        excluded: row numbers, rising, that are not to be found: few, for they are looked at and passed over.
    """

    rows: Searchable
    branch_of: Int64
    per_branch: int
    merged: bool
    excluded: Int64

    def search(self, queries: Float32, k: int, watch: NoWatch | None) -> Found:
        """The k nearest rows of each query under the limit, nearest first.

        Args:
            queries: ``(q, d)`` prepared.
            k: how many.
            watch: told of the first look only, so that it counts a query once.

        Returns:
            row numbers and distances ``(q, k)``, or ``(1, k)`` where merged; -1 and inf only where the allowed rows of
            all branches together are fewer than k under the limit.
        """
        asked = [queries] if self.merged else list(queries[:, None])
        width = k if self.per_branch >= k else _LOOK * k
        looked = self._nearest(queries, width + min(len(self.excluded), _LOOK * k), None, watch)
        answers = [self._filled(*each, k) for each in zip(asked, looked, strict=True)]
        rows, distances = np.full((len(asked), k), -1, np.int64), np.full((len(asked), k), np.inf, np.float32)
        for at, (own, gaps) in enumerate(answers):
            order = np.lexsort((own, gaps))  # a later look may have found what an approximate first one missed
            rows[at, : len(own)], distances[at, : len(own)] = own[order], gaps[order]
        return rows, distances

    def _filled(self, queries: Float32, found: Found, k: int) -> Found:
        """One answer, brought to k rows: by looking further, then by leaving out the branches that are full by then.

        It ends: a search that finds fewer rows than are missing has filled a branch, or has seen all that there are.
        """
        nothing = np.zeros(0, np.int64)
        own, gaps = self._under_limit(*found, nothing, k)
        if len(own) < k and len(found[0]) < len(self.rows):
            (found,) = self._nearest(queries, _LOOK_FURTHER * k + len(self.excluded), None)
            own, gaps = self._under_limit(*found, nothing, k)
        while len(own) < k:
            missing = k - len(own)
            (found,) = self._nearest(queries, _LOOK * missing, self._with_room(own))
            more, further = self._under_limit(*found, own, missing)
            if not len(more):
                break
            own, gaps = np.concatenate([own, more]), np.concatenate([gaps, further])
        return own, gaps

    def _nearest(
        self, queries: Float32, width: int, among: Among | None, watch: NoWatch | None = None
    ) -> Iterator[Found]:
        """The ``width`` nearest rows, answer by answer."""
        width = min(width, len(self.rows))
        rows, distances = self.rows.nearest(queries, width, among, watch)
        yield from [_pooled(rows, distances, width)] if self.merged else zip(rows, distances, strict=True)

    def _under_limit(self, rows: Int64, distances: Float32, own: Int64, k: int) -> Found:
        """The first k of some rows ``(w,)``, passing over those that are not wanted or have no room."""
        wanted = rows >= 0
        if self.excluded.size:
            at = np.minimum(np.searchsorted(self.excluded, rows), self.excluded.size - 1)
            wanted &= self.excluded[at] != rows
        rows, distances = rows[wanted], distances[wanted]
        branch = self._branch(rows)
        order = np.argsort(branch, kind="stable")
        place = np.empty(len(rows), np.int64)  # how many of the same branch come before
        place[order] = np.arange(len(rows)) - np.searchsorted(branch[order], branch[order])
        kept = np.flatnonzero(place < self._room(own)[branch])[:k]
        return rows[kept], distances[kept]

    def _with_room(self, own: Int64) -> Among:
        """The rows that are not found yet and whose branches are not full."""
        open_leaf = (self._room(own) > 0)[self.branch_of]  # inner nodes too, which hold no rows
        return Among(open_leaf, np.concatenate([own, self.excluded]))

    def _room(self, own: Int64) -> Int64:
        """``(b,)``: how many more rows each branch may give."""
        return self.per_branch - np.bincount(self._branch(own), minlength=self._n_branches)

    def _branch(self, rows: Int64) -> Int64:
        return self.branch_of[self.rows.leaf_of(rows)]

    @cached_property
    def _n_branches(self) -> int:
        return int(self.branch_of.max()) + 1


def _pooled(rows: Int64, distances: Float32, width: int) -> Found:
    """The ``width`` rows nearest to any of the queries, of the ``width`` nearest of each, ``(q, width)``.

    None is missing: a row that is among them has fewer than ``width`` rows before it in its nearest query's list.
    """
    order = np.lexsort((rows.ravel(), distances.ravel()))
    flat, gaps = rows.ravel()[order], distances.ravel()[order]
    first = np.sort(np.unique(flat, return_index=True)[1])[:width]
    return flat[first], gaps[first]
