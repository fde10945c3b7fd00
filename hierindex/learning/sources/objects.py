"""Images that are Python objects: a list of pictures, arrays or encoded bytes, or a map-style (torch) Dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from hierindex.errors import InputError
from hierindex.learning.sources.arrays import is_array, one_image
from hierindex.learning.sources.parquet import IMAGE_NAMES
from hierindex.learning.sources.pixels import Raw, UnreadableError
from hierindex.learning.sources.scale import Scale, scale_of, to_uint8

__all__ = ["ObjectItems"]


class ObjectItems:
    """The elements of a list or of a map-style data set; see `Items`.

    An element is a PIL image, an array or tensor ``(h, w)``, ``(h, w, c)`` or ``(c, h, w)``, the bytes of an image
    file, a tuple or list whose first is one of those, or a dict with one under "image", "img" or "images".
    """

    encoded = False  # a data set runs the caller's code, which may not bear several threads
    names = None

    def __init__(self, data: Any) -> None:  # noqa: ANN401
        self._data = data
        self._scales: dict[Scale, str] = {}

    def __len__(self) -> int:
        """How many there are."""
        return len(self._data)

    def label(self, row: int) -> str:
        """The image's number."""
        return f"image {row}"

    def fetch(self, rows: Sequence[int]) -> list[Raw | UnreadableError]:
        """The elements, arrays among them as uint8 ``(h, w, c)``."""
        return [self._element(row) for row in rows]

    def _element(self, row: int) -> Raw | UnreadableError:
        try:
            element = _image_of(self._data[row])
        except Exception as error:  # noqa: BLE001  (the caller's own code; what it raised is told)
            failure = UnreadableError(f"{type(error).__name__}: {error}")
            failure.__cause__ = error
            return failure
        if isinstance(element, (Image.Image, bytes)):
            return element
        if not is_array(element):
            raise InputError(
                f"{self.label(row)} should be a PIL image, an array, a tensor, or the bytes of an image file, alone or "
                f"first in a tuple or under 'image' in a dict; found {type(element).__name__}"
            )
        array = one_image(element, self.label(row))
        if array.dtype.kind == "f":
            self._agree(scale_of(array, self.label(row)), row)
        return np.ascontiguousarray(to_uint8(array, self.label(row)))

    def _agree(self, scale: Scale | None, row: int) -> None:
        """Each float array tells its own scale; one that differs from the others' would be black beside them."""
        if scale is not None:
            self._scales.setdefault(scale, self.label(row))
        if len(self._scales) > 1:
            unit, byte = self._scales[Scale.UNIT], self._scales[Scale.BYTE]
            raise InputError(
                f"float images should all be in 0..1 or all in 0..255; found {unit} in 0..1 and {byte} in 0..255; "
                "give uint8, or divide by 255"
            )


def _image_of(element: Any) -> Any:  # noqa: ANN401
    if isinstance(element, dict):
        return next((element[name] for name in IMAGE_NAMES if name in element), element)
    if isinstance(element, (tuple, list)) and element:
        return element[0]
    return element
