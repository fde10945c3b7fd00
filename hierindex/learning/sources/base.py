"""What the training loop reads from, and what the caller may wish of it.

A source is a numbered set of images of one shape. Small sets are held in memory as one uint8 array (`MemoryImages`);
larger ones are decoded at each read (`LazyImages` in the module `items`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from hierindex.errors import InputError
from hierindex.vectors import Int64, positive

__all__ = ["BUDGET", "ImageSource", "MemoryImages", "Mode", "OnError", "Shape", "UInt8", "Wish", "fits", "unique_names"]

UInt8 = NDArray[np.uint8]
Shape = tuple[int, int, int]

BUDGET = 4 << 30
"""Bytes of decoded pixels that a source may hold in memory (4 GiB); above it images are decoded at each read."""


class ImageSource(Protocol):
    """A numbered set of images of one shape.

    Attributes:
        shape: ``(h, w, c)`` of every image.
        names: one unique name for each image (a path relative to the folder, or Parquet's path field), fit to be a
            string id; None where there are none, or they are not unique.
        kept: ``(len,)`` positions, in what the caller gave, of the images that are here; rises.
        skipped: the images left out with ``on_error="skip"``, each as ``"name: reason"``.
    """

    @property
    def shape(self) -> Shape:
        """``(h, w, c)`` of every image."""

    @property
    def names(self) -> list[str] | None:
        """One unique name for each image, or None."""

    @property
    def kept(self) -> Int64:
        """Positions of these images in what the caller gave."""

    @property
    def skipped(self) -> tuple[str, ...]:
        """The images left out, each as ``"name: reason"``."""

    def __len__(self) -> int:
        """How many images there are."""

    def read(self, rows: Int64) -> UInt8:
        """The images of those row numbers: uint8 ``(b, h, w, c)``, C-contiguous, the caller's to change.

        Raises:
            ImageError: an image cannot be decoded (it is named).
        """


@dataclass(frozen=True)
class MemoryImages:
    """Images held as one array ``pixels`` uint8 ``(n, h, w, c)``; see `ImageSource`."""

    pixels: UInt8
    kept: Int64
    names: list[str] | None = None
    skipped: tuple[str, ...] = ()

    @property
    def shape(self) -> Shape:
        """``(h, w, c)`` of every image."""
        _, h, w, c = self.pixels.shape
        return h, w, c

    def __len__(self) -> int:
        """How many images there are."""
        return len(self.pixels)

    def read(self, rows: Int64) -> UInt8:
        """The images of those row numbers: uint8 ``(b, h, w, c)``."""
        return np.ascontiguousarray(self.pixels[rows])


class OnError(Enum):
    """What to do with an image that cannot be read."""

    RAISE = "raise"
    SKIP = "skip"


class Mode(Enum):
    """What every image is converted to: 8-bit grey or 8-bit colour."""

    GREY = "L"
    COLOUR = "RGB"

    @property
    def channels(self) -> int:
        """1 or 3."""
        return len(self.value)


@dataclass(frozen=True)
class Wish:
    """What the caller asks of the images, parsed once."""

    image_size: int | None = None
    mode: Mode | None = None
    on_error: OnError = OnError.RAISE

    @classmethod
    def parse(cls, image_size: int | None, mode: str | None, on_error: str) -> Self:
        """The checked form of the arguments of `open_images`.

        Raises:
            InputError: image_size below 1 or no integer; mode or on_error none of their values.

        Example:
            >>> Wish.parse(32, "L", "skip").mode
            <Mode.GREY: 'L'>
        """
        if mode not in (None, "L", "RGB"):
            raise InputError(f"mode should be 'L' (grey), 'RGB' or None (as the images are); found {mode!r}")
        if on_error not in ("raise", "skip"):
            raise InputError(f"on_error should be 'raise' or 'skip'; found {on_error!r}")
        size = None if image_size is None else positive(image_size, "image_size")
        return cls(size, None if mode is None else Mode(mode), OnError(on_error))


def fits(n: int, shape: Shape) -> bool:
    """Whether n images of that shape may be held in memory."""
    return n * math.prod(shape) <= BUDGET


def unique_names(names: list[str] | None) -> list[str] | None:
    """The names, where they can be ids: none empty, none twice."""
    if names is None or not all(names) or len(set(names)) < len(names):
        return None
    return names
