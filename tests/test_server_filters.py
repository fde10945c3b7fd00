"""Filters in JSON beside the same conditions in plain Python."""

import operator

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from hierindex.errors import InputError
from hierindex.index.filters import mask_of
from hierindex.server.filters import Filter, expression

ROWS = [
    {"n": n, "x": x, "word": word}
    for n in (None, 0, 1, 2)
    for x in (None, 0.5, 1.0)
    for word in (None, "", "one", "%one_", "two")
]
TABLE = pa.Table.from_pylist(ROWS, schema=pa.schema([("n", pa.int64()), ("x", pa.float64()), ("word", pa.string())]))
PARSE = TypeAdapter(Filter)
ORDER = {"==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}

numbers = st.sampled_from([0, 1, 2, 0.5, 1.0, 1.5])
words = st.sampled_from(["", "one", "o", "%", "two", "t"])
operators = st.sampled_from(sorted(ORDER))
leaves = st.one_of(
    st.builds(lambda c, o, v: {"column": c, "op": o, "value": v}, st.sampled_from(["n", "x"]), operators, numbers),
    st.builds(lambda o, v: {"column": "word", "op": o, "value": v}, operators, words),
    st.builds(lambda v: {"column": "n", "op": "in", "value": v}, st.lists(st.integers(0, 2), min_size=1)),
    st.builds(lambda v: {"column": "word", "op": "in", "value": v}, st.lists(words, min_size=1)),
    st.builds(lambda c: {"column": c, "op": "is_null"}, st.sampled_from(["n", "x", "word"])),
    st.builds(
        lambda o, v: {"column": "word", "op": o, "value": v}, st.sampled_from(["contains", "starts_with"]), words
    ),
)
filters = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda parts: {"and": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda parts: {"or": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda part: {"not": part}, inner),
    ),
    max_leaves=8,
)


def both(values):
    """Kleene's and: no beats unknown, unknown beats yes."""
    return False if False in values else None if None in values else True


def holds(part, row):
    """What a filter says of a row: True, False, or None for unknown."""
    if "and" in part:
        return both([holds(each, row) for each in part["and"]])
    if "or" in part:
        inverted = both([None if (found := holds(each, row)) is None else not found for each in part["or"]])
        return None if inverted is None else not inverted
    if "not" in part:
        inner = holds(part["not"], row)
        return None if inner is None else not inner
    value, op = row[part["column"]], part["op"]
    if op == "is_null":
        return value is None
    if op == "in":
        return value in part["value"]
    if value is None:
        return None
    if op == "contains":
        return part["value"] in value
    if op == "starts_with":
        return value.startswith(part["value"])
    return ORDER[op](value, part["value"])


def mask(part, table=TABLE):
    return mask_of(table, expression(PARSE.validate_python(part), table.schema), len(table)).tolist()


@given(filters)
def test_what_a_filter_lets_through(part):
    assert mask(part) == [holds(part, row) is True for row in ROWS]


def test_texts_are_dates_times_and_decimals_where_the_column_is():
    table = pa.table(
        {
            "day": pa.array([0, 1, None], pa.date32()),
            "when": pa.array([0, 86_400, None], pa.timestamp("s", tz="UTC")),
            "price": pa.array(["1.10", "20.00", None]).cast(pa.decimal128(6, 2)),
        }
    )
    assert mask({"column": "day", "op": "in", "value": ["1970-01-02"]}, table) == [False, True, False]
    assert mask({"column": "when", "op": "<", "value": "1970-01-01T10:00:00Z"}, table) == [True, False, False]
    assert mask({"column": "price", "op": "<=", "value": "1.10"}, table) == [True, False, False]
    with pytest.raises(InputError, match="values for the column 'day' should be of the type date32"):
        mask({"column": "day", "op": "<", "value": "soon"}, table)


@pytest.mark.parametrize(
    ("part", "error", "says"),
    [
        ({"column": "nix", "op": "is_null"}, InputError, "filter should name columns of the payload"),
        ({"column": "n", "op": "<", "value": "x"}, InputError, "true-or-false expression"),
        ({"column": "n", "op": "contains", "value": "x"}, InputError, "true-or-false expression"),
        ({"column": "n", "op": "in", "value": [1, "x"]}, InputError, "of the type int64"),
        ({"or": [{"column": "n", "op": "is_null"}] * 101}, ValidationError, "at most 100 items"),
        (
            {"or": [{"and": [{"column": "n", "op": "is_null"}] * 60}] * 2},
            InputError,
            "at most 100 comparisons; found 120",
        ),
        ({"and": []}, ValidationError, "at least 1 item"),
        ({"column": "n", "op": "<", "value": float("nan")}, ValidationError, "finite number"),
        ({"column": "n", "op": "__class__", "value": 1}, ValidationError, "Input should be"),
        ({"and": [{"column": "n", "op": "is_null"}], "or": []}, ValidationError, "Extra inputs"),
        ("n < 2", ValidationError, "does not match any of the expected tags"),
        (None, ValidationError, "does not match any of the expected tags"),
    ],
)
def test_what_is_no_filter(part, error, says):
    with pytest.raises(error, match=says):
        mask(part)


def test_numbers_beyond_int64_are_compared_as_floats():
    few = TABLE.slice(13, 4)
    assert mask({"column": "n", "op": "<", "value": 10**30}, few) == [row["n"] is not None for row in ROWS[13:17]]
    with pytest.raises(ValidationError, match="finite number"):
        PARSE.validate_json('{"column": "n", "op": "<", "value": 1' + 400 * "0" + "}")


def test_a_column_named_like_code_is_a_column():
    table = pa.table({"__import__('os')": np.arange(3)})
    assert mask({"column": "__import__('os')", "op": ">=", "value": 1}, table) == [False, True, True]
