"""Parts: the Parquet files of the points table. Written whole, then never changed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Self
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake.transaction import AddAction, RemoveAction

from hierindex.storage.files import Place, damaged, new_file, opened, reading

__all__ = ["Part", "group_rows", "groups", "highest", "part_rows", "write_parts"]

_GROUP_BYTES = 32 * 2**20  # of vectors in a row group: what is held twice while reading
_READ_BYTES = 2**20  # of a column at once, where a group is not read whole
_GROUPS = 2  # row groups in a part: payload that is set rewrites the parts it touches


@dataclass(frozen=True)
class Part:
    """A part as the log describes it.

    Attributes:
        path: where it lies.
        size: its length in bytes.
        rows: how many points it holds.
        low: the least value of seq, leaf and integer ids, where known.
        high: the greatest.
    """

    path: Place
    size: int
    rows: int
    low: dict[str, int]
    high: dict[str, int]

    @classmethod
    def of(cls, path: Place, size: int, tables: list[pa.Table]) -> Self:
        """The description of a part that was just written."""
        low: dict[str, int] = {}
        high: dict[str, int] = {}
        for name in ("id", "seq", "leaf"):
            if pa.types.is_integer(tables[0].schema.field(name).type):
                ranges = [pc.min_max(table[name]).as_py() for table in tables]
                low[name], high[name] = min(r["min"] for r in ranges), max(r["max"] for r in ranges)
        return cls(path, size, sum(len(table) for table in tables), low, high)

    def added(self, *, new_data: bool) -> AddAction:
        """What the log says when it comes: how many rows, and the range of seq, leaf and integer ids."""
        nulls = dict.fromkeys(self.low, 0)
        stats = {"numRecords": self.rows, "minValues": self.low, "maxValues": self.high, "nullCount": nulls}
        return AddAction(self.path.name, self.size, {}, int(time.time() * 1000), new_data, json.dumps(stats))

    def removed(self, *, new_data: bool) -> RemoveAction:
        """What the log says when it goes."""
        return RemoveAction(self.path.name, new_data, int(time.time() * 1000), self.size, {})


def group_rows(dim: int) -> int:
    """Rows in a row group of ``dim``-dimensional points."""
    return max(1, _GROUP_BYTES // (4 * dim))


def part_rows(dim: int) -> int:
    """Rows in a full part of ``dim``-dimensional points."""
    return _GROUPS * group_rows(dim)


def write_parts(folder: Place, tables: Iterable[pa.Table], schema: pa.Schema) -> Iterator[Part]:
    """Write tables, each as a row group, into parts; each part once it is on disk."""
    rest = iter(tables)
    while batch := list(islice(rest, _GROUPS)):
        path = folder / f"part-{uuid4().hex}.parquet"
        yield Part.of(path, _write(path, batch, schema), batch)


def groups(
    part: Part, schema: pa.Schema, columns: list[str] | None = None, at_once: int | None = None
) -> Iterator[pa.Table]:
    """The row groups of a part, as tables of (those ``columns`` of) ``schema``; or at most ``at_once`` rows at a time.

    Raises:
        CorruptIndexError: the part is missing, damaged, or not what the log and the schema say.
    """
    names = schema.names if columns is None else columns
    target = pa.schema([schema.field(name) for name in names])
    with reading(part.path):
        source = opened(part.path)
        if (size := source.stat().st_size if isinstance(source, Path) else source.size()) != part.size:
            raise damaged(part.path, f"{size} bytes where the log says {part.size}")
        whole = at_once is None  # else columns are read from the disk as they are needed
        with pq.ParquetFile(
            source, page_checksum_verification=True, pre_buffer=whole, buffer_size=0 if whole else _READ_BYTES
        ) as file:
            if file.metadata.num_rows != part.rows:
                raise damaged(part.path, f"{file.metadata.num_rows} rows where the log says {part.rows}")
            if at_once is not None:
                for batch in file.iter_batches(at_once, columns=names):
                    yield _shaped(pa.Table.from_batches([batch]), target)
                return
            for group in range(file.num_row_groups):
                yield _shaped(file.read_row_group(group, names), target)


def highest(part: Part, schema: pa.Schema, name: str) -> int:
    """The greatest value of an integer column of a part; -1 where it is empty."""
    if name in part.high:
        return part.high[name]
    tops = [pc.max(group[name]).as_py() for group in groups(part, schema, [name]) if len(group)]
    return max(tops, default=-1)


def _write(path: Place, tables: list[pa.Table], schema: pa.Schema) -> int:
    """Write a part; its length in bytes."""
    others = [name for name in schema.names if name != "vector"]
    with (
        new_file(path) as file,
        pq.ParquetWriter(
            file,
            schema,
            # vectors as they are: zstd saves 8 % and takes twice as long to write
            compression=dict.fromkeys(others, "zstd") | {"vector": "none"},
            use_dictionary=[name for name in others if name not in ("id", "seq")],
            write_statistics=others,
            write_page_checksum=True,
            store_schema=False,
        ) as writer,
    ):
        for table in tables:
            writer.write_table(table, row_group_size=max(1, len(table)))
        writer.close()
        return file.tell()


def _shaped(table: pa.Table, target: pa.Schema) -> pa.Table:
    """The table in the types of ``target``; what a foreign writer wrote as a wider type is cast."""
    for field in target:
        if not field.nullable and table[field.name].null_count:
            raise ValueError(f"nulls in {field.name}")
    return table.select(target.names).cast(target)
