"""One generation of the list of removed rows: ``removed/000003.parquet``, the ``seq`` of each.

A row that goes stays in its part and is named here, so that a delete writes a few bytes and not the part anew. Parts
are written without such rows by `compaction`, and one by itself once a third of it is gone (`change`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hierindex.storage.files import Place, check_format, damaged, new_file, next_generation, opened, reading
from hierindex.storage.parts import Part
from hierindex.storage.sealed import digest
from hierindex.vectors import Int64

__all__ = ["LISTED", "Removed", "read_removed", "removed_name", "removed_path", "write_removed"]

LISTED = 3
"""The format version of an index with rows that are listed as removed; its tree says so too."""


@dataclass(frozen=True, eq=False)
class Removed:
    """Rows that lie in parts and are in the index no more.

    Attributes:
        number: the generation that says so; 0 where there are none.
        seq: ``(n,)`` int64, rising: which rows.

    Example:
        >>> gone = Removed.none().then(np.array([7, 2]))
        >>> gone.has(np.array([1, 2, 7])).tolist(), gone.without(np.array([2])).tolist()
        ([False, True, True], [7])
    """

    number: int
    seq: Int64

    @classmethod
    def none(cls) -> Self:
        """All rows of all parts are there."""
        return cls(0, np.empty(0, np.int64))

    def __len__(self) -> int:
        """How many rows are gone."""
        return len(self.seq)

    @property
    def format(self) -> int:
        """The lowest format version that a reader of the index has to know because of them."""
        return LISTED if len(self) else 1

    def has(self, seq: Int64) -> NDArray[np.bool_]:
        """Which of some rows are gone ``(len(seq),)``."""
        if not len(self):
            return np.zeros(len(seq), np.bool_)
        at = np.minimum(np.searchsorted(self.seq, seq), len(self) - 1)
        return np.asarray(self.seq[at] == seq)

    def then(self, seq: Int64) -> Removed:
        """These rows and others, of no generation yet."""
        return Removed(0, np.union1d(self.seq, seq)) if len(seq) else self

    def without(self, seq: Int64) -> Int64:
        """Those that are not among some rows."""
        return np.setdiff1d(self.seq, seq, assume_unique=True)

    def count_in(self, part: Part) -> int:
        """How many rows of a part are gone, by the range that the log states; 0 where it states none."""
        if "seq" not in part.low or "seq" not in part.high:
            return 0
        low, high = np.searchsorted(self.seq, [part.low["seq"], part.high["seq"] + 1])
        return min(int(high - low), part.rows)


def removed_name(number: int) -> str:
    """What a generation is called."""
    return f"{number:06d}.parquet"


def removed_path(folder: Place, number: int) -> Place:
    """Where a generation lies."""
    return folder / removed_name(number)


def write_removed(folder: Place, seq: Int64) -> Removed:
    """Write a new generation: these rows ``(n,)``, rising."""
    schema = pa.schema([pa.field("seq", pa.int64(), nullable=False)])
    table = pa.table({"seq": pa.array(seq, pa.int64())}, schema=schema)

    def write(number: int) -> None:
        seal = {"format": str(LISTED), "generation": str(number), "sha256": _digest(seq)}
        with (
            new_file(removed_path(folder, number)) as file,
            pq.ParquetWriter(
                file,
                table.schema,
                compression="zstd",
                use_dictionary=False,
                column_encoding={"seq": "DELTA_BINARY_PACKED"},
                write_page_checksum=True,
                store_schema=False,
            ) as writer,
        ):
            writer.write_table(table)
            writer.add_key_value_metadata({f"hierindex.{key}": value for key, value in seal.items()})

    return Removed(next_generation(folder, write), seq)


def read_removed(folder: Place, number: int, most: int) -> Removed:
    """Read a generation; 0 says that no row is removed.

    Args:
        folder: of the lists.
        number: which one.
        most: how many rows the parts hold, so that a damaged file cannot ask for more memory than that.

    Raises:
        FormatVersionError: a newer hierindex wrote it.
        CorruptIndexError: it is missing, damaged, or another generation.
    """
    if not number:
        return Removed.none()
    path = removed_path(folder, number)
    with reading(path), pq.ParquetFile(opened(path), page_checksum_verification=True) as file:
        metadata = file.metadata.metadata or {}
        seal = {key: metadata[f"hierindex.{key}".encode()].decode() for key in ("format", "generation", "sha256")}
        check_format(seal["format"], path)
        if seal["generation"] != str(number):
            raise damaged(path, f"generation {seal['generation']!r} under the name of {number}")
        if file.metadata.num_rows > most:
            raise damaged(path, f"{file.metadata.num_rows} removed rows of {most}")
        column = file.read(["seq"])["seq"]
        if column.type != pa.int64() or column.null_count:
            raise damaged(path, f"seq of type {column.type} with {column.null_count} nulls")
        seq = np.asarray(column.to_numpy())
        if (np.diff(seq) <= 0).any() or (len(seq) and seq[0] < 0):
            raise damaged(path, "removed rows that do not rise from 0 or above")
        if seal["sha256"] != _digest(seq):
            raise damaged(path, "removed rows that do not fit their sha256")
        return Removed(number, seq)


def _digest(seq: Int64) -> str:
    return digest(np.ascontiguousarray(seq, "<i8").tobytes())
