"""A column that is worked out when somebody first looks: opening an index does not wait for what no search reads."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from hierindex.index.rows import Column
from hierindex.vectors import Float32, Int64

__all__ = ["Later"]

_MANY = 64


class Later:
    """The values of some rows, made on demand, with those of later rows behind them; immutable as seen from outside.

    Args:
        n: how many rows the first values are of.
        make: gives those of some of them by number, ``(len(rows), p)``.

    Example:
        >>> column = Later(2, lambda rows: 0.5 * rows[:, None].astype(np.float32)).append(np.ones((1, 1), np.float32))
        >>> len(column), column.take(np.array([1])).tolist(), column.values.ravel().tolist()
        (3, [[0.5]], [0.0, 0.5, 1.0])
    """

    def __init__(self, n: int, make: Callable[[Int64], Float32]) -> None:
        self._first = _Once(n, make)
        self._more: tuple[Float32, ...] = ()
        self._n = n
        self._column: Column | None = None
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many rows."""
        return self._n

    @property
    def values(self) -> Float32:
        """``(n, p)``, read-only, contiguous."""
        with self._lock:
            if self._column is None:
                column = self._first.column
                self._column = column.append(np.concatenate(self._more)) if self._more else column
            return self._column.values

    def take(self, rows: Int64) -> Float32:
        """The values of some rows ``(len(rows), p)``; only these are worked out."""
        if self._column is not None:
            return np.asarray(self._column.values[rows])
        early = rows < self._first.n
        if early.all():
            return self._first.take(rows)
        late = np.concatenate(self._more)
        out = np.empty((len(rows), late.shape[1]), np.float32)
        out[early], out[~early] = self._first.take(rows[early]), late[rows[~early] - self._first.n]
        return out

    def append(self, more: Float32) -> Column | Later:
        """These values and ``more`` behind them; nothing is worked out for that."""
        if self._column is not None:
            return self._column.append(more)
        longer = Later.__new__(Later)
        longer._first, longer._n = self._first, self._n + len(more)
        longer._more = (*self._more, more) if len(self._more) < _MANY else (np.concatenate([*self._more, more]),)
        longer._column, longer._lock = None, threading.Lock()
        return longer


class _Once:
    """Values of n rows, of which all are made by the first of many threads that ask for all."""

    def __init__(self, n: int, make: Callable[[Int64], Float32]) -> None:
        self.n = n
        self._make = make
        self._made: Column | None = None
        self._lock = threading.Lock()

    @property
    def column(self) -> Column:
        with self._lock:
            if self._made is None:
                self._made = Column.taking(self._make(np.arange(self.n, dtype=np.int64)))
            return self._made

    def take(self, rows: Int64) -> Float32:
        return self._make(rows) if self._made is None else np.asarray(self._made.values[rows])
