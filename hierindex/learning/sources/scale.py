"""From numbers of any dtype to uint8 grey levels 0..255, without guessing.

Integers must lie in 0..255. Floats must lie in [0, 1], which is scaled, or be whole numbers in 0..255. Everything else
is refused with the range that was found: a silent guess here would train on black images.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hierindex.errors import InputError
from hierindex.learning.sources.base import UInt8

__all__ = ["Scale", "plain_array", "scale_of", "to_uint8"]

_SLACK = (
    1e-3  # resampling may leave [0, 1] by a rounding error; less than half a grey level (1/510) vanishes in rounding
)
_BLOCK = 1 << 22  # values converted at a time, so that a large set needs no second float copy


class Scale(Enum):
    """What the value of full brightness is."""

    UNIT = "0..1"
    BYTE = "0..255"


def plain_array(x: Any, name: str) -> NDArray[Any]:  # noqa: ANN401
    """A NumPy array of an array or tensor (on any device), of a dtype that can hold grey levels.

    Raises:
        InputError: strings, complex numbers, Python objects and the like.
    """
    if hasattr(x, "detach"):  # a torch tensor, known without importing torch
        x = x.detach().cpu()
        x = x.float().numpy() if x.is_floating_point() else x.numpy()  # NumPy has no bfloat16
    array = np.asarray(x)
    if array.dtype.kind not in "biuf":
        raise InputError(
            f"{name} should hold grey levels: uint8, or float in [0, 1]; found dtype {array.dtype}; convert them, or "
            "give file paths or PIL images as a list"
        )
    return array


def scale_of(array: NDArray[Any], name: str) -> Scale | None:
    """What full brightness is in this array; None where it is black and both would do.

    Raises:
        InputError: values outside the ranges, fractions above 1, NaN or infinity.

    Example:
        >>> scale_of(np.array([[0.0, 0.5]]), "images")
        <Scale.UNIT: '0..1'>
    """
    kind = array.dtype.kind
    if kind == "b":
        return Scale.UNIT
    if array.dtype == np.uint8:
        return Scale.BYTE
    low, high = array.min(), array.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        rows = np.flatnonzero(~np.isfinite(array).reshape(len(array), -1).all(axis=1))
        where = f" in image(s) {rows[:5].tolist()}" if array.ndim > 3 else ""
        raise InputError(f"{name} should be finite; found NaN or infinity{where}; mend or remove them")
    if kind == "f" and low >= -_SLACK and high <= 1 + _SLACK:
        return Scale.UNIT if high > 0 else None
    if low < 0 or high > 255:
        raise InputError(
            f"{name} should be uint8, float in [0, 1], or whole numbers in 0..255; found {array.dtype} from {low:g} to "
            f"{high:g}; scale them to [0, 1] first (undo a normalisation)"
        )
    if kind == "f" and not all(np.array_equal(x, np.rint(x)) for x in _blocks(array)):
        raise InputError(
            f"{name} above 1 should be whole numbers in 0..255; found {array.dtype} with fractions from {low:g} to "
            f"{high:g}; divide them by their full brightness (1 if this is a slip, else 255), or round to uint8"
        )
    return Scale.BYTE


def to_uint8(array: NDArray[Any], name: str) -> UInt8:
    """Grey levels 0..255 of an array of the same shape; uint8 comes back as it is.

    Args:
        array: bool, integers in 0..255, floats in [0, 1], or floats that are whole numbers in 0..255.
        name: what to call it in an error.

    Raises:
        InputError: see `scale_of`.

    Example:
        >>> to_uint8(np.array([0.0, 0.5, 1.0]), "images")
        array([  0, 128, 255], dtype=uint8)
    """
    scale = scale_of(array, name)
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind in "iu":
        return array.astype(np.uint8)
    factor = 255 if scale is Scale.UNIT else 1
    result = np.empty(array.shape, dtype=np.uint8)
    for x, out in zip(_blocks(array), _blocks(result), strict=True):
        out[...] = np.rint(x * np.float32(factor))
    return result


def _blocks(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Views along the first axis, of about `_BLOCK` values each."""
    step = max(1, _BLOCK * len(array) // max(1, array.size))
    return (array[start : start + step] for start in range(0, len(array), step))
