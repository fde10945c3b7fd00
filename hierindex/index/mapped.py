"""Rows that lie in a file and are mapped into memory, with room behind them for rows of this process alone.

The mapping is private (copy on write) and longer than the rows: the file ends in a hole, which takes no disk. A row
that is added is written into the pages of the hole, which thereby become this process's own memory; the file never
changes. So any number of processes can map one file while each of them adds rows of its own, the rows stay one
contiguous array, as the exact comparison wants them, and nothing that was mapped is ever copied.
"""

from __future__ import annotations

import errno
import mmap
import os
import sys
import tempfile
import weakref
from pathlib import Path
from typing import Any, Self

import numpy as np

from hierindex.errors import InputError, StorageError
from hierindex.vectors import Float32, Int64

__all__ = ["MappedRows", "RowFile", "lengthen", "room_for", "unwritable"]

_AT_ONCE = 8 * 2**20  # bytes copied at once
_PRIVATE = getattr(mmap, "MAP_PRIVATE", 0)
# A private mapping that may be written to counts as memory that is promised, unless told otherwise: a file larger than
# the memory would be refused. Python names the flag since 3.13.
_NO_RESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000 if sys.platform == "linux" else 0)


class RowFile:
    """An open file whose first ``n`` rows of ``dim`` float32 values are read, and never written.

    Args:
        handle: an open descriptor, which is closed when nobody needs the file any more.
        path: what to call it in errors; its folder takes what `gathered` writes.
        n: how many rows.
        dim: d.

    Raises:
        InputError: this system has no private mappings.
    """

    def __init__(self, handle: int, path: Path, n: int, dim: int) -> None:
        self.path, self.n, self.dim, self._handle = path, n, dim, handle
        weakref.finalize(self, os.close, handle)
        if not _PRIVATE:
            raise InputError("rows should be 'memory' on this system; found 'mapped', which needs Linux or macOS")

    @classmethod
    def open(cls, path: Path, n: int, dim: int) -> Self:
        """The file of that name; read-only where it may not be written.

        Raises:
            OSError: it is not there, or may not be read.
        """
        try:
            handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        return cls(handle, path, n, dim)

    @property
    def width(self) -> int:
        """Bytes of a row."""
        return 4 * self.dim

    def mapped(self, at_least: int) -> Float32:
        """``(m, d)`` with m at least so many: the file's rows first, then room that is this array's own.

        Raises:
            StorageError: the file is too short for that and cannot be made longer.
        """
        size = os.fstat(self._handle).st_size
        if size < at_least * self.width:
            try:
                size = lengthen(self._handle, room_for(at_least) * self.width)
            except OSError as error:
                raise unwritable(self.path.parent, error) from error
        rows = size // self.width
        view = mmap.mmap(
            self._handle, rows * self.width, flags=_PRIVATE | _NO_RESERVE, prot=mmap.PROT_READ | mmap.PROT_WRITE
        )
        return np.frombuffer(view, np.float32).reshape(rows, self.dim)

    def gathered(self, rows: Float32, some: Int64) -> RowFile:
        """A file of ``some`` of the rows of an array, without a name: it is gone when nobody needs it any more.

        Raises:
            StorageError: the folder cannot be written, or the disk is full.
        """
        step = max(1, _AT_ONCE // self.width)
        try:
            with tempfile.TemporaryFile(dir=self.path.parent, buffering=0) as file:
                for at in range(0, len(some), step):
                    _write(file.fileno(), rows[some[at : at + step]])
                os.ftruncate(file.fileno(), room_for(len(some)) * self.width)
                return RowFile(os.dup(file.fileno()), self.path, len(some), self.dim)
        except OSError as error:
            raise unwritable(self.path.parent, error) from error


class MappedRows(np.ndarray[Any, np.dtype[np.float32]]):
    """The rows ``(n, d)`` of a `RowFile`; `Column.taking` knows them by this type. What is made of them is plain."""

    file: RowFile | None = None
    whole: Float32 | None = None
    """With the room behind the rows."""

    @classmethod
    def of(cls, file: RowFile) -> MappedRows:
        """The file's rows.

        Raises:
            StorageError: see `RowFile.mapped`.
        """
        whole = file.mapped(file.n)
        rows = whole[: file.n].view(cls)
        rows.file, rows.whole = file, whole
        return rows


def room_for(rows: int) -> int:
    """How many rows a file of so many has room for: an eighth more, and some."""
    return rows + rows // 8 + 1_024


def lengthen(handle: int, size: int) -> int:
    """Give a file a hole at its end, so that it has ``size`` bytes or more: as many as another process made it have.

    Raises:
        OSError: it cannot be written.
    """
    import fcntl

    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        size = max(size, os.fstat(handle).st_size)
        os.ftruncate(handle, size)
        return size
    finally:
        fcntl.flock(handle, fcntl.LOCK_UN)


def _write(handle: int, rows: Float32) -> None:
    left = memoryview(rows.tobytes())
    while left:
        left = left[os.write(handle, left) :]


def unwritable(folder: Path, error: OSError) -> StorageError:
    """The error for a folder that cannot take the rows of a mapped index."""
    return StorageError(
        f"{folder} should be writable, for the rows of an index that is opened with rows='mapped'; found "
        f"{error.strerror or error}; free space, name another folder (rows_folder=...), or open it with rows='memory'"
    )
