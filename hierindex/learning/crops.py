"""An image by several crops of it: its latent is the mean of theirs.

An encoder that learned from crops has seldom seen a whole image, and what it shows there is smaller than what it knows
(H. Touvron et al., arXiv 1906.06423). So it is asked as it was taught: by the centre and the four corners, and perhaps
by their mirror images (A. Krizhevsky et al., NIPS 2012, whose crops are these ten).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn.functional import normalize

from hierindex.errors import CorruptIndexError, InputError
from hierindex.learning.config import EncoderConfig, ViewConfig
from hierindex.learning.views import resample

__all__ = ["Crops"]

_NAME = "cropped"
_SIDE = 0.8
_PLACES = ((0, 0), (-1, -1), (1, -1), (-1, 1), (1, 1))
_AT_ONCE = 64  # views in one pass where there are few images
_SMALL = 0.4  # views that show less than this share of an image are crops that call for crops


@dataclass(frozen=True)
class Crops:
    """The crops that an image is encoded by.

    Attributes:
        count: 5 or 10; see `EncoderConfig.crops`.
        side: of a crop, as a share of the image's.
        size: height and width in pixels at which they are shown; None: those of the image.
    """

    count: int
    side: float = _SIDE
    size: int | None = None

    def __post_init__(self) -> None:
        if self.count not in (5, 10) or not 0 < self.side <= 1 or (self.size is not None and self.size < 1):
            raise InputError(f"crops should be 5 or 10, of a side above 0 and up to 1; found {self}")

    @classmethod
    def chosen(cls, config: EncoderConfig, views: ViewConfig | None) -> Self | None:
        """The crops that go with how an encoder learns, by the rule of `EncoderConfig.crops`; None: the image itself.

        Args:
            config: which encoder.
            views: what it learns from; None: views that are not built in.

        Example:
            >>> Crops.chosen(EncoderConfig(), ViewConfig(size=24))
            Crops(count=5, side=0.8, size=24)
        """
        count = config.crops
        if count is None:
            count = 5 if views is not None and views.crop[0] < _SMALL and not config.freeze else 1
        return None if count == 1 else cls(count, size=None if views is None else views.size)

    def latents(self, net: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        """Unit vectors ``(b, d)``: the mean of those of the crops, at length 1 again.

        Args:
            net: float images ``(m, c, h, w)`` to features ``(m, d)``.
            images: float ``(b, c, h, w)`` in [0, 1].
        """
        b = len(images)
        total: Tensor | None = None
        frames, at_once = self._frames().to(images.device), max(1, _AT_ONCE // b)
        for start in range(0, self.count, at_once):
            places = frames[start : start + at_once]
            each = images.repeat_interleave(len(places), 0)  # all crops of the first image come first
            seen = resample(each, places.repeat(b, 1, 1), self.size)
            found = normalize(net(seen.contiguous(memory_format=torch.channels_last)).float(), dim=1)
            found = found.view(b, len(places), -1).sum(1)
            total = found if total is None else total + found
        assert total is not None  # noqa: S101 - for mypy; there are crops
        return normalize(total, dim=1)

    def _frames(self) -> Tensor:
        """Affine maps ``(count, 2, 3)`` from crop to image coordinates in [-1, 1]; see `torch.affine_grid`."""
        shift = 1 - self.side
        frames = [
            [[self.side * mirror, 0.0, x * shift], [0.0, self.side, y * shift]]
            for mirror in (1, -1)[: self.count // 5]
            for x, y in _PLACES
        ]
        return torch.tensor(frames)

    def to_spec(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """The description of an encoder with these crops, around that of the encoder without them.

        A hierindex that knows of no crops refuses it by its name, and does not encode something else instead.
        """
        return {"name": _NAME, **asdict(self), "of": dict(spec)}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> tuple[Self | None, Mapping[str, Any]]:
        """The crops of a stored description, if it has any, and that of the encoder without them.

        Raises:
            CorruptIndexError: it says what cannot be.
        """
        if spec["name"] != _NAME:
            return None, spec
        try:
            return cls(spec["count"], float(spec["side"]), spec["size"]), spec["of"]
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptIndexError(
                f"the stored crops should be 5 or 10 with a side and a size; found {dict(spec)}: {error}"
            ) from error
