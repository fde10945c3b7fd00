"""A column that is worked out when somebody first looks: opening an index does not wait for what no search reads."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from hierindex.index.rows import Column
from hierindex.vectors import Float32

__all__ = ["Later"]

_MANY = 64


class Later:
    """The values of some rows, made on demand, with those of later rows behind them; immutable as seen from outside.

    Args:
        n: how many rows the first values are of.
        make: gives them, ``(n, p)``; called at most once.

    Example:
        >>> column = Later(2, lambda: np.zeros((2, 1), np.float32)).append(np.ones((1, 1), np.float32))
        >>> len(column), column.values.ravel().tolist()
        (3, [0.0, 0.0, 1.0])
    """

    def __init__(self, n: int, make: Callable[[], Float32]) -> None:
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
        return self.column.values

    @property
    def column(self) -> Column:
        """What this is once it is worked out."""
        with self._lock:
            if self._column is None:
                column = self._first.column
                self._column = column.append(np.concatenate(self._more)) if self._more else column
            return self._column

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
    """A column made by the first of many threads that ask for it."""

    def __init__(self, n: int, make: Callable[[], Float32]) -> None:
        self._make, self._made, self._lock = make, None, threading.Lock()
        self._n = n

    _made: Column | None

    @property
    def column(self) -> Column:
        with self._lock:
            if self._made is None:
                self._made = Column.of(self._make())
                self._make = _nothing  # what it held (the rows) may go
            return self._made


def _nothing() -> Float32:
    raise AssertionError("made once")
