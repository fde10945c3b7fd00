"""Nested frozen dataclasses to plain JSON values and back, refusing what they do not know."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, TypeVar

from hierindex.errors import InputError
from hierindex.vectors import member

__all__ = ["from_json", "to_json"]

T = TypeVar("T")


def to_json(value: object) -> Any:  # noqa: ANN401 - a JSON value is any of its seven types
    """Dataclasses become objects, tuples lists, enums their values; everything else is JSON already.

    Example:
        >>> to_json((1, None))
        [1, None]
    """
    if is_dataclass(value):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    return value


def from_json(kind: type[T], data: Mapping[str, Any], where: str = "") -> T:
    """The dataclass ``kind`` with these values; a missing key keeps its default.

    Raises:
        InputError: a key that ``kind`` does not have, or a value that it refuses.
    """
    name = where or kind.__name__
    if not isinstance(data, Mapping):
        raise InputError(f"{name} should be a JSON object; found {data!r}")
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(data) - set(hints))
    if unknown:
        raise InputError(f"{name} has the keys {sorted(hints)}; found also {unknown}; remove them or mend the spelling")
    return kind(**{key: _value(hints[key], value, f"{name}.{key}") for key, value in data.items()})


def _value(hint: Any, value: Any, where: str) -> Any:  # noqa: ANN401
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        if value is None:
            return None
        hint = next(option for option in typing.get_args(hint) if option is not type(None))
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)
        return tuple(_value(inner[0], item, where) for item in value)
    if isinstance(hint, type) and is_dataclass(hint):
        return from_json(hint, value, where)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return member(hint, value, where)
    return value
