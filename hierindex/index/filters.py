"""From what a caller filters by to a mask over rows."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hierindex.errors import InputError

__all__ = ["Filter", "checked_mask", "mask_of"]

Filter: TypeAlias = pc.Expression | NDArray[np.bool_]
_ROW = "__hierindex_row__"


def mask_of(payload: pa.Table | None, filter: Filter, n: int) -> NDArray[np.bool_]:  # noqa: A002 - what callers call it
    """``(n,)`` bool: which rows a filter lets through; null counts as no.

    Args:
        payload: the columns of n rows, or None.
        filter: a pyarrow expression over those columns, or a boolean array ``(n,)``.
        n: the number of rows.

    Raises:
        InputError: a column that is not there, a comparison its type does not have, or an array that does not fit.

    Example:
        >>> import pyarrow as pa, pyarrow.compute as pc
        >>> mask_of(pa.table({"price": [5, None, 20]}), pc.field("price") < 10, 3).tolist()
        [True, False, False]
    """
    if not isinstance(filter, pc.Expression):
        return checked_mask(filter, n)
    if payload is None:
        raise InputError("filter should be a boolean array; found an expression, and the index has no payload columns")
    numbered = payload.append_column(_ROW, pa.array(np.arange(n)))
    try:
        rows = numbered.filter(filter).column(_ROW).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, pa.ArrowKeyError) as error:
        raise InputError(
            f"filter should be a true-or-false expression over the columns {payload.column_names}; "
            f"pyarrow found: {error}"
        ) from error
    mask = np.zeros(n, np.bool_)
    mask[rows] = True
    return mask


def checked_mask(values: NDArray[np.bool_], n: int) -> NDArray[np.bool_]:
    """Values that are a boolean array ``(n,)``.

    Raises:
        InputError: they are not.
    """
    array = np.asarray(values)
    if array.dtype != np.bool_ or array.shape != (n,):
        raise InputError(
            f"filter should be a pyarrow expression or a boolean array ({n},); "
            f"found an array of {array.dtype} of shape {array.shape}"
        )
    return array
