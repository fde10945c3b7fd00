"""Which row has which id, and which rows are still there.

Immutable: adding and removing give a new table. Most ids lie in a shared base that is never changed (sorted numbers,
or a dict of strings); the latest ones in a small dict, copied with each change and folded into the base when it grows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hierindex.errors import DuplicateIdError, InputError, UnknownIdError
from hierindex.index.rows import Column
from hierindex.vectors import Ids, Int64

__all__ = ["IdTable"]

_FOLD_AT = 1_024


class _Base(Protocol):
    def find(self, ids: Ids) -> Int64:
        """The row of each id, -1 where there is none."""

    def folded(self, ids: Ids, rows: Int64) -> _Base:
        """The base with more ids; one that it has already takes the new row."""


@dataclass(frozen=True, eq=False)
class IdTable:
    """Ids of n rows, some of them removed. An id may come again after its row was removed.

    Example:
        >>> table = IdTable.of(np.array([5, 3], np.int64)).append(np.array([9], np.int64))
        >>> table.rows_of([9, 5]).tolist()
        [2, 0]
        >>> table.remove(np.array([0])).live_rows.tolist()
        [1, 2]
    """

    _column: Column
    _base: _Base
    _tail: Mapping[Any, int]
    alive: NDArray[np.bool_]

    @classmethod
    def of(cls, ids: Ids) -> Self:
        """The table of these unique ids, row by row."""
        return cls(Column.of(ids), _base_of(ids, np.arange(len(ids))), {}, np.ones(len(ids), np.bool_))

    def __len__(self) -> int:
        """n, removed rows included."""
        return len(self._column)

    @property
    def values(self) -> Ids:
        """``(n,)``: the id of each row, removed rows included."""
        return self._column.values

    @property
    def of_strings(self) -> bool:
        """Whether the ids are strings."""
        return self.values.dtype == object

    @cached_property
    def live_rows(self) -> Int64:
        """The rows that are there, in the order in which they came."""
        return np.flatnonzero(self.alive).astype(np.int64)

    @cached_property
    def n_live(self) -> int:
        """How many rows are there."""
        return int(np.count_nonzero(self.alive))

    def rows_of(self, ids: ArrayLike) -> Int64:
        """The row of each id.

        Raises:
            UnknownIdError: some are not in the index.
        """
        wanted = np.atleast_1d(np.asarray(ids))
        fits = wanted.dtype.kind in ("UO" if self.of_strings else "iu")
        rows = self._find(_plain(wanted, self.of_strings)) if fits else np.full(len(wanted), -1, np.int64)
        if (rows < 0).any():
            missing = wanted[rows < 0]
            raise UnknownIdError(
                f"ids should be in the index; {len(missing)} are not, such as {missing[:5].tolist()}; "
                "they may have been deleted"
            )
        return rows

    def present(self, ids: Ids) -> Ids:
        """Those of some ids (as from `vectors.as_ids`) that are in the index.

        Raises:
            InputError: these are strings and those of the index numbers, or the other way round.
        """
        self._of_kind(ids)
        return ids[self._find(ids) >= 0]

    def append(self, ids: Ids) -> IdTable:
        """The table with unique new ``ids`` (as from `vectors.as_ids`) in the rows behind.

        Raises:
            InputError: the others are strings and these numbers, or the other way round.
            DuplicateIdError: some are in the index.
        """
        self._of_kind(ids)
        present = self._find(ids) >= 0
        if present.any():
            raise DuplicateIdError(
                f"ids should be new; {int(present.sum())} are in the index, such as {ids[present][:5].tolist()}"
            )
        column, alive = self._column.append(ids), np.concatenate([self.alive, np.ones(len(ids), np.bool_)])
        if len(self._tail) + len(ids) <= max(_FOLD_AT, len(column) // 100):
            tail = {**self._tail, **dict(zip(ids.tolist(), range(len(self), len(column)), strict=True))}
            return IdTable(column, self._base, tail, alive)
        base = self._base
        if self._tail:  # first the older ones: an id may have come again since
            late = self.values[list(self._tail.values())]
            base = base.folded(late, np.fromiter(self._tail.values(), np.int64, len(late)))
        return IdTable(column, base.folded(ids, np.arange(len(self), len(column))), {}, alive)

    def remove(self, rows: Int64) -> IdTable:
        """The table without these rows; their numbers stay taken."""
        alive = self.alive.copy()
        alive[rows] = False
        return IdTable(self._column, self._base, self._tail, alive)

    def _of_kind(self, ids: Ids) -> None:
        if (ids.dtype == object) != self.of_strings:
            kinds = ("strings", "integers") if self.of_strings else ("integers", "strings")
            raise InputError(f"ids should be {kinds[0]}, as those of the index are; found {kinds[1]}")

    def _find(self, ids: Ids) -> Int64:
        rows = self._base.find(ids)
        if self._tail:
            late = np.fromiter((self._tail.get(i, -1) for i in ids.tolist()), np.int64, len(ids))
            rows = np.where(late >= 0, late, rows)
        there = rows >= 0
        there[there] = self.alive[rows[there]]
        return np.where(there, rows, -1)


@dataclass(frozen=True)
class _SortedBase:
    keys: Int64
    rows: Int64

    def find(self, ids: Ids) -> Int64:
        if not len(self.keys):
            return np.full(len(ids), -1, np.int64)
        at = np.minimum(np.searchsorted(self.keys, ids), len(self.keys) - 1)
        return np.where(self.keys[at] == ids, self.rows[at], -1)

    def folded(self, ids: Ids, rows: Int64) -> _SortedBase:
        order = np.argsort(ids, kind="stable")
        ids, rows = ids[order].astype(np.int64), rows[order]
        at = np.searchsorted(self.keys, ids)
        known = at < len(self.keys)
        known[known] = self.keys[at[known]] == ids[known]
        old = self.rows.copy()
        old[at[known]] = rows[known]
        new = ~known  # merged, not sorted anew: a copy instead of n log n steps
        return _SortedBase(np.insert(self.keys, at[new], ids[new]), np.insert(old, at[new], rows[new]))


@dataclass(frozen=True)
class _DictBase:
    rows: Mapping[str, int]

    def find(self, ids: Ids) -> Int64:
        found: Iterable[int] = (self.rows.get(i, -1) for i in ids.tolist())
        return np.fromiter(found, np.int64, len(ids))

    def folded(self, ids: Ids, rows: Int64) -> _DictBase:
        return _DictBase({**self.rows, **dict(zip(ids.tolist(), rows.tolist(), strict=True))})


def _base_of(ids: Ids, rows: Int64) -> _Base:
    if ids.dtype == object:
        return _DictBase(dict(zip(ids.tolist(), rows.tolist(), strict=True)))
    order = np.argsort(ids, kind="stable")
    return _SortedBase(ids[order].astype(np.int64), rows[order])


def _plain(ids: NDArray[Any], of_strings: bool) -> Ids:
    return ids.astype(object) if of_strings else ids.astype(np.int64)
