"""An encoder as plain values: what the storage writes and reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

__all__ = ["EncoderFile"]


@dataclass(frozen=True)
class EncoderFile:
    """An encoder as it is stored: what it is, as JSON, and its weights by name (safetensors; never pickle)."""

    spec: dict[str, Any]
    arrays: dict[str, NDArray[Any]]
