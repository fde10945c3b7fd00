"""JSON that says whether it is still what was written."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from hierindex.errors import InputError

__all__ = ["Json", "digest", "dumps", "loads"]

Json = dict[str, Any]


def dumps(value: Json, name: str) -> str:
    """Canonical JSON: sorted keys, no spaces, no NaN; equal values give equal text.

    Raises:
        InputError: a value has no JSON form.
    """
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"{name} should hold plain JSON (str, int, finite float, bool, None, list, dict); found {error}"
        ) from error


def loads(text: str | bytes) -> Json:
    """An object from JSON.

    Raises:
        ValueError: it is no JSON object.
    """
    value = json.loads(text, parse_constant=_refuse)
    if isinstance(value, dict):
        return value
    raise ValueError(f"a JSON {type(value).__name__} in place of an object")


def digest(data: str | bytes) -> str:
    """SHA-256 as hexadecimal text."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} in JSON")
