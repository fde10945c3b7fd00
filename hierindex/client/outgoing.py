"""What a caller has, as JSON values."""

from __future__ import annotations

import base64
import datetime as dt
import io
from collections.abc import Mapping, Sequence
from decimal import Decimal
from os import PathLike
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike

from hierindex.errors import ImageError, InputError
from hierindex.frames import as_arrow
from hierindex.vectors import as_vectors

__all__ = ["as_asked", "as_id_list", "as_records"]


def as_asked(query: object, ids: ArrayLike | None) -> dict[str, Any]:
    """The part of a search that says what is searched for: vectors, images or ids.

    Raises:
        InputError: both or neither are given, vectors that are none, or an image that cannot be read.

    Example:
        >>> as_asked([1.0, 0.5], None)
        {'vectors': [[1.0, 0.5]]}
    """
    if (query is None) == (ids is None):
        raise InputError(f"either a query or ids should be given; found {'neither' if query is None else 'both'}")
    if ids is not None:
        return {"ids": as_id_list(ids)}
    many = query if isinstance(query, (list, tuple)) else [query]
    if many and all(_is_image(each) for each in many):
        return {"images": [_base64(each) for each in many]}
    return {"vectors": as_vectors(cast("ArrayLike", query)).tolist()}


def as_id_list(ids: ArrayLike) -> list[Any]:
    """Ids as a list.

    Example:
        >>> as_id_list(7)
        [7]
    """
    return list(np.atleast_1d(np.asarray(ids, dtype=object)).tolist())


def as_records(payload: object) -> list[dict[str, Any]]:
    """Payload as a list of records: a table, a frame, a mapping of columns, or records already.

    Raises:
        InputError: it is none of these.

    Example:
        >>> as_records({"price": [1, 2]})
        [{'price': 1}, {'price': 2}]
    """
    if isinstance(payload, Sequence) and all(isinstance(record, Mapping) for record in payload):
        records = list(payload)
    else:
        table = as_arrow(payload)
        if table is None:
            raise InputError(f"payload should be a table, columns or records; found {type(payload).__name__}")
        records = table.to_pylist()
    return [{str(name): _plain(value) for name, value in record.items()} for record in records]


def _is_image(each: object) -> bool:
    return isinstance(each, (str, bytes, PathLike)) or hasattr(each, "getbands")


def _base64(image: Any) -> str:  # noqa: ANN401 - what _is_image lets through
    if isinstance(image, bytes):
        data = image
    elif hasattr(image, "getbands"):
        out = io.BytesIO()
        image.save(out, "PNG")
        data = out.getvalue()
    else:
        try:
            data = Path(image).read_bytes()
        except OSError as error:
            raise ImageError(f"{image} should be an image file; found: {error}") from error
    return base64.b64encode(data).decode()


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
