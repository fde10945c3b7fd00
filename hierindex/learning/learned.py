"""What learning hands on: arrays and plain values, no torch."""

from __future__ import annotations

from dataclasses import dataclass

from hierindex.head import AnchorHead, Head
from hierindex.learning.encoder_file import EncoderFile
from hierindex.learning.history import History
from hierindex.vectors import Float32

__all__ = ["EncoderFile", "Learned"]


@dataclass(frozen=True)
class Learned:
    """The outcome of learning.

    Attributes:
        latent: ``(n, d)`` float32; of images: unit rows (for the cosine metric); of vectors: the vectors as given.
        head: from latent to the ball of ``config.head.ball_dim`` dimensions.
        disk: from latent to the disk (2 dimensions).
        encoder: from images to latent; None where vectors were given.
        history: what happened on the way.
        walk: from latent to that ball too, by the walks of the rows that are near; None without diffusion, or where
            there are more rows than ``config.head.sample``: it takes time with the number of its anchors.
    """

    latent: Float32
    head: Head
    disk: Head
    encoder: EncoderFile | None
    history: History
    walk: AnchorHead | None = None
