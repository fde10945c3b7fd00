"""The one shape that all images of a source must have, or be brought to."""

from __future__ import annotations

from dataclasses import dataclass

from hierindex.errors import ImageError
from hierindex.learning.sources.base import Shape, Wish

__all__ = ["Agreement", "Frame", "Look"]

_CONVERTIBLE = (1, 3, 4)  # grey, colour, colour and alpha: what `mode` has a meaning for


@dataclass(frozen=True)
class Look:
    """What an image is before anything is done to it; its header is enough to tell."""

    height: int
    width: int
    channels: int

    @property
    def colour(self) -> str:
        """The channels in words."""
        return {1: "grey", 3: "RGB"}.get(self.channels, f"{self.channels} channels")


@dataclass(frozen=True)
class Frame:
    """The shape ``(h, w, c)`` an image is brought to, and whether it may be resized for that."""

    shape: Shape
    resize: bool

    @property
    def mode(self) -> str:
        """Pillow's name for images of so many channels."""
        return "L" if self.shape[2] == 1 else "RGB"


class Agreement:
    """Holds one image after another against the wish of the caller and the first image.

    Example:
        >>> agreement = Agreement(Wish(image_size=8))
        >>> agreement.add("a.png", Look(20, 30, 3))
        >>> agreement.add("b.png", Look(9, 9, 3))
        >>> agreement.frame.shape
        (8, 8, 3)
    """

    def __init__(self, wish: Wish) -> None:
        self._wish = wish
        self._first: tuple[str, Look] | None = None

    def add(self, label: str, look: Look) -> None:
        """One more image.

        Raises:
            ImageError: its size or its channels differ from the first image's, and no wish says what to do.
        """
        if self._wish.mode is not None and look.channels not in _CONVERTIBLE:
            raise ImageError(
                f"mode={self._wish.mode.value!r} should be given for grey, RGB or RGBA images; found {label} with "
                f"{look.channels} channels; leave mode out"
            )
        if self._first is None:
            self._first = (label, look)
            return
        first_label, first = self._first
        if self._wish.image_size is None and (look.height, look.width) != (first.height, first.width):
            raise ImageError(
                f"images should all have one size; found {first_label} of {first.width}x{first.height} and {label} of "
                f"{look.width}x{look.height} pixels; pass image_size=..., such as "
                f"image_size={min(first.height, first.width, look.height, look.width)}"
            )
        if self._wish.mode is None and look.channels != first.channels:
            raise ImageError(
                f"images should all be grey or all be RGB; found {first_label} ({first.colour}) and {label} "
                f"({look.colour}); pass mode='RGB' or mode='L'"
            )

    @property
    def frame(self) -> Frame:
        """What all images agree on; there must have been one."""
        if self._first is None:
            raise RuntimeError("an agreement needs an image")
        look, size, mode = self._first[1], self._wish.image_size, self._wish.mode
        h, w = (look.height, look.width) if size is None else (size, size)
        return Frame((h, w, look.channels if mode is None else mode.channels), resize=size is not None)
