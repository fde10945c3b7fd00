"""Columns that grow at the end and are shared between snapshots, as slices are in Go.

A column sees the first n values of a buffer. The newest column appends into the room behind it; an older one, whose
room is taken, copies first. So no column ever sees a value change, and appending costs amortised constant time.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Column"]


@dataclass
class _Buffer:
    array: NDArray[Any]
    used: int
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, eq=False)
class Column:
    """The first n values of a growing buffer; immutable as seen from outside.

    Example:
        >>> old = Column.of(np.arange(3))
        >>> new = old.append(np.array([7]))
        >>> old.values.tolist(), new.values.tolist()
        ([0, 1, 2], [0, 1, 2, 7])
    """

    _buffer: _Buffer
    n: int

    @classmethod
    def of(cls, array: NDArray[Any]) -> Self:
        """A column of a copy of ``array`` ``(n, ...)``."""
        return cls(_Buffer(array.copy(order="C"), len(array)), len(array))

    @classmethod
    def taking(cls, array: NDArray[Any]) -> Self:
        """A column of ``array`` ``(n, ...)`` itself, which nobody else may write to from now on.

        Where that is the beginning of a longer array, the room behind it is taken too.
        """
        whole, array = array.base, np.ascontiguousarray(array)
        if (
            isinstance(whole, np.ndarray)  # not the bytes that an array was unpickled from
            and whole.flags.c_contiguous
            and (whole.shape[1:], whole.dtype) == (array.shape[1:], array.dtype)
            and whole.ctypes.data == array.ctypes.data
        ):
            return cls(_Buffer(whole, len(array)), len(array))
        return cls(_Buffer(array, len(array)), len(array))

    def __len__(self) -> int:
        """N."""
        return self.n

    @property
    def values(self) -> NDArray[Any]:
        """``(n, ...)``, read-only, contiguous."""
        view = self._buffer.array[: self.n]
        view.flags.writeable = False
        return view

    def append(self, more: NDArray[Any]) -> Column:
        """The column of these values and ``more`` behind them."""
        total = self.n + len(more)
        with self._buffer.lock:
            newest = self._buffer.used == self.n
            if newest and total <= len(self._buffer.array):
                self._buffer.array[self.n : total] = more
                self._buffer.used = total
                return Column(self._buffer, total)
        return Column(_grown(self._buffer.array[: self.n], more), total)


def _grown(first: NDArray[Any], more: NDArray[Any]) -> _Buffer:
    """A buffer half as large again as it must be, so that the appends to come mostly find room."""
    total = len(first) + len(more)
    array = np.empty((total + total // 2 + 16, *first.shape[1:]), first.dtype)
    array[: len(first)] = first
    array[len(first) : total] = more
    return _Buffer(array, total)
