"""Everything a build can be told, in one frozen value that is stored with the index."""

from __future__ import annotations

from dataclasses import dataclass, field

from hierindex.index.config import IndexConfig
from hierindex.learning.config import LearnConfig

__all__ = ["BuildConfig"]


@dataclass(frozen=True)
class BuildConfig:
    """How images are read, how the encoder and the tree are learned, how the index is laid out.

    Attributes:
        learn: the encoder, the losses, the training budget, the ball.
        index: leaf count, leaf scan, the size below which every search is exact, threads.
        image_size: bring every image to this many pixels a side; None takes them as they are, all of one size.
        image_mode: "L" (grey) or "RGB" to convert every image; None takes them as they are, all of one kind.
        on_error: "raise" at the first unreadable image, or "skip" it (it is listed in `HierIndex.info`).

    Example:
        >>> BuildConfig(image_size=64).image_size
        64
    """

    learn: LearnConfig = field(default_factory=LearnConfig)
    index: IndexConfig = field(default_factory=IndexConfig)
    image_size: int | None = None
    image_mode: str | None = None
    on_error: str = "raise"
