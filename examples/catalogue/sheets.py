"""Contact sheets: rows of pictures in one PNG file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["sheet"]

_SIDE, _GAP = 48, 4  # pixels


def sheet(rows: Sequence[NDArray[np.uint8]], path: Path, *, mark_first: bool = False) -> Path:
    """Write rows of pictures, each ``(r, h, w, c)`` uint8; rows may differ in length.

    Args:
        rows: what to show.
        path: a PNG file.
        mark_first: a wider gap behind the first of each row, which the others answer.

    Returns:
        The path.
    """
    step, shift = _SIDE + _GAP, 2 * _GAP if mark_first else 0
    width = max(len(row) for row in rows) * step + _GAP + shift
    page = Image.new("RGB", (width, len(rows) * step + _GAP), "white")
    for down, row in enumerate(rows):
        for across, pixels in enumerate(row):
            tile = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).convert("RGB")
            left = _GAP + across * step + (shift if across else 0)
            page.paste(tile.resize((_SIDE, _SIDE), Image.Resampling.NEAREST), (left, _GAP + down * step))
    page.save(path)
    return path
