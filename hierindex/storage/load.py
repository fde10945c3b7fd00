"""Parts back into plain arrays: the vectors are copied once, straight into their place."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hierindex.storage.chunks import vectors_in
from hierindex.storage.files import Place, damaged, reading
from hierindex.storage.mapped import RowCache, Wanted
from hierindex.storage.parts import Part, groups
from hierindex.storage.points import OWN, Points
from hierindex.storage.removed_file import Removed
from hierindex.vectors import Float32, Ids, Int64

__all__ = ["load_points"]


def load_points(
    folder: Place,
    parts: list[Part],
    schema: pa.Schema,
    n_nodes: int,
    dim: int,
    removed: Removed,
    cache: RowCache | None = None,
) -> Points:
    """All points of the parts that are not ``removed``, by rising seq; with a ``cache`` their rows are mapped from it.

    Raises:
        CorruptIndexError: a part is damaged, a vector has another dimension or is not finite, an id or seq occurs
            twice, or a leaf is no node.
    """
    parts = sorted(parts, key=lambda part: part.low.get("seq", 0))  # then nothing has to be moved afterwards
    if cache is not None:
        return _mapped(folder, (parts, schema, removed), n_nodes, dim, cache)
    n = sum(part.rows for part in parts)
    with reading(folder):  # with room behind, in which an index grows; it takes no memory before it is written to
        rows = np.empty((n + n // 8, dim), np.float32)[:n]
    tables, at = [schema.empty_table().drop_columns("vector")], 0
    for part in parts:
        for table in _read(part, schema, rows, at, removed):
            tables.append(table)
            at += len(table)
    with reading(folder):
        return _ordered(_points(folder, pa.concat_tables(tables), rows[:at], n_nodes))


def _mapped(
    folder: Place, stored: tuple[list[Part], pa.Schema, Removed], n_nodes: int, dim: int, cache: RowCache
) -> Points:
    """As `load_points`; the vectors are only read where the cache has them not."""
    parts, schema, removed = stored
    names = [name for name in schema.names if name != "vector"]
    tables = [schema.empty_table().select(names), *(table for part in parts for table in groups(part, schema, names))]
    with reading(folder):
        table = pa.concat_tables(tables)
        seq = table["seq"].to_numpy()
        kept = np.flatnonzero(~removed.has(seq))
        kept = kept[np.argsort(seq[kept], kind="stable")]
        place = np.full(len(seq), -1, np.int64)
        place[kept] = np.arange(len(kept))
        if len(kept) < len(seq) or (np.diff(kept) < 0).any():
            table = table.take(pa.array(kept))
    rows = cache.rows(Wanted(parts, schema, place, seq[kept], dim))
    with reading(folder):
        return _ordered(_points(folder, table, rows, n_nodes))


def _read(part: Part, schema: pa.Schema, rows: Float32, at: int, removed: Removed) -> Iterator[pa.Table]:
    """Put the vectors of a part that are there into ``rows`` from ``at`` on; their other columns."""
    for table in groups(part, schema):
        gone = removed.has(table["seq"].to_numpy())
        left = table.filter(pa.array(~gone)) if gone.any() else table
        with reading(part.path):
            for chunk in left["vector"].chunks:
                rows[at : at + len(chunk)] = vectors_in(chunk, rows.shape[1])
                at += len(chunk)
        yield left.drop_columns("vector")


def _points(folder: Place, table: pa.Table, rows: Float32, n_nodes: int) -> Points:
    ids, seq, leaf = table["id"], table["seq"].to_numpy(), table["leaf"].to_numpy()
    if (distinct := _distinct(ids)) != len(ids):
        raise damaged(folder, f"{len(ids)} points with {distinct} distinct ids")
    if len(leaf) and not 0 <= leaf.min() <= leaf.max() < n_nodes:
        raise damaged(folder, f"leaves {leaf.min()}..{leaf.max()} in a tree of {n_nodes} nodes")
    payload = table.drop_columns(table.column_names[: OWN - 1])
    return Points(_ids(ids), seq, leaf, rows, payload if payload.num_columns else None)


def _distinct(ids: pa.ChunkedArray) -> int:
    """How many different ids; sorting numbers takes a third of the time of a hash table of them."""
    if not pa.types.is_integer(ids.type) or not len(ids):
        return int(pc.count_distinct(ids).as_py())
    return 1 + int(np.count_nonzero(np.diff(np.sort(ids.to_numpy()))))


def _ids(ids: pa.ChunkedArray) -> Ids:
    values: Ids = ids.to_numpy()
    if values.dtype == np.int64 and len(values) and values.min() < 0:
        raise ValueError(f"the id {values.min()}, where ids are 0 or above")
    return values


def _ordered(points: Points) -> Points:
    """By rising seq; as it is, where it rises already (always, unless a foreign tool rewrote the table)."""
    if (np.diff(points.seq) > 0).all():
        return points
    order: Int64 = np.argsort(points.seq, kind="stable")
    seq = points.seq[order]
    if (np.diff(seq) == 0).any():
        raise ValueError("points with the same seq")
    payload = None if points.payload is None else points.payload.take(pa.array(order))
    return Points(points.ids[order], seq, points.leaf[order], points.rows[order], payload)
