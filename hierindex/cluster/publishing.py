"""From points with leaves to an index: sorted by Ray Data, written by its workers in parts, published by one commit."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa

from hierindex.api.model import Model
from hierindex.cluster.loading import Source
from hierindex.cluster.pieces import Piece, read_piece
from hierindex.cluster.steps import PART, Parting, Settings, Writer
from hierindex.errors import InputError
from hierindex.storage import Place, Points, TreeFile
from hierindex.storage.commit import Operation, Publication, start, sync_log
from hierindex.storage.draft import POINTS, drafting
from hierindex.storage.parts import Part, part_rows
from hierindex.storage.points import point_schema
from hierindex.vectors import Int64

__all__ = ["published"]


def published(
    points: Any,  # noqa: ANN401 - ray.data.Dataset
    settings: Settings,
    where: tuple[Piece, Place],
    what: tuple[TreeFile, Model, Int64],
) -> int:
    """Write all points, sorted by leaf, and publish them; in how many parts."""
    (piece, place), (tree, model, counts) = where, what
    first = _part_starts(counts, part_rows(settings.dim))
    starts = np.concatenate([[0], np.cumsum(counts)])[first]
    schema = _schema(piece, settings)
    writing = (Source.of(place, 0, None), schema, starts, settings.dim)
    with drafting(place) as draft:
        parted = points.map_batches(Parting(first), batch_size=None, batch_format="pyarrow")
        writer = Writer(*writing)
        groups = parted.groupby(PART, num_partitions=len(first)).map_groups(
            lambda points: writer(points), batch_format="pyarrow"
        )
        parts = [_part(place, json.loads(row["part"])) for row in groups.take_all()]
        rows = sum(part.rows for part in parts)
        if rows != counts.sum():
            raise InputError(f"a source should not change while it is read; found {rows} rows after {counts.sum()}")
        number, generation = draft.tree(tree), draft.model(model.to_file())
        draft.hand_over()
        start(place / POINTS, schema, Publication(Operation.CREATE, rows, number, generation, added=parts))
    sync_log(place / POINTS, 0)
    return len(parts)


def _part_starts(counts: Int64, rows: int) -> Int64:
    """The first leaf of each part: leaves in a row that fill it, one at least."""
    starts, held = [0], 0
    for leaf, count in enumerate(counts.tolist()):
        if held and held + count > rows:
            starts.append(leaf)
            held = 0
        held += count
    return np.array(starts, np.int64)


def _schema(piece: Piece, settings: Settings) -> pa.Schema:
    """The columns of the index, as the first row has them."""
    batch = read_piece(piece, settings.reading, settings.prepared, np.zeros(1, np.int64))
    none = np.zeros(1, np.int64)
    ids = batch.ids if batch.ids.dtype == object else batch.ids.astype(np.int64)
    return point_schema(Points(ids, none, none, batch.rows, batch.payload))


def _part(place: Place, told: dict[str, Any]) -> Part:
    return Part(place / POINTS / told["name"], told["size"], told["rows"], told["low"], told["high"])
