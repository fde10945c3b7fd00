"""What stands on a command line, as images, vectors or rows of numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from hierindex.errors import InputError
from hierindex.learning.tables import Table
from hierindex.vectors import Ids, Int64, positive

if TYPE_CHECKING:
    from hierindex.learning.sources import ImageSource

__all__ = ["First", "are_vectors", "ids_like", "lines", "payload", "read", "read_many"]


class First:
    """The first ``limit`` images of a source, as a source."""

    def __init__(self, source: ImageSource, limit: int) -> None:
        self._source, self._n = source, min(limit, len(source))
        self.shape, self.skipped, self.kept = source.shape, (), np.arange(self._n)
        self.names = None if source.names is None else source.names[: self._n]

    def __len__(self) -> int:
        """How many."""
        return self._n

    def read(self, rows: Int64) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """The images of these row numbers."""
        return self._source.read(rows)


def read(path: Path, limit: int | None = None) -> object:
    """The array of a .npy file; the rows of a .csv file, as a table; of anything else the images, as a source.

    Raises:
        InputError: the file does not exist, or is no array or no table of numbers with names above them.
    """
    if limit is not None:
        positive(limit, "limit")
    if path.suffix == ".npy":
        return _array(path)[:limit]
    if path.suffix.lower() == ".csv":
        return _table(path, limit)
    if limit is None:
        return path
    from hierindex.learning.sources import open_images

    return First(open_images(path), limit)


def read_many(paths: list[str]) -> object:
    """One path as `read` takes it, or a list of image files."""
    return read(Path(paths[0])) if len(paths) == 1 else [Path(path) for path in paths]


def are_vectors(points: object) -> TypeGuard[np.ndarray[Any, Any]]:
    """Whether a .npy file holds vectors ``(n, d)``, not images."""
    return isinstance(points, np.ndarray) and points.ndim == 2


def ids_like(known: Ids | None, words: list[str]) -> Ids | list[int]:
    """The words as ids of the index's kind; for no index yet, as integers where all of them are.

    Raises:
        InputError: the index has integer ids, and a word is no integer.
    """
    if known is None and not all(word.isdecimal() for word in words):
        return np.array(words, dtype=object)
    if known is not None and known.dtype == object:
        return np.array(words, dtype=object)
    try:
        return [int(word) for word in words]
    except ValueError as error:
        raise InputError(f"ids of this index should be integers; found {words}") from error


def lines(path: Path) -> list[str]:
    """The lines of a text file, such as one with an id a line.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} should be a text file with an id a line; found: {error}") from error


def payload(path: Path | None) -> pa.Table | None:
    """The columns of a .csv or .parquet file, a row for each point; None for no file.

    Raises:
        InputError: it cannot be read.
    """
    if path is None:
        return None
    try:
        return pq.read_table(path) if path.suffix == ".parquet" else csv.read_csv(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} should be a .csv or .parquet file of payload columns; found: {error}") from error


def _array(path: Path) -> np.ndarray[Any, Any]:
    try:
        array: np.ndarray[Any, Any] = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise InputError(f"{path} should be a .npy file; found nothing there") from error
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path} should be a .npy file of numbers; NumPy found: {error}") from error
    return array


def _table(path: Path, limit: int | None) -> Table:
    try:
        table = csv.read_csv(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} should be a .csv file; found: {error}") from error
    if all(_is_number(name) for name in table.column_names):
        raise InputError(
            f"{path} should begin with a line of column names; found the numbers {', '.join(table.column_names[:5])}"
        )
    return Table(table.slice(0, limit))


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
