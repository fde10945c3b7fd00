"""What requests hold, as the arrays that the library takes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from hierindex.api import HierIndex
from hierindex.errors import InputError
from hierindex.vectors import Float32, Ids, as_vectors

__all__ = ["as_rows", "ids_array", "schema_of"]

_NONE = np.empty(0, np.int64)


def ids_array(ids: list[int | str]) -> Ids:
    """Ids of a request as an array of their kind.

    Raises:
        InputError: some are integers and some are strings.
    """
    if all(isinstance(each, int) for each in ids):
        return np.array(ids, np.int64)
    if not all(isinstance(each, str) for each in ids):
        raise InputError("ids should be all integers or all strings; found both")
    return np.array(ids, dtype=object)


def as_rows(vectors: list[list[float]], index: HierIndex) -> Float32:
    """Vectors of a request as ``(n, d)`` float32.

    Raises:
        InputError: they have not the index's dimension, or do not fit in float32.
    """
    widths = {len(row) for row in vectors}
    if widths != {index.dim}:
        raise InputError(f"vectors should have {index.dim} dimensions, as the index has; found {sorted(widths)[:5]}")
    return as_vectors(np.array(vectors, np.float64))


def schema_of(index: HierIndex) -> pa.Schema | None:
    """The types of the payload columns, without touching a row of them; None where there are none."""
    none = index.payload(_NONE)
    return None if none is None else none.schema
