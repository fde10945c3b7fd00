"""Columns that grow at the end and are shared between snapshots, as slices are in Go.

A column sees the first n values of a buffer. The newest column appends into the room behind it; an older one, whose
room is taken, copies first. So no column ever sees a value change, and appending costs amortised constant time.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hierindex.index.mapped import MappedRows, RowFile
from hierindex.vectors import Int64

__all__ = ["Column"]


_HELD, _HELD_SHARE = 64 * 2**20, 0.2
"""Rows that came after those of a file are this process's memory until they are more bytes, and a larger share."""


@dataclass
class _Buffer:
    array: NDArray[Any]
    used: int
    lock: threading.Lock = field(default_factory=threading.Lock)

    def grown(self, n: int, more: NDArray[Any]) -> _Buffer:
        """A buffer of the first n values and ``more``.

        Half as large again as it must be, so that the appends to come mostly find room.
        """
        total = n + len(more)
        array = np.empty((total + total // 2 + 16, *self.array.shape[1:]), self.array.dtype)
        array[:n] = self.array[:n]
        array[n:total] = more
        return _Buffer(array, total)

    def taken(self, n: int, some: Int64) -> _Buffer:
        """A buffer of ``some`` of the first n values."""
        return _Buffer(np.ascontiguousarray(self.array[:n][some]), len(some))

    @property
    def on_disk(self) -> int:
        """How many of the values are mapped from a file and take no memory of this process."""
        return 0


@dataclass
class _Mapped(_Buffer):
    """Rows of a file with later ones behind them, see `RowFile`."""

    file: RowFile = field(kw_only=True)

    def grown(self, n: int, more: NDArray[Any]) -> _Buffer:
        """As above, but only the later rows are copied; where they have become many, all go to a file of their own."""
        own, total = self.array[self.file.n : n], n + len(more)
        if own.nbytes > max(_HELD, _HELD_SHARE * self.array[:n].nbytes):
            return self.taken(n, np.arange(n)).grown(n, more)
        array = self.file.mapped(total + len(own) + len(more))
        array[self.file.n : n] = own
        array[n:total] = more
        return _Mapped(array, total, file=self.file)

    def taken(self, n: int, some: Int64) -> _Buffer:
        """As above, in a file of its own."""
        file = self.file.gathered(self.array[:n], some)
        return _Mapped(file.mapped(len(some)), len(some), file=file)

    @property
    def on_disk(self) -> int:
        """The rows of the file."""
        return self.file.n


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

        Where that is the beginning of a longer array, the room behind it is taken too, if it may be written to. Rows
        that are mapped from a file stay there.
        """
        if isinstance(array, MappedRows) and array.file is not None and array.whole is not None:
            return cls(_Mapped(array.whole, len(array), file=array.file), len(array))
        whole, array = array.base, np.ascontiguousarray(array)
        if (
            array.flags.writeable
            and isinstance(whole, np.ndarray)  # not the bytes that an array was unpickled from
            and whole.flags.c_contiguous
            and (whole.shape[1:], whole.dtype) == (array.shape[1:], array.dtype)
            and whole.ctypes.data == array.ctypes.data
        ):
            return cls(_Buffer(whole, len(array)), len(array))
        return cls(_Buffer(array, len(array)), len(array))

    def __len__(self) -> int:
        """N."""
        return self.n

    @cached_property
    def values(self) -> NDArray[Any]:
        """``(n, ...)``, read-only, contiguous."""
        view = self._buffer.array[: self.n]
        view.flags.writeable = False
        return view

    @property
    def mapped_bytes(self) -> int:
        """How many bytes of the values are mapped from a file: the disk's, which the system keeps in memory at will."""
        return min(self._buffer.on_disk, self.n) * self._width

    @property
    def held_bytes(self) -> int:
        """How many bytes of the values are this process's own memory."""
        return self.n * self._width - self.mapped_bytes

    @property
    def _width(self) -> int:
        array = self._buffer.array
        return int(array.itemsize * np.prod(array.shape[1:], dtype=np.int64))

    def take(self, some: Int64) -> Column:
        """The column of ``some`` of the values, by number; where they are mapped from a file, in another such file."""
        return Column(self._buffer.taken(self.n, some), len(some))

    def append(self, more: NDArray[Any]) -> Column:
        """The column of these values and ``more`` behind them."""
        total = self.n + len(more)
        with self._buffer.lock:
            newest = self._buffer.used == self.n
            if newest and total <= len(self._buffer.array):
                self._buffer.array[self.n : total] = more
                self._buffer.used = total
                return Column(self._buffer, total)
        return Column(self._buffer.grown(self.n, more), total)
