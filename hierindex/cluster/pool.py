"""Rows that may be among the nearest, from several workers, and how the k nearest of them are told.

A local search takes the ``C`` rows whose codes promise most and of these the ``k`` that are nearest. Of rows with the
same promise at the C-th place, and of rows at the same distance at the k-th, it takes those that its scan met in a
certain order, which workers that each see a part cannot know. So `merged` finds the answer where it is the same
whichever of them were taken, which is almost always, and names the queries where it is not: their leaves are then
scanned again in one place (`replay`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hierindex.vectors import Float32, Ids, Int64

__all__ = ["NO_KEY", "Pool", "merged", "nearest_of"]

NO_KEY = np.float32(np.inf)


@dataclass(frozen=True, eq=False)
class Pool:
    """Rows for each of q queries.

    Attributes:
        keys: ``(q, c)`` float32, squared distances or negated products: smaller is nearer; inf where there is no row.
        seq: ``(q, c)`` int64, the rows' own numbers, -1 for none. ids, leaf: the same for ids and positions of leaves.
        promise: ``(q, c)`` float32, what the codes say in place of ``keys``; None where nobody will ask.
    """

    keys: Float32
    seq: Int64
    ids: Ids
    leaf: Int64
    promise: Float32 | None = None

    def __len__(self) -> int:
        """How many queries."""
        return len(self.keys)

    @classmethod
    def empty(cls, q: int, width: int, strings: bool, promised: bool = False) -> Self:
        """A pool without rows."""
        ids: Ids = np.full((q, width), None) if strings else np.full((q, width), -1, np.int64)
        none = np.full((q, width), -1, np.int64)
        keys = np.full((q, width), NO_KEY, np.float32)
        return cls(keys, none, ids, none.copy(), keys.copy() if promised else None)

    @property
    def of_strings(self) -> bool:
        """Whether ids are strings."""
        return self.ids.dtype == object

    def take(self, columns: Int64) -> Pool:
        """The rows at ``columns`` ``(q, m)`` of each query."""
        return self.of((np.arange(len(self))[:, None], columns))

    def of(self, queries: NDArray[np.bool_] | Int64 | tuple[Int64, Int64]) -> Pool:
        """The rows of some queries, or those at pairs of queries and columns."""
        promise = None if self.promise is None else self.promise[queries]
        return Pool(self.keys[queries], self.seq[queries], self.ids[queries], self.leaf[queries], promise)

    def put(self, queries: Int64, other: Pool, columns: Int64 | None = None) -> None:
        """Set the rows of some queries, or those at ``columns`` ``(len(queries), c)`` of them, in place."""
        where = queries if columns is None else (queries[:, None], columns)
        self.keys[where], self.seq[where] = other.keys, other.seq
        self.ids[where], self.leaf[where] = other.ids, other.leaf
        if self.promise is not None and other.promise is not None:
            self.promise[where] = other.promise

    def without(self, out: NDArray[np.bool_]) -> Pool:
        """The rows where ``out`` ``(q, c)`` does not hold."""
        return replace(self, keys=np.where(out, NO_KEY, self.keys), seq=np.where(out, -1, self.seq))


def side_by_side(pools: Sequence[Pool]) -> Pool:
    """The rows of several pools for the same queries in one."""
    keys, seq, ids, leaf = (
        np.concatenate([getattr(pool, name) for pool in pools], axis=1) for name in ("keys", "seq", "ids", "leaf")
    )
    return Pool(keys, seq, ids, leaf)


def nearest_of(pools: Sequence[Pool], k: int) -> tuple[Pool, NDArray[np.bool_]]:
    """The k nearest ``(q, k)`` of several pools for the same queries, by key and then by seq.

    Returns:
        them, and for which queries the row behind them is as near as the last of them.
    """
    both = side_by_side(pools)
    if both.keys.shape[1] <= k:
        more = k + 1 - both.keys.shape[1]
        both = side_by_side([both, Pool.empty(len(both), more, both.of_strings)])
    order = np.lexsort((both.seq, both.keys), axis=-1)
    first = both.take(order[:, : k + 1])
    tied = (first.keys[:, k] == first.keys[:, k - 1]) & (first.seq[:, k] >= 0)
    return first.take(np.broadcast_to(np.arange(k), (len(both), k))), tied


def merged(pool: Pool, candidates: int, k: int, full: NDArray[np.bool_]) -> tuple[Pool, NDArray[np.bool_]]:
    """The k nearest ``(q, k)`` of the ``candidates`` that promise most.

    Args:
        pool: what all workers said, with ``promise``.
        candidates: how many the local search compares exactly.
        k: how many are wanted.
        full: ``(q, c)`` bool: the last row that a worker gave which may have had more.

    Returns:
        them, and for which queries that depends on which of equal rows a scan meets first.
    """
    assert pool.promise is not None  # noqa: S101 - for mypy: callers pass pools with it
    there = pool.seq >= 0
    if pool.keys.shape[1] > candidates:
        last = np.partition(pool.promise, candidates - 1, axis=1)[:, candidates - 1 : candidates]
    else:
        last = np.full((len(pool), 1), NO_KEY)
    level = there & (pool.promise == last)
    among = there & (pool.promise <= last)
    some_left_out = (among.sum(axis=1) > candidates) | (full & level).any(axis=1)
    nearest, tied = nearest_of([pool.without(~among)], k)
    # a row at the last place that is among the k nearest may or may not have been taken
    worst = np.where(level & some_left_out[:, None], pool.keys, NO_KEY).min(axis=1)
    unsure = some_left_out & (nearest.seq[:, -1] >= 0) & (worst <= nearest.keys[:, -1])
    unsure |= some_left_out & (nearest.seq[:, -1] < 0)
    unsure |= (full & level).any(axis=1)  # equal rows that nobody named
    return nearest, tied | unsure
