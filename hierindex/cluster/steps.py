"""The steps of a build that workers take, each a map from tables to tables. No Ray here."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from hierindex.api.encoding import Encoding
from hierindex.api.model import Model
from hierindex.cluster.loading import Source
from hierindex.cluster.pieces import Piece, Reading, read_piece
from hierindex.index.native import nearest
from hierindex.index.nodes import Nodes
from hierindex.index.partition import group_sums
from hierindex.index.threads import omp_threads
from hierindex.storage import ModelFile, Points
from hierindex.storage.draft import POINTS
from hierindex.storage.files import make_folder
from hierindex.storage.parts import group_rows, write_parts
from hierindex.storage.points import arrow_ids
from hierindex.vectors import Float32, Int64, Metric, as_vectors

__all__ = ["NUMBER", "PART", "Parting", "Reader", "Sampler", "Settings", "Tally", "Writer"]

NUMBER, PART = "__number__", "__part__"
"""Columns beside those of the format: a row's number in the source, and the part it goes to."""


@dataclass(frozen=True, eq=False)
class Settings:
    """What each step knows.

    Attributes:
        reading: how the source is read. metric, dim: of the index.
        model: encoder and heads; None before there are any, where vectors are sampled.
        nodes: the tree, its leaves numbered from left to right; None where rows are only encoded.
    """

    reading: Reading
    metric: Metric
    dim: int
    model: ModelFile | None = None
    nodes: Nodes | None = None

    @cached_property
    def learned(self) -> Model:
        """The model."""
        assert self.model is not None  # noqa: S101 - for mypy: only samples of vectors are taken before there is one
        return Model.from_file(self.model)

    @property
    def tree(self) -> Nodes:
        """The tree."""
        assert self.nodes is not None  # noqa: S101 - as above
        return self.nodes

    @cached_property
    def prepared(self) -> Callable[[Any], Float32]:
        """From vectors or pixels of the source to vectors of the index."""
        if self.reading.images:
            return Encoding(self.learned, self.metric, self.dim).query
        return lambda x: self.metric.prepare(as_vectors(x, dim=self.dim))


class Reader:
    """Pieces to points: read, encoded, each with the leaf whose centroid is nearest.

    Args:
        settings: see there.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __call__(self, pieces: pa.Table) -> pa.Table:
        """A table of points for a table with the column ``piece``."""
        return pa.concat_tables([self._read(Piece(**_piece(text))) for text in pieces["piece"].to_pylist()])

    def _read(self, piece: Piece) -> pa.Table:
        settings = self._settings
        with omp_threads(1):
            batch = read_piece(piece, settings.reading, settings.prepared)
            leaf = nearest(batch.rows, settings.tree.leaf_centroids)
        columns = {
            "id": arrow_ids(batch.ids),
            "leaf": pa.array(settings.tree.leaves[leaf]),
            "vector": pa.array([row.tobytes() for row in batch.rows.astype("<f4", copy=False)], pa.binary()),
            NUMBER: pa.array(batch.number),
        }
        if batch.payload is not None:
            columns |= dict(zip(batch.payload.column_names, batch.payload.columns, strict=True))
        return pa.table(columns)


class Sampler:
    """Pieces to those of their rows that a sample wants.

    Args:
        settings: see there; the metric prepares rows.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __call__(self, pieces: pa.Table) -> pa.Table:
        """Vectors, ids and numbers for a table with the columns ``piece`` and ``rows`` (places in the piece)."""
        settings, out = self._settings, []
        for text, rows in zip(pieces["piece"].to_pylist(), pieces["rows"].to_pylist(), strict=True):
            batch = read_piece(Piece(**_piece(text)), settings.reading, settings.prepared, np.array(rows, np.int64))
            vectors = pa.array([row.tobytes() for row in batch.rows.astype("<f4", copy=False)], pa.binary())
            out.append(pa.table({"vector": vectors, "id": arrow_ids(batch.ids), NUMBER: batch.number}))
        return pa.concat_tables(out)


class Tally:
    """Points to how many lie in each leaf, and the sums of their vectors and of their places on the ball.

    Args:
        settings: see `Settings`.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __call__(self, points: pa.Table) -> pa.Table:
        """A row for each leaf that occurs: leaf, count, and sums as float64 bytes."""
        rows, leaf = _vectors(points, self._settings.dim), points["leaf"].to_numpy()
        present, group = np.unique(leaf, return_inverse=True)
        counts, sums = group_sums(rows, group.astype(np.int64), len(present))
        _, ball = group_sums(self._settings.learned.points(rows), group.astype(np.int64), len(present))
        columns = {"leaf": present, "count": counts}
        blobs = {name: [row.tobytes() for row in values] for name, values in (("sum", sums), ("ball", ball))}
        return pa.table(columns | {name: pa.array(values, pa.binary()) for name, values in blobs.items()})


class Parting:
    """Points to the same points with the part each goes to.

    Args:
        first: ``(parts,)`` rising, the first leaf of each part.
    """

    def __init__(self, first: Int64) -> None:
        self._first = first

    def __call__(self, points: pa.Table) -> pa.Table:
        """The table with the column `PART`."""
        part = np.searchsorted(self._first, points["leaf"].to_numpy(), side="right") - 1
        return points.append_column(PART, pa.array(part))


class Writer:
    """The points of one part to its file, ordered by leaf and then by their number in the source.

    Args:
        source: the index to write into.
        schema: its columns.
        starts: ``(parts,)``, the seq of the first row of each part.
        dim: d.
    """

    def __init__(self, source: Source, schema: pa.Schema, starts: Int64, dim: int) -> None:
        self._source, self._schema, self._starts, self._dim = source, schema, starts, dim

    def __call__(self, points: pa.Table) -> pa.Table:
        """What the log will say of the files that were written."""
        part = points[PART][0].as_py()
        points = points.sort_by([("leaf", "ascending"), (NUMBER, "ascending")])
        first = int(self._starts[part])
        payload = points.select(self._schema.names[4:])
        ids = points["id"].to_numpy()
        whole = Points(
            ids=ids if ids.dtype == object else ids.astype(np.int64),
            seq=np.arange(first, first + len(points), dtype=np.int64),
            leaf=points["leaf"].to_numpy().astype(np.int64),
            rows=_vectors(points, self._dim),
            payload=payload if payload.num_columns else None,
        )
        folder = self._source.place / POINTS
        make_folder(folder)
        written = write_parts(folder, whole.tables(self._schema, group_rows(self._dim)), self._schema)
        told = [
            {"name": each.path.name, "size": each.size, "rows": each.rows, "low": each.low, "high": each.high}
            for each in written
        ]
        return pa.table({"part": [json.dumps(each) for each in told]})


def _piece(text: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(text)
    return values | {"names": tuple(values["names"])}


def _vectors(points: pa.Table, dim: int) -> Float32:
    return np.frombuffer(b"".join(points["vector"].to_pylist()), "<f4").reshape(-1, dim).astype(np.float32, copy=False)
