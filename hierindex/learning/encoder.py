"""The encoder: a network with its normalisation, what it is as JSON, and images to latent vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize

from hierindex.errors import CorruptIndexError, ImageError, InputError, NoEncoderError
from hierindex.learning.config import EncoderConfig, EncoderName
from hierindex.learning.config.encoder import WITHOUT_WEIGHTS
from hierindex.learning.crops import Crops
from hierindex.learning.device import pick_device
from hierindex.learning.encoder_file import EncoderFile, of_rows
from hierindex.learning.networks import network
from hierindex.learning.pixels import Pixels, as_float
from hierindex.learning.tables.network import Rows, row_net
from hierindex.vectors import Float32

__all__ = ["Encoder", "ImageNet", "build_network", "check_views", "load_encoder"]

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class ImageNet(nn.Module):
    """A network behind its normalisation: (image - mean) / std by channel, with images in [0, 1]."""

    mean: Tensor
    std: Tensor

    def __init__(self, body: nn.Module, channels: int) -> None:
        super().__init__()
        self.body = body
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("std", torch.ones(channels, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Features ``(b, d)`` of float images ``(b, c, h, w)`` in [0, 1]."""
        features: Tensor = self.body((images - self.mean) / self.std)
        return features.flatten(1)


class Encoder:
    """Images to latent vectors.

    Attributes:
        net: the network; it is put into eval mode for `encode`.
        spec: what it is, as JSON: name, shape (h, w, c) of its images, latent dimension; of an encoder of rows also
            their columns' names, or null.
        crops: what it reads of an image; None: the image itself.
    """

    def __init__(
        self,
        net: ImageNet,
        spec: Mapping[str, Any],
        device: torch.device | None = None,
        crops: Crops | None = None,
    ) -> None:
        self.spec, self.crops = dict(spec), crops
        self.device = device or torch.device("cpu")
        self.net = net.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width, channels of the images."""
        height, width, channels = self.spec["shape"]
        return height, width, channels

    @property
    def dim(self) -> int:
        """d, the dimension of the latent vectors."""
        return int(self.spec["dim"])

    @property
    def of_rows(self) -> bool:
        """Whether it reads rows of numbers, not pictures."""
        return of_rows(self.spec)

    def encode(self, images: NDArray[np.uint8] | Float32, *, rows_at_once: int = 512) -> Float32:
        """Latent vectors of unit length.

        In float32 on every device: a vector that is looked up should not depend on where the others were computed.

        Args:
            images: uint8 ``(n, h, w, c)``, of the shape the encoder was made for; rows float32 ``(n, 1, 1, d)``.
            rows_at_once: images in one pass.

        Returns:
            float32 ``(n, d)``, rows of length 1.

        Raises:
            ImageError: another shape or dtype.
        """
        dtype = np.dtype(np.float32 if self.of_rows else np.uint8)
        if images.ndim != 4 or images.shape[1:] != self.shape or images.dtype != dtype:
            raise ImageError(
                f"images should be {dtype} (n, {', '.join(map(str, self.shape))}), as the encoder was made for; "
                f"found {images.dtype} {images.shape}"
            )
        found = np.empty((len(images), self.dim), np.float32)
        for start in range(0, len(images), rows_at_once):
            batch = torch.from_numpy(np.ascontiguousarray(images[start : start + rows_at_once])).to(self.device)
            found[start : start + rows_at_once] = self.features(batch.permute(0, 3, 1, 2)).cpu().numpy()
        return found

    @torch.inference_mode()
    def features(self, images: Tensor) -> Tensor:
        """Latent unit vectors ``(b, d)`` of uint8 images (or float rows) ``(b, c, h, w)`` on the device."""
        self.net.eval()
        floats = as_float(images).contiguous(memory_format=torch.channels_last)
        if self.crops is not None:
            return self.crops.latents(self.net, floats)
        return normalize(self.net(floats).float(), dim=1)

    def cropped(self, crops: Crops | None) -> Encoder:
        """The same network, reading images by these crops."""
        return Encoder(self.net, self.spec, self.device, crops)

    def normalise(self, pixels: Pixels) -> None:
        """Set mean and spread of every channel from the images (a random 2,000 of them at most)."""
        n = len(pixels)
        rows = torch.arange(n) if n <= 2_000 else torch.randperm(n)[:2_000]
        values = pixels.rows(rows).float().div_(255)
        self.net.mean.copy_(values.mean(dim=(0, 2, 3))[:, None, None])
        self.net.std.copy_(values.std(dim=(0, 2, 3)).clamp(min=1e-3)[:, None, None])

    def to_file(self) -> EncoderFile:
        """What it is and its weights, for the store."""
        weights = {
            name: value.detach().cpu().contiguous().numpy().copy() for name, value in self.net.state_dict().items()
        }
        spec = dict(self.spec) if self.crops is None else self.crops.to_spec(self.spec)
        return EncoderFile(spec=spec, arrays=weights)


def build_network(
    config: EncoderConfig, shape: tuple[int, int, int], device: torch.device, module: nn.Module | None = None
) -> Encoder:
    """A fresh encoder for images ``(h, w, c)``, or one around the caller's module.

    The caller's module takes float images ``(b, c, h, w)`` in [0, 1] and gives features ``(b, d)``; it is used as it
    is, and what it normalises is its own affair.

    Raises:
        WeightsError: pretrained weights cannot be had.
        InputError: the module does not take such images, or its output is not ``(b, d)``.
    """
    channels = shape[2]
    spec: dict[str, Any]
    if module is not None:
        kind = f"{type(module).__module__}.{type(module).__qualname__}"
        net, spec = ImageNet(module, channels), {"name": "own", "class": kind}
    else:
        name, imagenet = _automatic(config, device), config.pretrained
        net = ImageNet(network(name, shape, imagenet=imagenet, pretrained=imagenet), channels)
        spec = {"name": name.value} | ({} if name in WITHOUT_WEIGHTS else {"imagenet": imagenet})
        if imagenet and channels == 3:
            for buffer, values in zip((net.mean, net.std), _IMAGENET, strict=True):
                buffer.copy_(torch.tensor(values).view(3, 1, 1))
    net = net.to(device)
    return Encoder(net, {**spec, "shape": list(shape), "dim": _latent_dim(net, shape, device)}, device)


def check_views(encoder: Encoder, side: int | None) -> None:
    """Make sure that the network takes views of this many pixels a side as well; None: they are as large as the images.

    Raises:
        InputError: it does not.
    """
    if side is None:
        return
    shape = (side, side, encoder.shape[2])
    try:
        found: object = _latent_dim(encoder.net, shape, encoder.device)
    except InputError as error:
        found = error
    if found != encoder.dim:
        raise InputError(
            f"views.size={side} needs an encoder that gives {encoder.dim} features for views of {side} x {side} pixels "
            f"as for images of {encoder.shape[0]} x {encoder.shape[1]}; found: {found}; leave views.size at None, or "
            "choose a size or a network that fits"
        )


def load_encoder(
    spec: Mapping[str, Any],
    arrays: Mapping[str, NDArray[np.generic]],
    module: nn.Module | None = None,
    *,
    device: str | None = None,
) -> Encoder:
    """The encoder of an `EncoderFile`.

    Args:
        spec: what it is.
        arrays: its weights.
        module: the caller's own network, where it was built around one: its weights are stored, its code is not.
        device: a torch device; None: a GPU where there is one.

    Raises:
        NoEncoderError: it was built around a module, and none is given.
        CorruptIndexError: the weights do not fit the network, or the description is damaged.
    """
    crops, spec = Crops.from_spec(spec)
    shape = (spec["shape"][0], spec["shape"][1], spec["shape"][2])
    if spec["name"] == "own" and module is None:
        raise NoEncoderError(
            f"this index was built with an encoder of your own ({spec['class']}), of which only the weights are "
            "stored; pass that network again (HierIndex.open(path, encoder=...), load_encoder(..., module=...))"
        )
    if spec["name"] == "table":
        body: nn.Module = Rows(row_net(shape[2], spec["width"]))
    elif spec["name"] == "own":
        assert module is not None  # noqa: S101 - for mypy; refused above
        body = Rows(module) if of_rows(spec) else module
    elif spec["name"] in {name.value for name in EncoderName if name is not EncoderName.AUTO}:
        body = network(EncoderName(spec["name"]), shape, imagenet=spec.get("imagenet", False))
    else:
        raise CorruptIndexError(
            f"the stored encoder should be one that this hierindex knows; found {spec['name']!r}; a newer one "
            "wrote it, or it is damaged"
        )
    net = ImageNet(body, shape[2])
    try:
        net.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in arrays.items()})
    except RuntimeError as error:
        raise CorruptIndexError(f"the stored weights should fit the encoder {spec['name']!r}; found {error}") from error
    return Encoder(net, spec, pick_device(device), crops)


def _automatic(config: EncoderConfig, device: torch.device) -> EncoderName:
    if config.name is not EncoderName.AUTO:
        return config.name
    return EncoderName.SMALL if device.type == "cpu" and not config.pretrained else EncoderName.RESNET18


@torch.inference_mode()
def _latent_dim(net: ImageNet, shape: tuple[int, int, int], device: torch.device) -> int:
    height, width, channels = shape
    wanted = f"the encoder should take float images (b, {channels}, {height}, {width}) and give features (b, d)"
    try:
        found = net.eval()(torch.zeros(2, channels, height, width, device=device))
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
        raise InputError(f"{wanted}; found: {error}") from error
    if found.ndim != 2 or len(found) != 2:
        raise InputError(f"{wanted}; found {tuple(found.shape)} for 2 images")
    return int(found.shape[1])
