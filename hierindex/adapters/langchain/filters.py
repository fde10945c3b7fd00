"""Filters as LangChain's stores take them: mappings of metadata keys, with operators where equality is not meant.

    {"genre": "jazz", "year": {"$gte": 1959, "$lt": 1970}}
    {"$or": [{"genre": "jazz"}, {"$not": {"lang": {"$in": ["de", "fr"]}}}]}

One walk over a filter serves both ways of asking: of typed columns it makes a pyarrow expression, which is asked of
all documents at once; of one document's metadata it makes a truth value.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from langchain_core.documents import Document

from hierindex.adapters.langchain.documents import documents_in, metadata_in
from hierindex.api import HierIndex
from hierindex.errors import InputError
from hierindex.index.filters import Filter

__all__ = ["DocumentFilter", "allowed", "expression_of", "keys_of", "matches"]

DocumentFilter: TypeAlias = Mapping[str, Any] | pc.Expression | Callable[[Document], bool]

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "$in": lambda there, values: there in values,
    "$eq": operator.eq,
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
_NEGATED = {"$ne": "$eq", "$neq": "$eq", "$nin": "$in"}
_OPERATORS = sorted([*_COMPARE, *_NEGATED])


@dataclass(frozen=True)
class _Terms:
    """What a filter is made of: truth values, or expressions."""

    test: Callable[[str, str, Any], Any]
    both: Callable[[Any, Any], Any]
    either: Callable[[Any, Any], Any]
    negation: Callable[[Any], Any]
    true: Any


def allowed(index: HierIndex, filter: DocumentFilter, columns: Collection[str]) -> Filter:  # noqa: A002
    """What `HierIndex.search` takes for a filter over documents.

    Args:
        index: the documents.
        filter: a mapping of metadata keys, a function of a document, or a pyarrow expression.
        columns: the metadata keys that are columns of their own.

    Raises:
        InputError: it is no filter.
    """
    if isinstance(filter, pc.Expression):
        return filter
    if isinstance(filter, Mapping):
        if keys_of(filter) <= set(columns):
            return expression_of(filter)
        return np.fromiter((matches(filter, each) for each in metadata_in(index)), np.bool_, len(index))
    if callable(filter):
        return np.fromiter((filter(document) for document in documents_in(index)), np.bool_, len(index))
    raise InputError(f"filter should be a mapping, a function of a document, or a pyarrow expression; found {filter!r}")


def expression_of(filter: Mapping[str, Any]) -> pc.Expression:  # noqa: A002 - what LangChain calls it
    """The filter over columns of the same names; a missing value is not equal to anything.

    Raises:
        InputError: it is no filter.
    """
    return _walked(filter, _Terms(_column_test, operator.and_, operator.or_, operator.invert, pc.scalar(True)))


def matches(filter: Mapping[str, Any], metadata: Mapping[str, Any]) -> bool:  # noqa: A002
    """Whether one document's metadata pass the filter. A key that is missing, or of another type, equals nothing.

    Raises:
        InputError: it is no filter.

    Example:
        >>> matches({"year": {"$gte": 1959, "$lt": 1970}}, {"year": 1965})
        True
    """

    def test(key: str, name: str, value: object) -> bool:
        there = metadata.get(key)
        if there is None:
            return False
        try:
            return bool(_COMPARE[name](there, value))
        except TypeError:
            return False

    terms = _Terms(test, lambda a, b: a and b, lambda a, b: a or b, operator.not_, True)
    return bool(_walked(filter, terms))


def keys_of(filter: Mapping[str, Any]) -> set[str]:  # noqa: A002
    """The metadata keys that a filter asks for.

    Raises:
        InputError: it is no filter.

    Example:
        >>> sorted(keys_of({"$or": [{"a": 1}, {"b": {"$gt": 2}}]}))
        ['a', 'b']
    """
    asked: set[str] = _walked(filter, _Terms(lambda key, *_: {key}, operator.or_, operator.or_, set, set()))
    return asked


def _walked(filter: object, terms: _Terms) -> Any:  # noqa: A002, ANN401 - what the terms are made of
    if not isinstance(filter, Mapping):
        raise InputError(f"filter should be a mapping of metadata keys; found {filter!r}")
    parts = [_part(key, value, terms) for key, value in filter.items()]
    return reduce(terms.both, parts, terms.true) if len(parts) != 1 else parts[0]


def _part(key: str, value: object, terms: _Terms) -> Any:  # noqa: ANN401
    if key == "$not":
        return terms.negation(_walked(value, terms))
    if key in ("$and", "$or"):
        if not isinstance(value, Sequence) or isinstance(value, str) or not value:
            raise InputError(f"{key} should have a list of filters; found {value!r}")
        return reduce(terms.both if key == "$and" else terms.either, [_walked(each, terms) for each in value])
    if key.startswith("$"):
        raise InputError(f"filter should combine by '$and', '$or' or '$not'; found {key!r}")
    asked = value if isinstance(value, Mapping) else {"$eq": value}
    tests = [_test(key, name, wanted, terms) for name, wanted in asked.items()]
    return reduce(terms.both, tests, terms.true) if len(tests) != 1 else tests[0]


def _test(key: str, name: str, value: object, terms: _Terms) -> Any:  # noqa: ANN401
    if name in _NEGATED:
        return terms.negation(_test(key, _NEGATED[name], value, terms))
    if name not in _COMPARE:
        raise InputError(f"filter should compare {key!r} by one of {_OPERATORS}; found {name!r}")
    return terms.test(key, name, _listed(key, value) if name == "$in" else value)


def _column_test(key: str, name: str, value: object) -> pc.Expression:
    field = pc.field(key)
    found = field.isin(pa.array(value)) if name == "$in" else _COMPARE[name](field, value)
    return pc.coalesce(found, pc.scalar(False))  # null is neither true nor false: decided here, before a negation


def _listed(key: str, value: object) -> list[Any]:
    if not isinstance(value, Collection) or isinstance(value, str):
        raise InputError(f"$in should have a list of values for {key!r}; found {value!r}")
    return list(value)
