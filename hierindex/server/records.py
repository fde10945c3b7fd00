"""Payload between JSON and pyarrow: records in, with the types that the index has; columns out."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from hierindex.errors import InputError

__all__ = ["columns_for", "table_of"]


def table_of(records: Sequence[Mapping[str, Any]], schema: pa.Schema | None, *, whole: bool) -> pa.Table:
    """Records as a table with the types of the index's payload.

    Texts become dates, times and decimals where the column holds those (ISO 8601), and bytes from base64 (of either
    alphabet; answers have the one for addresses).

    Args:
        records: a mapping of column names to JSON values for each point.
        schema: of the index's payload; None where it has none.
        whole: every column of the index is made, with nulls where a record leaves one out (new points); otherwise
            those that the records name, which has to be the same ones in each (changes).

    Raises:
        InputError: columns or values that the index's payload has not.

    Example:
        >>> types = pa.schema([("price", pa.float64()), ("name", pa.string())])
        >>> table_of([{"price": 3}], types, whole=True).to_pylist()
        [{'price': 3.0, 'name': None}]
    """
    if schema is None:
        raise InputError("payload should be left out: this index has no payload columns; found some")
    named = {name for record in records for name in record}
    unknown = sorted(named - set(schema.names))
    if unknown:
        raise InputError(f"payload should have columns of the index, {schema.names}; found {unknown[:5]}")
    if not whole and any(set(record) != named for record in records):
        raise InputError(f"payload should have the same columns in every record, {sorted(named)}; found some left out")
    fields = [field for field in schema if whole or field.name in named]
    return pa.table({field.name: _array([record.get(field.name) for record in records], field) for field in fields})


def columns_for(wanted: Sequence[str] | bool, schema: pa.Schema | None) -> list[str]:
    """The payload columns that a request asks for: by name, or all for True.

    Raises:
        InputError: one is not there.
    """
    known = [] if schema is None else schema.names
    names = known if wanted is True else list(wanted or ())
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InputError(f"payload should name columns of the index, {known}; found {unknown[:5]}")
    return names


def _array(values: list[Any], field: pa.Field) -> pa.Array:
    kind = field.type
    try:
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            return pa.array([None if v is None else _bytes(v) for v in values], kind)
        if pa.types.is_temporal(kind) or pa.types.is_decimal(kind):
            return pa.array([None if v is None else str(v) for v in values], pa.string()).cast(kind)
        return pa.array(values, kind)
    except (pa.ArrowException, AttributeError, OverflowError, TypeError, ValueError) as error:
        raise InputError(
            f"the payload column {field.name!r} should hold values of the type {kind}; pyarrow found: {error}"
        ) from error


def _bytes(text: str) -> bytes:
    return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
