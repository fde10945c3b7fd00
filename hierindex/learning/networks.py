"""The networks that read images, from torchvision's parts: float images ``(b, c, h, w)`` to features ``(b, d)``."""

from __future__ import annotations

from itertools import pairwise
from urllib.error import URLError

import torch
from torch import Tensor, nn
from torchvision.models import ResNet18_Weights, resnet18
from torchvision.models.resnet import BasicBlock

from hierindex.errors import WeightsError

__all__ = ["SmallNet", "replace_first_conv", "resnet"]


class SmallNet(nn.Module):
    """10 layers: a stem, four residual blocks of doubling width, the mean over the image. Latent: 8 * width.

    The stem halves images of 24 pixels and more, so that a CPU sees some thousands of them a second.
    """

    def __init__(self, channels: int, size: int, width: int = 32) -> None:
        super().__init__()
        stride = 2 if size >= 24 else 1
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, 3, stride, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        self.blocks = nn.Sequential(*(_block(a, b) for a, b in pairwise(widths)))

    def forward(self, images: Tensor) -> Tensor:
        """Features ``(b, 8 * width)``."""
        features: Tensor = self.blocks(self.stem(images)).mean(dim=(2, 3))
        return features


def _block(inward: int, outward: int) -> BasicBlock:
    if inward == outward:
        return BasicBlock(inward, outward)
    shortcut = nn.Sequential(nn.Conv2d(inward, outward, 1, stride=2, bias=False), nn.BatchNorm2d(outward))
    return BasicBlock(inward, outward, stride=2, downsample=shortcut)


def resnet(channels: int, size: int, *, pretrained: bool) -> nn.Module:
    """ResNet-18 of torchvision without its classifier; latent 512.

    Up to 64 pixels it has the CIFAR stem (3x3, stride 1, no max-pooling), unless it starts from ImageNet weights, which
    fit the 7x7 stem only.

    Raises:
        WeightsError: the pretrained weights cannot be downloaded.
    """
    try:
        net: nn.Module = resnet18(weights=ResNet18_Weights.DEFAULT if pretrained else None)
    except (URLError, OSError, RuntimeError) as error:
        raise WeightsError(
            f"the ImageNet weights of ResNet-18 should be downloadable or in torch's cache; found {error}; "
            "go online once, put the file there, or use pretrained=False"
        ) from error
    net.fc = nn.Identity()
    if size <= 64 and not pretrained:
        net.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        net.maxpool = nn.Identity()
    if channels != 3:
        replace_first_conv(net, channels)
    return net


def replace_first_conv(net: nn.Module, channels: int) -> None:
    """Let the first convolution of a network take ``channels`` channels, in place.

    The new weights are the mean over the old channels, so that filters that were learned on colours stay filters.
    """
    name, old = next((name, module) for name, module in net.named_modules() if isinstance(module, nn.Conv2d))
    new = nn.Conv2d(
        channels,
        old.out_channels,
        old.kernel_size,  # type: ignore[arg-type]
        old.stride,  # type: ignore[arg-type]
        old.padding,  # type: ignore[arg-type]
        bias=old.bias is not None,
    )
    with torch.no_grad():
        share = old.in_channels / channels
        new.weight.copy_(old.weight.mean(1, keepdim=True).expand_as(new.weight) * share)
        if new.bias is not None and old.bias is not None:
            new.bias.copy_(old.bias)
    parent, _, leaf = name.rpartition(".")
    setattr(net.get_submodule(parent), leaf, new)
