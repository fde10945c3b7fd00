"""Filters in JSON, as pyarrow expressions over payload columns; data from a stranger, so nothing is ever evaluated.

    {"column": "price", "op": "<", "value": 20}
    {"and": [{"column": "genre", "op": "in", "value": ["drama", "war"]},
             {"not": {"column": "seen", "op": "is_null"}}]}

Null counts as no, and so does what a comparison with null gives, under ``not`` too.
"""

from __future__ import annotations

from functools import reduce
from typing import Annotated, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from hierindex.errors import InputError

__all__ = ["Filter", "expression"]

_MOST = 100  # comparisons in one filter: each reads its column once
_MOST_VALUES = 10_000

Int64 = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Text = Annotated[str, Field(max_length=10_000)]
Value = bool | Int64 | float | Text


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class Compare(_Part):
    """A column beside a value. Texts are taken for dates and decimals where the column holds those."""

    column: str
    op: Literal["==", "!=", "<", "<=", ">", ">="]
    value: Value


class Among(_Part):
    """A column whose value is one of several."""

    column: str
    op: Literal["in"]
    value: Annotated[list[Value], Field(max_length=_MOST_VALUES)]


class Missing(_Part):
    """A column without a value."""

    column: str
    op: Literal["is_null"]


class Contains(_Part):
    """A column of text with a part in it, or in front; the part is taken as it stands."""

    column: str
    op: Literal["contains", "starts_with"]
    value: Text


class All(_Part):
    """Every one of several."""

    parts: Annotated[list[Filter], Field(alias="and", min_length=1, max_length=_MOST)]


class Some(_Part):
    """At least one of several."""

    parts: Annotated[list[Filter], Field(alias="or", min_length=1, max_length=_MOST)]


class Not(_Part):
    """What another one lets not through."""

    part: Annotated[Filter, Field(alias="not")]


_BY_OP = {"in": "among", "is_null": "missing", "contains": "contains", "starts_with": "contains"}


def _kind(value: object) -> str:
    """Which of the forms this is meant to be, so that an error speaks of that one alone."""
    if isinstance(value, dict):
        named = next((key for key in ("and", "or", "not") if key in value), None)
        op = value.get("op")
        return named or (_BY_OP.get(op, "compare") if isinstance(op, str) else "compare")
    return {"All": "and", "Some": "or", "Not": "not"}.get(type(value).__name__, type(value).__name__.lower())


Filter = Annotated[
    Annotated[Compare, Tag("compare")]
    | Annotated[Among, Tag("among")]
    | Annotated[Missing, Tag("missing")]
    | Annotated[Contains, Tag("contains")]
    | Annotated[All, Tag("and")]
    | Annotated[Some, Tag("or")]
    | Annotated[Not, Tag("not")],
    Discriminator(_kind),
]

for _model in (All, Some, Not):
    _model.model_rebuild()


def expression(filter: Filter, schema: pa.Schema) -> pc.Expression:  # noqa: A002 - the word of the request
    """The pyarrow expression of a filter over columns of these types.

    Raises:
        InputError: a column that is not there, a value that its type has not, or more than 100 comparisons.

    Example:
        >>> cheap = Compare(column="price", op="<", value=20)
        >>> str(expression(cheap, pa.schema([("price", pa.int64())])))
        '(price < 20)'
    """
    if _size(filter) > _MOST:
        raise InputError(f"filter should have at most {_MOST} comparisons; found {_size(filter)}")
    return _expression(filter, schema)


def _size(part: Filter) -> int:
    if isinstance(part, Not):
        return _size(part.part)
    return sum(map(_size, part.parts)) if isinstance(part, All | Some) else 1


def _expression(part: Filter, schema: pa.Schema) -> pc.Expression:
    if isinstance(part, All):
        return reduce(lambda a, b: a & b, [_expression(each, schema) for each in part.parts])
    if isinstance(part, Some):
        return reduce(lambda a, b: a | b, [_expression(each, schema) for each in part.parts])
    if isinstance(part, Not):
        return ~_expression(part.part, schema)
    if part.column not in schema.names:
        raise InputError(f"filter should name columns of the payload, {schema.names}; found {part.column!r}")
    return _leaf(part, pc.field(part.column), schema.field(part.column).type)


def _leaf(part: Compare | Among | Missing | Contains, field: pc.Expression, kind: pa.DataType) -> pc.Expression:
    if isinstance(part, Missing):
        return field.is_null()
    if isinstance(part, Contains):
        test = pc.match_substring if part.op == "contains" else pc.starts_with
        return test(field, part.value)
    values = _typed(part.value if isinstance(part, Among) else [part.value], kind, part.column)
    if isinstance(part, Among):
        return field.isin(values)
    return _COMPARISONS[part.op](field, values[0])


_COMPARISONS: dict[str, Any] = {
    "==": lambda field, value: field == value,
    "!=": lambda field, value: field != value,
    "<": lambda field, value: field < value,
    "<=": lambda field, value: field <= value,
    ">": lambda field, value: field > value,
    ">=": lambda field, value: field >= value,
}


def _typed(values: list[Any], kind: pa.DataType, column: str) -> pa.Array:
    """Values as pyarrow has them: numbers as they are, which pyarrow compares across its types; texts by the column."""
    try:
        array = pa.array(values)
        spelled = pa.types.is_temporal(kind) or pa.types.is_decimal(kind)
        return array.cast(kind) if spelled and pa.types.is_string(array.type) else array
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        raise InputError(
            f"values for the column {column!r} should be of the type {kind}; pyarrow found: {error}"
        ) from error
