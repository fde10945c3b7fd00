"""The stored points of an index: everything that is one value for each row."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import pyarrow as pa

from hierindex.errors import InputError
from hierindex.index.ids import IdTable
from hierindex.index.later import Later
from hierindex.index.moves import Moves
from hierindex.index.rows import Column
from hierindex.vectors import Float32, Ids, Int64

__all__ = ["NewRows", "Stored", "Table"]

_MANY_CHUNKS = 256


@dataclass(frozen=True, eq=False)
class NewRows:
    """n points on their way in: prepared vectors ``(n, d)``, unique ids, ideal points ``(n, p)``, payload."""

    rows: Float32
    ids: Ids
    points: Float32
    payload: pa.Table | None = None


@dataclass(frozen=True, eq=False)
class Stored:
    """n points as they come from a disk: as `NewRows`, but nobody else has the rows, and ideal points wait."""

    rows: Float32
    ids: Ids
    points: Later
    payload: pa.Table | None = None


@dataclass(frozen=True, eq=False)
class Table:
    """All rows that an index holds, removed ones included until it is compacted.

    Attributes:
        ids: id of each row, and which rows are there.
        rows: ``(n, d)`` float32, prepared vectors. points: ``(n, p)`` float32, what the head makes of them.
        seq: ``(n,)`` int64, strictly rising; a row keeps it for ever, on disk too.
        home: ``(n,)`` int64, the leaf a row was put into. leaf: where that is now (see `settle`).
        payload: a table of n rows, or None.
        filling: how many rows each leaf number has, removed ones included (so never too few).
        moves: the rows whose ``home`` is another than the one that is stored with them.
        floor: no row to come has a ``seq`` below it: those of rows that were compacted away are taken, too.
    """

    ids: IdTable
    rows: Column
    points: Column | Later
    seq: Column
    home: Column
    leaf: Column
    payload: pa.Table | None
    filling: Int64
    moves: Moves = field(default_factory=Moves.none)
    floor: int = 0

    @property
    def next_seq(self) -> int:
        """The ``seq`` of the next row."""
        return max(self.floor, int(self.seq.values[-1]) + 1 if len(self) else 0)

    @classmethod
    def of(
        cls,
        new: NewRows | Stored,
        home: Int64,
        leaf: Int64,
        seq: Int64 | None = None,
        moves: Moves | None = None,
        rows: Column | None = None,
    ) -> Self:
        """The table of these points and no others; ``rows`` is the column of theirs where there is one already."""
        numbers = np.arange(len(new.rows), dtype=np.int64) if seq is None else seq
        if rows is None:
            rows = Column.taking(new.rows) if isinstance(new, Stored) else Column.of(new.rows)
        return cls(
            ids=IdTable.of(new.ids),
            rows=rows,
            points=new.points if isinstance(new.points, Later) else Column.of(new.points),
            seq=Column.of(numbers),
            home=Column.of(home),
            leaf=Column.of(leaf),
            payload=new.payload,
            filling=np.bincount(leaf),
            moves=Moves.none() if moves is None else moves,
        )

    def __len__(self) -> int:
        """N."""
        return len(self.ids)

    def append(self, new: NewRows, leaf: Int64, home: Int64 | None = None, seq: Int64 | None = None) -> Table:
        """The table with ``new`` behind; checks ids and payload before anything is written.

        Args:
            new: the rows.
            leaf: where they are.
            home: where they were put; None takes ``leaf``.
            seq: theirs, rising, where they have it already.

        Raises:
            DuplicateIdError, InputError: see `IdTable.append`; the payload has not the table's columns.
        """
        ids = self.ids.append(new.ids)
        payload = _joined(self.payload, new.payload, len(new.rows))
        first = self.next_seq
        numbers = np.arange(first, first + len(new.rows), dtype=np.int64) if seq is None else seq
        return Table(
            ids=ids,
            rows=self.rows.append(new.rows),
            points=self.points.append(new.points),
            seq=self.seq.append(numbers),
            home=self.home.append(leaf if home is None else home),
            leaf=self.leaf.append(leaf),
            payload=payload,
            filling=_sum(self.filling, np.bincount(leaf)),
            moves=self.moves,
            floor=self.floor,
        )

    def points_of(self, rows: Int64) -> Float32:
        """``(len(rows), p)``: what the head makes of some rows."""
        return self.points.take(rows) if isinstance(self.points, Later) else np.asarray(self.points.values[rows])

    def moved(self, leaf: Int64) -> Table:
        """The table with its rows in other leaves ``(n,)``."""
        return replace(self, leaf=Column.of(leaf), filling=np.bincount(leaf))

    def rehomed(self, rows: Int64, leaf: Int64) -> Table:
        """The table with these rows put into other leaves ``(len(rows),)``."""
        if not len(rows):
            return self
        home, where = self.home.values.copy(), self.leaf.values.copy()
        home[rows], where[rows] = leaf, leaf
        moves = self.moves.then(self.seq.values[rows], leaf)
        return replace(self.moved(where), home=Column.taking(home), moves=moves)

    def remove(self, rows: Int64) -> Table:
        """The table without these rows; their numbers stay taken."""
        return replace(self, ids=self.ids.remove(rows))

    def edited(self, rows: Int64, values: pa.Table) -> Table:
        """The table with other payload in some rows: a row of ``values`` for each, with the columns to set.

        Raises:
            InputError: there is no payload, it has not these columns, or their values do not fit its types.
        """
        if self.payload is None or not values.num_columns or set(values.column_names) - set(self.payload.column_names):
            wanted = None if self.payload is None else self.payload.column_names
            raise InputError(f"payload should have columns of the index, {wanted}; found {values.column_names}")
        schema = pa.schema([self.payload.schema.field(name) for name in values.column_names])
        values = _cast(values, schema)
        source = np.arange(len(self), dtype=np.int64)
        source[rows] = len(self) + np.arange(len(rows))
        payload = self.payload
        for name in values.column_names:
            both = pa.chunked_array([*payload[name].chunks, *values[name].chunks], schema.field(name).type)
            at = payload.schema.get_field_index(name)
            payload = payload.set_column(at, schema.field(name), both.combine_chunks().take(pa.array(source)))
        return replace(self, payload=payload)

    def compacted(self) -> Table:
        """The table of the rows that are there, numbered anew in the same order."""
        live = self.ids.live_rows
        payload = None if self.payload is None else self.payload.take(pa.array(live)).combine_chunks()
        rows = self.rows.take(live)
        new = NewRows(rows.values, self.ids.values[live], self.points_of(live), payload)
        seq = self.seq.values[live]
        table = Table.of(new, self.home.values[live], self.leaf.values[live], seq, self.moves.of(seq), rows)
        return replace(table, floor=self.next_seq)


def _sum(a: Int64, b: Int64) -> Int64:
    """A + b, the shorter one filled up with zeros."""
    total = np.zeros(max(len(a), len(b)), np.int64)
    total[: len(a)] += a
    total[: len(b)] += b
    return total


def _joined(table: pa.Table | None, more: pa.Table | None, n: int) -> pa.Table | None:
    if table is None and more is None:
        return None
    if table is None or more is None or set(table.column_names) != set(more.column_names):
        wanted = None if table is None else table.column_names
        found = None if more is None else more.column_names
        raise InputError(f"payload should have the columns of the index, {wanted}; found {found}")
    if more.num_rows != n:
        raise InputError(f"payload should have {n} rows, one for each point; found {more.num_rows}")
    joined = pa.concat_tables([table, _cast(more.select(table.column_names), table.schema)])
    # one chunk for each add would make every later filter slow
    return joined.combine_chunks() if any(c.num_chunks > _MANY_CHUNKS for c in joined.columns) else joined


def _cast(payload: pa.Table, schema: pa.Schema) -> pa.Table:
    try:
        return payload.cast(schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise InputError(f"payload should have the types of the index, {schema}; pyarrow found: {error}") from error
