"""Views: random changes of a batch of images that leave what they show. Whole batches at once, on the device.

A view maker is any callable (uint8 ``(b, c, h, w)``, generator) -> float ``(b, c, h, w)`` in [0, 1]; `Views` is the one
that is built in for images (`tables.views` has the one for rows of numbers). Equal generators give equal views.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from hierindex.learning.config import ViewConfig
from hierindex.learning.pixels import as_float

__all__ = ["ViewMaker", "Views", "resample"]

ViewMaker = Callable[[Tensor, torch.Generator], Tensor]

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


class Views:
    """Random resized crop, rotation, turn and mirroring by one resampling; then colour, or light where there is none.

    Example:
        >>> make = Views(ViewConfig())
        >>> images = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
        >>> make(images, torch.Generator().manual_seed(0)).shape
        torch.Size([4, 3, 8, 8])
    """

    def __init__(self, config: ViewConfig) -> None:
        self._config = config

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Views, float32 in [0, 1], of uint8 (or float in [0, 1]) images ``(b, c, h, w)``."""
        config = self._config
        frames = _frames(len(images), config, generator)
        if config.turn:
            frames = _turned(frames, generator, square=images.shape[2] == images.shape[3])
        seen = resample(as_float(images), frames, config.size)
        seen = _relit(seen, config, generator)
        if config.noise:
            seen = seen + config.noise * torch.randn(seen.shape, generator=generator, device=seen.device)
        return seen.clamp_(0, 1)


def _uniform(b: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.rand(b, generator=generator, device=generator.device) * (high - low) + low


def _frames(b: int, config: ViewConfig, generator: torch.Generator) -> Tensor:
    """Affine maps ``(b, 2, 3)`` from view to image coordinates in [-1, 1]: a crop, turned and maybe mirrored."""
    area = _uniform(b, *config.crop, generator)
    ratio = torch.exp(_uniform(b, -math.log(config.ratio), math.log(config.ratio), generator))
    width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    x = (1 - width) * _uniform(b, -1, 1, generator)
    y = (1 - height) * _uniform(b, -1, 1, generator)
    angle = _uniform(b, -config.rotate, config.rotate, generator) * math.pi / 180
    mirror = torch.where(_uniform(b, 0, 1, generator) < 0.5, -1.0, 1.0) if config.flip else torch.ones_like(angle)
    cos, sin = angle.cos(), angle.sin()
    first = torch.stack([width * cos * mirror, -height * sin, x], dim=1)
    second = torch.stack([width * sin * mirror, height * cos, y], dim=1)
    return torch.stack([first, second], dim=1)


def _turned(frames: Tensor, generator: torch.Generator, *, square: bool) -> Tensor:
    """The same crops, read in a random one of the directions that fit their shape."""
    turns = torch.randint(4, (len(frames),), generator=generator, device=generator.device)
    turns = turns if square else 2 * turns % 4
    quarters = torch.tensor([[1, 0], [0, 1], [-1, 0], [0, -1]], device=frames.device, dtype=frames.dtype)
    cos, sin = quarters[turns].unbind(1)
    turn = torch.stack([torch.stack([cos, -sin], dim=1), torch.stack([sin, cos], dim=1)], dim=1)
    return torch.cat([frames[:, :, :2] @ turn, frames[:, :, 2:]], dim=2)


def resample(images: Tensor, frames: Tensor, size: int | None) -> Tensor:
    """What frames ``(b, 2, 3)`` show of float images ``(b, c, h, w)``, at ``size`` pixels a side or the images' own."""
    b, c, height, width = images.shape
    grid = affine_grid(frames, [b, c, size or height, size or width], align_corners=False)
    return grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _relit(images: Tensor, config: ViewConfig, generator: torch.Generator) -> Tensor:
    b, channels = images.shape[:2]
    brightness, contrast, saturation, hue = config.jitter
    chosen = (_uniform(b, 0, 1, generator) < config.jitter_share).float()
    alone = channels if config.by_channel else 1

    def factor(strength: float, each: int = 1) -> Tensor:  # 1 where an image is not chosen
        drawn = _uniform(b * each, -strength, strength, generator).view(b, each, 1, 1)
        return 1 + chosen[:, None, None, None] * drawn

    images = images * factor(brightness, alone)
    middle = (images if config.by_channel else _grey(images)).mean(dim=(2, 3), keepdim=True)
    images = middle + factor(contrast, alone) * (images - middle)
    if channels != 3:
        return images
    grey = _grey(images)
    images = grey + factor(saturation) * (images - grey)
    images = _turn_hue(images, chosen * _uniform(b, -hue, hue, generator))
    faded = (_uniform(b, 0, 1, generator) < config.grey)[:, None, None, None]
    return torch.where(faded, _grey(images), images)


def _grey(images: Tensor) -> Tensor:
    if images.shape[1] != 3:
        return images.mean(dim=1, keepdim=True)
    luma = torch.tensor(_LUMA, device=images.device, dtype=images.dtype)
    return torch.einsum("bchw,c->bhw", images, luma)[:, None]


def _turn_hue(images: Tensor, turns: Tensor) -> Tensor:
    """Colours turned about the grey axis by ``turns`` (1: full circle): a rotation of RGB, without HSV's branches."""
    cos, sin = (2 * math.pi * turns).cos(), (2 * math.pi * turns).sin()
    third, root = (1 - cos) / 3, sin / math.sqrt(3)
    same, next_, last = cos + third, third - root, third + root
    rows = [torch.stack(r, dim=1) for r in ((same, next_, last), (last, same, next_), (next_, last, same))]
    return torch.einsum("bij,bjhw->bihw", torch.stack(rows, dim=1), images)
