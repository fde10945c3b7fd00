"""An encoder as plain values: what the storage writes and reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

__all__ = ["EncoderFile", "of_rows"]


@dataclass(frozen=True)
class EncoderFile:
    """An encoder as it is stored: what it is, as JSON, and its weights by name (safetensors; never pickle)."""

    spec: dict[str, Any]
    arrays: dict[str, NDArray[Any]]

    @property
    def of_rows(self) -> bool:
        """Whether it reads rows of numbers, not pictures."""
        return of_rows(self.spec)


def of_rows(spec: Mapping[str, Any]) -> bool:
    """Whether an encoder of this description reads rows of numbers: it then names their columns, or has null there."""
    return "columns" in spec
