"""Which network reads the images, and in which arithmetic it trains."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from hierindex.errors import InputError
from hierindex.vectors import member

__all__ = ["EncoderConfig", "EncoderName", "Precision"]


class EncoderName(Enum):
    """Which network reads the images.

    ``AUTO``: ``SMALL`` on a CPU, ``RESNET18`` on a GPU.
    ``SMALL``: 10 layers, width 32, latent 256; made to be trained on a CPU.
    ``RESNET18``, ``RESNET50``: torchvision's, latent 512 and 2048, with the CIFAR stem for images up to 64 pixels.
    ``VIT``: torchvision's ViT-B/16, latent 768; sides have to be multiples of 16 pixels.
    ``VIT_SMALL``: 6 layers, latent 192, patches of 2 pixels for images below 24, of 4 up to 64, of 16 above.
    """

    AUTO = "auto"
    SMALL = "small"
    RESNET18 = "resnet18"
    RESNET50 = "resnet50"
    VIT = "vit"
    VIT_SMALL = "vit-small"


WITHOUT_WEIGHTS = (EncoderName.SMALL, EncoderName.VIT_SMALL)  # of which torchvision has no trained ones


class Precision(Enum):
    """Arithmetic of the encoder while it trains; losses are always float32.

    ``AUTO``: bfloat16 where the device computes it fast (GPU; CPU with AMX or AVX512-BF16), float32 elsewhere.
    """

    AUTO = "auto"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


@dataclass(frozen=True)
class EncoderConfig:
    """Which encoder.

    Attributes:
        name: the network; ignored where the caller gives a module of their own.
        pretrained: start from torchvision's ImageNet weights (``RESNET18``, which ``AUTO`` then is, ``RESNET50``,
            ``VIT``).
        freeze: leave the encoder as it is and learn the tree only.
        crops: by what an image is encoded once the encoder has learned. 1: by itself; 5: by its centre and its four
            corners (4/5 of each side, of ``views.size``), of whose latents it gets the mean; 10: by their mirror images
            too. None: 5 where views cut down to less than 0.4 of an image, as those of photographs do, 1 elsewhere and
            with ``freeze``. Five take five times as long, or 2.8 times with views of 3/4 of the side; for one image, in
            one pass, less. Rows of a table are encoded by themselves.
    """

    name: EncoderName = EncoderName.AUTO
    pretrained: bool = False
    freeze: bool = False
    crops: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.crops, bool) or self.crops not in (None, 1, 5, 10):
            raise InputError(f"encoder.crops should be 1, 5, 10 or None; found {self.crops!r}")
        object.__setattr__(self, "name", member(EncoderName, self.name, "encoder.name"))
        if self.pretrained and self.name in WITHOUT_WEIGHTS:
            raise InputError(
                "encoder.pretrained should go with one of the names 'resnet18', 'resnet50' and 'vit'; found "
                f"{self.name.value!r}, of which there are no such weights"
            )
