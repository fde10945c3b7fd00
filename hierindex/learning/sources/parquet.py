"""Parquet files with a column of encoded images, plain or in the Hugging Face layout ``struct {bytes, path}``."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hierindex.errors import EmptyInputError, ImageError, InputError
from hierindex.learning.sources.pixels import Raw, UnreadableError

__all__ = ["IMAGE_NAMES", "ParquetItems", "open_parquet"]

IMAGE_NAMES = ("image", "img", "images")
"""What a column or a dict entry with the image is usually called; the first that is there counts."""

_CACHE = 1 << 30  # bytes of encoded images held between reads; shuffled reads beyond it go back to the files


@dataclass(frozen=True)
class _Group:
    """One row group of one file, and where its images are."""

    path: Path
    number: int
    column: str  # "image", or "image.bytes" where it is a struct
    start: int  # its first row, among all rows of all files
    file_start: int  # the same of its file


class ParquetItems:
    """The encoded images of Parquet files, read by row group and held while they fit in `_CACHE`; see `Items`."""

    encoded = True

    def __init__(self, groups: Sequence[_Group], n: int, names: list[str] | None) -> None:
        self.names = names
        self._groups = groups
        self._starts = [group.start for group in groups]
        self._n = n
        self._held: OrderedDict[int, pa.ChunkedArray] = OrderedDict()
        self._lock = threading.Lock()  # several threads may read one source

    def __len__(self) -> int:
        """How many rows there are."""
        return self._n

    def label(self, row: int) -> str:
        """The file, the row in it, and the image's own path where it has one."""
        group = self._groups[self._group_of(row)]
        own = f" ({self.names[row]})" if self.names and self.names[row] else ""
        return f"row {row - group.file_start} of {group.path.name}{own}"

    def fetch(self, rows: Sequence[int]) -> list[Raw | UnreadableError]:
        """The bytes of the images."""
        found: dict[int, Raw | UnreadableError] = {}
        for row in sorted(set(rows)):  # each row group is visited once
            at = self._group_of(row)
            data = self._column(at)[row - self._starts[at]].as_py()
            found[row] = UnreadableError("the table holds no bytes for it") if data is None else data
        return [found[row] for row in rows]

    def _group_of(self, row: int) -> int:
        return bisect_right(self._starts, row) - 1

    def _column(self, at: int) -> pa.ChunkedArray:
        with self._lock:
            if at not in self._held:
                self._held[at] = _read_group(self._groups[at])
                while len(self._held) > 1 and sum(column.nbytes for column in self._held.values()) > _CACHE:
                    self._held.popitem(last=False)
            self._held.move_to_end(at)
            return self._held[at]


def open_parquet(paths: Sequence[Path]) -> ParquetItems:
    """The images of Parquet files, one after another.

    Names are the ``path`` field of the Hugging Face layout where every file has it.

    Raises:
        InputError: a path is no Parquet file, or has no column of images.
        EmptyInputError: no rows.
    """
    groups: list[_Group] = []
    names: list[str] = []
    n = 0
    for path in paths:
        file = _open(path)
        field = _image_field(file.schema_arrow, path)
        is_struct = pa.types.is_struct(field.type)
        if is_struct and field.type.get_field_index("path") >= 0:
            own = file.read(columns=[f"{field.name}.path"]).column(field.name)
            names.extend(name or "" for name in pc.struct_field(own, "path").to_pylist())
        start = n
        for number in range(file.num_row_groups):
            groups.append(_Group(path, number, f"{field.name}.bytes" if is_struct else field.name, n, start))
            n += file.metadata.row_group(number).num_rows
    if not n:
        raise EmptyInputError(f"Parquet files should hold at least one row; found none in {_listed(paths)}")
    return ParquetItems(groups, n, names if len(names) == n else None)


def _open(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} should be a readable Parquet file; found: {error}; check the path") from error


def _image_field(schema: pa.Schema, path: Path) -> pa.Field:
    """The column with the images, by its name or because no other could be it."""
    candidates = {field.name: field for field in schema if _holds_bytes(field.type)}
    named = [candidates[name] for name in IMAGE_NAMES if name in candidates]
    if named or len(candidates) == 1:
        return (named or list(candidates.values()))[0]
    if candidates:
        raise InputError(
            f"{path} should have one column of images, or one named {_listed(IMAGE_NAMES)}; found several: "
            f"{_listed(list(candidates))}; read one and give its bytes as a list: "
            f"pyarrow.parquet.read_table(path)[{next(iter(candidates))!r}].to_pylist()"
        )
    columns = ", ".join(f"{field.name}: {field.type}" for field in schema)
    raise InputError(
        f"{path} should have a column of encoded images (binary, or struct of bytes and path), such as "
        f"{IMAGE_NAMES[0]!r}; found the columns {columns}; write the image files' bytes into one"
    )


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        at = kind.get_field_index("bytes")
        return at >= 0 and _holds_bytes(kind.field(at).type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def _read_group(group: _Group) -> pa.ChunkedArray:
    try:
        column = _open(group.path).read_row_group(group.number, columns=[group.column]).column(0)
    except (pa.ArrowException, OSError) as error:
        raise ImageError(
            f"{group.path} should be a whole Parquet file; found row group {group.number} damaged: {error}; "
            "fetch or write the file again"
        ) from error
    return pc.struct_field(column, "bytes") if pa.types.is_struct(column.type) else column


def _listed(things: Sequence[object]) -> str:
    return ", ".join(map(str, things))
