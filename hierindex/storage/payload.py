"""Payload columns: what a Delta table can hold, and what is made of the rest."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.types as kinds

from hierindex.errors import InputError

__all__ = ["RESERVED", "fit", "fit_given", "storable"]

RESERVED = ("id", "seq", "leaf", "vector")
"""Columns of the format; a payload column may not be called so (upper and lower case are one in Delta)."""

_PLAIN = (
    kinds.is_boolean,
    kinds.is_signed_integer,
    kinds.is_float32,
    kinds.is_float64,
    kinds.is_string,
    kinds.is_binary,
    kinds.is_date32,
    kinds.is_decimal128,
)
_UNSIGNED = {pa.uint8(): pa.int16(), pa.uint16(): pa.int32(), pa.uint32(): pa.int64(), pa.uint64(): pa.int64()}


def storable(payload: pa.Table) -> pa.Table:
    """The payload in types that Delta knows; values are kept, or the column is refused.

    Unsigned integers become the next wider signed ones, dictionaries their values, large and view types the plain
    ones, float16 float32, date64 date32, and times microseconds in UTC.

    Raises:
        InputError: a name is reserved, empty or given twice, or a column cannot be stored without loss.

    Example:
        >>> storable(pa.table({"year": pa.array([1999, None], pa.uint16())})).schema
        year: int32
    """
    names = [name.lower() for name in payload.column_names]
    for name in payload.column_names:
        if name.lower() in RESERVED or not name or names.count(name.lower()) > 1:
            raise InputError(
                f"payload columns should have names of their own, other than {', '.join(RESERVED)} and whatever "
                f"their case; found {name!r}; rename it"
            )
    target = [pa.field(field.name, _stored_type(field.type, field.name)) for field in payload.schema]
    return fit(payload, pa.schema(target))


def fit(payload: pa.Table, schema: pa.Schema) -> pa.Table:
    """The payload with the columns of ``schema``, in its order; a column that is not given is null.

    Raises:
        InputError: there is a column that the schema has not, or values do not fit its type.
    """
    if unknown := set(payload.column_names) - set(schema.names):
        raise InputError(
            f"payload columns should be those of the index, {schema.names}; found also {sorted(unknown)}; "
            "leave them out, or build the index with them"
        )
    columns = []
    for field in schema:
        if field.name not in payload.column_names:
            columns.append(pa.nulls(len(payload), field.type))
            continue
        column = payload[field.name]
        try:
            columns.append(column if column.type == field.type else column.cast(field.type))
        except (pa.ArrowException, ValueError) as error:
            raise InputError(
                f"payload column {field.name!r} should be storable as {field.type} without loss; found {error}"
            ) from error
    return pa.Table.from_arrays(columns, schema=schema)


def fit_given(payload: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns that a payload has, in the types of ``schema``.

    Raises:
        InputError: as for `storable` and `fit`, or there are none.
    """
    if not payload.num_columns:
        raise InputError(f"payload should have some of the columns of the index, {schema.names}; found none")
    given = [field for field in schema if field.name in payload.column_names]
    return fit(storable(payload), pa.schema(given) if len(given) == payload.num_columns else schema)


def _stored_type(kind: pa.DataType, name: str) -> pa.DataType:
    if any(is_plain(kind) for is_plain in _PLAIN):
        return kind
    if kind in _UNSIGNED:
        return _UNSIGNED[kind]
    if kinds.is_dictionary(kind):
        return _stored_type(kind.value_type, name)
    if kinds.is_timestamp(kind):
        return pa.timestamp("us", None if kind.tz is None else "UTC")
    if kinds.is_struct(kind):
        return pa.struct([pa.field(f.name, _stored_type(f.type, name), f.nullable) for f in kind])
    if kinds.is_map(kind):
        return pa.map_(_stored_type(kind.key_type, name), _stored_type(kind.item_type, name))
    if kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind):
        return pa.list_(pa.field("element", _stored_type(kind.value_type, name)))
    for is_kind, stored in _WIDER:
        if is_kind(kind):
            return stored
    raise InputError(
        f"payload columns should be of types that a Delta table holds (numbers, strings, bytes, dates, timestamps, "
        f"lists, structs, maps); found {name!r} of type {kind}; cast it"
    )


_WIDER = (
    (kinds.is_float16, pa.float32()),
    (kinds.is_date64, pa.date32()),
    (kinds.is_large_string, pa.string()),
    (kinds.is_string_view, pa.string()),
    (kinds.is_large_binary, pa.binary()),
    (kinds.is_binary_view, pa.binary()),
    (kinds.is_fixed_size_binary, pa.binary()),
)
