"""Filters as they are typed on a command line: a column, a comparison, a value."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hierindex.errors import InputError

__all__ = ["expression"]

_FORM = re.compile(r"\s*(?P<column>.+?)\s*(?P<op><=|>=|!=|==|=|<|>|~)\s*(?P<value>.*?)\s*", re.DOTALL)
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def expression(tests: Sequence[str] | None, payload: pa.Schema | None) -> pc.Expression | None:
    """What `HierIndex.search` filters by, of texts such as ``price < 20``; None without any.

    Args:
        tests: a column, one of = != < <= > >= and ~ (text that has a part), and a value each; all of them have to hold.
        payload: the columns of the index; values are read as their types.

    Raises:
        InputError: the text has no such form, the column is not there, or the value is not of its type.

    Example:
        >>> str(expression(["price < 20", "kind ~ oe"], pa.schema({"price": pa.int64(), "kind": pa.string()})))
        '((price < 20) and match_substring(kind, {pattern="oe", ignore_case=false}))'
    """
    if not tests:
        return None
    return reduce(operator.and_, (_test(text, payload or pa.schema([])) for text in tests))


def _test(text: str, payload: pa.Schema) -> pc.Expression:
    form = _FORM.fullmatch(text)
    if form is None:
        raise InputError(f"a filter should look like 'column < value', with one of = != < <= > >= ~; found {text!r}")
    column, op, value = form["column"], form["op"], form["value"]
    if column not in payload.names:
        raise InputError(f"a filter should name one of the payload columns {payload.names}; found {column!r}")
    kind = payload.field(column).type
    if op == "~":
        return pc.match_substring(pc.field(column), value)
    try:
        return _COMPARISONS[op](pc.field(column), pa.scalar(value).cast(kind))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(f"a filter on {column!r} should compare with a value of {kind}; found {value!r}") from error
