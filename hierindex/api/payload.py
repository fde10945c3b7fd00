"""Payload columns: whatever table the caller has becomes a pyarrow table of n rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from hierindex.errors import InputError
from hierindex.frames import columns_of

__all__ = ["as_payload"]


def as_payload(payload: object, n: int) -> pa.Table | None:
    """A payload as a table of n rows, or None.

    Args:
        payload: a pyarrow table or record batch, a pandas or polars frame, a Hugging Face data set, a mapping of column
            names to n values, or a list of n records (mappings); None for no payload.
        n: how many points there are.

    Raises:
        InputError: it is none of these, or has another number of rows.

    Example:
        >>> as_payload({"price": [1.5, 2.0]}, 2).column_names
        ['price']
    """
    if payload is None:
        return None
    try:
        table = _as_table(payload)
    except InputError:
        raise
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InputError(f"payload should form a table of n rows; pyarrow found: {error}") from error
    if table.num_rows != n:
        raise InputError(f"payload should have {n} rows, one for each point; found {table.num_rows}")
    return table


def _as_table(payload: object) -> pa.Table:
    table = columns_of(payload)
    if table is not None:
        return table
    if isinstance(payload, Sequence) and all(isinstance(record, Mapping) for record in payload):
        return pa.Table.from_pylist(list(payload))
    raise InputError(
        f"payload should be a table, a mapping of columns or a list of records; found {type(payload).__name__}"
    )
