"""Query images: a few, brought to the shape that the encoder was trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hierindex.errors import EmptyInputError, InputError
from hierindex.learning.sources.arrays import FEW, channels_last, is_array, open_array
from hierindex.learning.sources.base import Shape, UInt8, Wish
from hierindex.learning.sources.frame import Frame
from hierindex.learning.sources.items import Items, each, open_items, unreadable
from hierindex.learning.sources.opening import items_of
from hierindex.learning.sources.pixels import Raw, UnreadableError, render
from hierindex.learning.sources.scale import plain_array, to_uint8

__all__ = ["as_images"]


def as_images(x: Any, shape: Shape | None = None) -> UInt8:  # noqa: ANN401  (see open_images)
    """One or a few images as uint8 ``(b, h, w, c)``.

    Args:
        x: an array or tensor of one image or of several, a PIL image, a path, or a list of those; everything that
            `open_images` takes.
        shape: ``(h, w, c)`` that is wanted. Files and PIL images are converted, resized and cropped to it; arrays must
            have it, channels first or last (and grey ones may lack the axis). None leaves images as they are.

    Raises:
        ImageError: an image cannot be read; with shape None, images differ in size or channels.
        InputError: an array has another shape, its dtype or range is wrong, or it can be read in two ways.
        EmptyInputError: no images.

    Example:
        >>> import numpy as np
        >>> as_images(np.zeros((3, 8, 9), np.uint8), (8, 9, 3)).shape
        (1, 8, 9, 3)
        >>> as_images([np.zeros((8, 9), np.uint8)] * 2, (8, 9, 1)).shape
        (2, 8, 9, 1)
    """
    if not is_array(x):
        items = items_of(x)
        if shape is not None:
            return _rendered(items, shape)
        source = open_items(items, Wish())
        return source.read(np.arange(len(source), dtype=np.int64))
    array = plain_array(x, "images")
    if array.size == 0:
        raise EmptyInputError(f"images should hold at least one image of one pixel; found shape {array.shape}")
    if shape is not None:
        return np.ascontiguousarray(_of_shape(to_uint8(array, "images"), shape))
    return np.ascontiguousarray(open_array(_several(array), Wish()).pixels)


def _rendered(items: Items, shape: Shape) -> UInt8:
    frame = Frame(shape, resize=True)

    def work(row: int, raw: Raw) -> UInt8:
        if isinstance(raw, np.ndarray) and raw.shape != shape:
            raise InputError(
                f"{items.label(row)} should have shape {shape}, as the encoder was trained on; found {raw.shape}; "
                "resize it, or give a PIL image or a file, which is resized for you"
            )
        return render(raw, frame)

    result = np.empty((len(items), *shape), dtype=np.uint8)
    for row, got in each(items, np.arange(len(items), dtype=np.int64), work):
        if isinstance(got, UnreadableError):
            raise unreadable(items.label(row), got) from got
        result[row] = got
    return result


def _of_shape(x: UInt8, shape: Shape) -> UInt8:
    """The images ``(b, *shape)`` in x; every order of axes that gives that shape is tried, and must give the same."""
    readings: dict[int, list[UInt8]] = {
        2: [x[None, ..., None]],  # (h, w)
        3: [x[None], np.moveaxis(x, 0, -1)[None], x[..., None]] if x.ndim == 3 else [],  # (h, w, c) (c, h, w) (b, h, w)
        4: [x, np.moveaxis(x, 1, -1)] if x.ndim == 4 else [],  # (b, h, w, c) (b, c, h, w)
    }
    found = [reading for reading in readings.get(x.ndim, []) if reading.shape[1:] == shape]
    if not found:
        raise InputError(
            f"images should have shape {shape} (h, w, c), as the encoder was trained on, or (b, h, w, c), or channels "
            f"first; found shape {x.shape}; resize them, or give PIL images or files, which are resized for you"
        )
    if not all(np.array_equal(found[0], other) for other in found[1:]):
        raise InputError(
            f"images should have axes that can be told apart; found shape {x.shape}, which can be read in two ways for "
            f"images of {shape}; give a list of PIL images"
        )
    return found[0]


def _several(array: NDArray[Any]) -> NDArray[Any]:
    """One image as a set of one; a set as it is."""
    if array.ndim == 2:
        return array[None]
    if array.ndim != 3:
        return array
    first, last = array.shape[0], array.shape[-1]
    if 1 < first <= FEW < last:
        raise InputError(
            f"images should be one or several for certain; found shape {array.shape}, which may be {first} grey images "
            f"or one of {first} channels; give images[:, None] for the former, images[None] for the latter"
        )
    return channels_last(array, "images")[None] if last <= FEW else array
