"""Values as the JSON of an answer."""

from __future__ import annotations

import numpy as np
from pydantic_core import to_json

__all__ = ["as_json"]


def as_json(value: object) -> bytes:
    """JSON of plain values, arrays and dates; what has no number there (NaN, infinity) is null, bytes are base64."""
    return to_json(value, inf_nan_mode="null", bytes_mode="base64", fallback=_plain)


def _plain(value: object) -> object:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    return str(value)
