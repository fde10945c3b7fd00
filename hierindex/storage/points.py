"""The points of an index as plain arrays, and as Arrow tables of the stored columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from hierindex.errors import InputError
from hierindex.storage.payload import fit, storable
from hierindex.vectors import Float32, Ids, Int64, as_ids, finite_rows

__all__ = ["OWN", "Points", "arrow_ids", "point_schema"]

OWN = 4
"""How many columns are the format's own: id, seq, leaf, vector. The payload follows."""


@dataclass(frozen=True)
class Points:
    """n points in the order in which they were put in.

    Attributes:
        ids: ``(n,)`` int64, or objects (`str`); unique.
        seq: ``(n,)`` int64, rising: the order of insertion.
        leaf: ``(n,)`` int64, the tree node into which each point was put (it may have split since).
        rows: ``(n, d)`` float32, the vectors as they are compared.
        payload: n rows of further columns, or None.
    """

    ids: Ids
    seq: Int64
    leaf: Int64
    rows: Float32
    payload: pa.Table | None = None

    def __len__(self) -> int:
        """How many points these are."""
        return len(self.rows)

    def check(self, n_nodes: int, dim: int) -> None:
        """See that these points can be stored beside a tree of ``n_nodes`` nodes over ``dim`` dimensions.

        Raises:
            InputError: lengths, dimension or types are wrong, seq does not rise, a leaf is no node, or a value is not
                finite.
            DuplicateIdError: an id occurs twice.
        """
        n = len(self.rows)
        if self.rows.ndim != 2 or self.rows.shape[1] != dim or self.rows.dtype != np.float32:
            raise InputError(f"rows should be float32 (n, {dim}); found {self.rows.dtype} {self.rows.shape}")
        for name in ("seq", "leaf"):
            array = getattr(self, name)
            if array.shape != (n,) or array.dtype != np.int64:
                raise InputError(f"{name} should be int64 ({n},); found {array.dtype} {array.shape}")
        if self.payload is not None and self.payload.num_columns and len(self.payload) != n:
            raise InputError(f"payload should have {n} rows, one for each point; found {len(self.payload)}")
        as_ids(self.ids, n)
        if (np.diff(self.seq) <= 0).any() or (n and self.seq[0] < 0):
            raise InputError("seq should rise from 0 or above; found a step down or a repeat")
        if n and (self.leaf.min() < 0 or self.leaf.max() >= n_nodes):
            raise InputError(f"leaf should be a node, 0..{n_nodes - 1}; found {self.leaf.min()}..{self.leaf.max()}")
        if not finite_rows(self.rows).all():
            raise InputError("rows should be finite; found NaN or infinity")

    def tables(self, schema: pa.Schema, rows: int) -> Iterator[pa.Table]:
        """The points as tables of ``schema`` with at most ``rows`` rows each; the vectors are not copied.

        Raises:
            InputError: an id or the payload does not fit the schema.
        """
        wanted = pa.schema(list(schema)[OWN:])
        payload = None if self.payload is None else fit(storable(self.payload), wanted)
        for start in range(0, len(self), rows):
            part = slice(start, start + rows)
            columns = {
                "id": arrow_ids(self.ids[part]),
                "seq": pa.array(self.seq[part]),
                "leaf": pa.array(self.leaf[part]),
                "vector": _binary(self.rows[part]),
            }
            for field in wanted:
                null = pa.nulls(len(columns["id"]), field.type)
                columns[field.name] = null if payload is None else payload[field.name][part]
            yield pa.table(columns, schema=schema)


def point_schema(points: Points) -> pa.Schema:
    """The stored columns for points like these: id, seq, leaf, vector, then the payload.

    Raises:
        InputError: the payload cannot be stored.
    """
    kind = pa.string() if points.ids.dtype == object else pa.int64()
    own = [("id", kind), ("seq", pa.int64()), ("leaf", pa.int64()), ("vector", pa.binary())]
    fields = [pa.field(name, kind, nullable=False) for name, kind in own]
    return pa.schema(fields + ([] if points.payload is None else list(storable(points.payload).schema)))


def arrow_ids(ids: Ids) -> pa.Array:
    """Ids as an Arrow array of int64 or string.

    Raises:
        InputError: a string has no UTF-8 form.
    """
    try:
        return pa.array(ids, pa.string() if ids.dtype == object else pa.int64())
    except (pa.ArrowException, UnicodeEncodeError) as error:
        raise InputError(f"ids should be int64, or strings that UTF-8 can hold; found {error}") from error


def _binary(rows: Float32) -> pa.BinaryArray:
    """Rows ``(n, d)`` as n values of 4 d bytes each, little-endian."""
    data = np.ascontiguousarray(rows, dtype="<f4")
    offsets = np.arange(len(rows) + 1, dtype=np.int32) * np.int32(4 * rows.shape[1])
    return pa.BinaryArray.from_buffers(pa.binary(), len(rows), [None, pa.py_buffer(offsets), pa.py_buffer(data)])
