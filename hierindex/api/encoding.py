"""From whatever the caller asks with to prepared vectors; torch is loaded when the first image comes, not before."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import ArrayLike

from hierindex.api.model import Model
from hierindex.errors import InputError, NoEncoderError
from hierindex.learning.tables import Table
from hierindex.vectors import Float32, Int64, Metric, as_vectors

if TYPE_CHECKING:
    from torch import nn

    from hierindex.learning.encoder import Encoder
    from hierindex.learning.sources import ImageSource

__all__ = ["Encoding"]

BATCH = 1_024  # images in memory at once while a large source is encoded


class Encoding:
    """The way into the vector space of one index.

    Args:
        model: what was learned; without an encoder only vectors are taken.
        metric: the metric of the index.
        dim: its dimension.
        module: the caller's own encoder, where the index was built with one.
    """

    def __init__(self, model: Model, metric: Metric, dim: int, module: nn.Module | None = None) -> None:
        self._model, self._metric, self._dim, self._module = model, metric, dim, module

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder, loaded on first use.

        Raises:
            NoEncoderError: the index was built from vectors, or with a module that was not given to `open`.
        """
        if self._model.encoder is None:
            raise NoEncoderError(
                "this index was built from vectors and holds no encoder; found images; "
                f"encode them yourself and pass vectors of {self._dim} dimensions"
            )
        from hierindex.learning.encoder import load_encoder

        return load_encoder(self._model.encoder.spec, self._model.encoder.arrays, self._module)

    def query(self, query: object) -> Float32:
        """Prepared query vectors ``(q, d)`` of one or many vectors, images or rows of a table."""
        if self.are_vectors(query):
            return self.vectors(query, "query")
        if self.of_rows:
            return self.source(self.rows(query))
        from hierindex.learning.sources import as_images

        return self._metric.prepare(self.encoder.encode(as_images(query, self.encoder.shape)))

    def vectors(self, x: object, name: str) -> Float32:
        """Prepared vectors ``(n, d)`` of vectors."""
        return self._metric.prepare(as_vectors(cast("ArrayLike", x), name=name, dim=self._dim))

    def are_vectors(self, points: object) -> bool:
        """Whether points are vectors, not images or rows.

        With an encoder: a float array ``(d,)`` or ``(n, d)`` of the index's dimension d. Without one: everything that
        is no path and no picture.

        Raises:
            InputError: a float array that is as wide as the index's vectors and as the rows of its table.
        """
        if self._model.encoder is None:
            return _numeric(points)
        if isinstance(points, Table):
            return False
        shape: tuple[int, ...] = getattr(points, "shape", ())
        dtype = str(getattr(points, "dtype", ""))
        fits = 1 <= len(shape) <= 2 and shape[-1] == self._dim and "float" in dtype
        if fits and self.of_rows and self._model.encoder.spec["shape"][2] == self._dim:
            raise InputError(
                f"rows of this index's table and its vectors both have {self._dim} columns, so an array should say "
                f"what it is; found one of shape {shape}; give rows as Table(x)"
            )
        return fits

    @property
    def of_rows(self) -> bool:
        """Whether what is encoded are rows of numbers, not images."""
        return self._model.encoder is not None and self._model.encoder.of_rows

    def rows(self, points: object) -> Table:
        """Rows with the columns that were learned, of a table, a frame or an array.

        Raises:
            InputError: they cannot be read as numbers, or have other columns.
        """
        assert self._model.encoder is not None  # noqa: S101 - for mypy; see of_rows
        spec = self._model.encoder.spec
        table = points if isinstance(points, Table) else Table(points)
        return table.fitted(spec["columns"], spec["shape"][2])

    def source(self, source: ImageSource | Table) -> Float32:
        """Prepared vectors ``(n, d)`` of all images of a source or rows of a table, a batch at a time."""
        out = np.empty((len(source), self._dim), np.float32)
        for start in range(0, len(source), BATCH):
            rows: Int64 = np.arange(start, min(start + BATCH, len(source)), dtype=np.int64)
            out[rows] = self.encoder.encode(source.read(rows))
        return self._metric.prepare(out)


def _numeric(points: object) -> bool:
    """Not a path, a picture, or a list of either."""
    first = points[0] if isinstance(points, (list, tuple)) and points else points
    return not isinstance(first, str) and not hasattr(first, "__fspath__") and not hasattr(first, "getbands")
