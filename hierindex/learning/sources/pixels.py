"""From one image, in whatever form, to uint8 pixels ``(h, w, c)``; Pillow does the decoding.

Everything that can go wrong with one image ends as `UnreadableError`, whose text is the reason alone; the caller, who
knows the image's name, says which one it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from hierindex.errors import ImageError, InputError
from hierindex.learning.sources.base import UInt8
from hierindex.learning.sources.frame import Frame, Look
from hierindex.learning.sources.scale import to_uint8

__all__ = ["Raw", "UnreadableError", "look", "render"]


class UnreadableError(ImageError):
    """Why one image cannot be read; never leaves this package, for it does not say which image it is."""


Raw = Path | bytes | Image.Image | UInt8
"""An image before decoding: a file, the bytes of one, a PIL image, or pixels ``(h, w, c)``."""

# No EPS, PDF or the like: a file is data, and those formats start an interpreter.
_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "PPM", "AVIF", "JPEG2000")
_DEEP = ("I", "I;16", "I;16L", "I;16B", "I;16N", "F")  # grey of more than 8 bits
_GREY = ("1", "L", "LA", "La", *_DEEP)
_TURNED = (5, 6, 7, 8)  # EXIF orientations that swap height and width


def look(raw: Raw) -> Look:
    """Size and channels of an image, from its header where it has one.

    Raises:
        UnreadableError: it is no image, or too large to be decoded safely.
    """
    if isinstance(raw, np.ndarray):
        return Look(*raw.shape)
    with _opened(raw) as image:
        w, h = image.size
        turned = _orientation(image) in _TURNED
        return Look(w if turned else h, h if turned else w, 1 if image.mode in _GREY else 3)


def render(raw: Raw, frame: Frame) -> UInt8:
    """The pixels of an image, brought to the frame: uint8 ``(h, w, c)``.

    EXIF orientation is applied, transparent parts become white, 16-bit grey is scaled to 8 bits. Where the frame may
    resize, the largest centred part of the frame's aspect ratio is resampled (bicubic, antialiased): for a square
    frame the same as bringing the shorter side to N and cropping the centre.

    Raises:
        UnreadableError: the pixels cannot be decoded, or do not fit a frame that does not resize.
    """
    if isinstance(raw, np.ndarray):
        return _reframe(raw, frame)
    with _opened(raw) as image:
        plain = _eight_bit(image if _orientation(image) == 1 else ImageOps.exif_transpose(image))
        if frame.shape[2] not in (1, 3):
            raise UnreadableError(f"a picture is grey or RGB, but {frame.shape[2]} channels are wanted; pass an array")
        return np.asarray(_fit(_in_mode(plain, frame.mode), frame)).reshape(frame.shape)


@contextmanager
def _opened(raw: Path | bytes | Image.Image) -> Iterator[Image.Image]:
    """The image, header read; whatever Pillow trips over in the block becomes UnreadableError."""
    try:
        if isinstance(raw, Image.Image):
            yield raw
        else:
            with Image.open(BytesIO(raw) if isinstance(raw, bytes) else raw, formats=_known()) as image:
                _refuse_bomb(image)
                yield image
    except UnreadableError:
        raise
    except UnidentifiedImageError as error:
        raise UnreadableError(f"not an image in a known format ({', '.join(_known())})") from error
    except OSError as error:
        raise UnreadableError(error.strerror or str(error)) from error
    except InputError as error:
        raise UnreadableError(str(error)) from error
    except Exception as error:  # Pillow's decoders raise whatever they trip over
        raise UnreadableError(f"{type(error).__name__}: {error}") from error


def _refuse_bomb(image: Image.Image) -> None:
    # Pillow only warns of up to twice this limit. (Turning its warning into an error is not safe with threads.)
    limit, pixels = Image.MAX_IMAGE_PIXELS, image.width * image.height
    if limit is not None and pixels > limit:
        raise UnreadableError(
            f"{pixels} pixels, more than PIL.Image.MAX_IMAGE_PIXELS = {limit}, could be a decompression bomb; raise "
            "that limit if you trust the image"
        )


@cache
def _known() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation that is still to be applied; 1 is upright."""
    # Pillow turns TIFF by itself. To look for EXIF data behind the pixels of a PNG it would decode them, but the
    # header is to stay cheap; what such data say is not heeded.
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return 1
    try:
        value: Any = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # noqa: BLE001  (broken notes do not make an image unreadable)
        return 1
    return int(value) if value in range(2, 9) else 1


def _eight_bit(image: Image.Image) -> Image.Image:
    """The image in mode L or RGB, by its own kind."""
    if image.mode in _DEEP:
        return Image.fromarray(_shallow(np.asarray(image)))
    mode = "L" if image.mode in _GREY else "RGB"
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return _in_mode(image, mode)


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)  # convert alone would copy


def _shallow(x: NDArray[Any]) -> UInt8:
    """8 bits of a 16-bit or float grey image; 65535 / 255 = 257, so that 8-bit values written as 16 come back."""
    if x.dtype.kind == "f":
        return to_uint8(x, "grey values")
    if x.min() < 0 or x.max() > 65535:
        raise UnreadableError(f"grey values from {x.min()} to {x.max()}, but 0 to 65535 can be read; scale them first")
    return ((x.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _fit(image: Image.Image, frame: Frame) -> Image.Image:
    h, w, _ = frame.shape
    if image.size == (w, h):
        return image
    if not frame.resize:
        raise UnreadableError(f"{image.width}x{image.height} pixels where {w}x{h} were announced")
    return ImageOps.fit(image, (w, h), method=Image.Resampling.BICUBIC)


def _reframe(x: UInt8, frame: Frame) -> UInt8:
    """Pixels ``(h, w, c)`` brought to the frame; channels are resampled one by one, which works for any number."""
    h, w, c = frame.shape
    if x.shape[2] != c:
        picture = Image.fromarray(x[..., 0] if x.shape[2] == 1 else x)
        x = np.asarray(_in_mode(_eight_bit(picture), frame.mode)).reshape(*x.shape[:2], c)
    if x.shape[:2] == (h, w):
        return x
    channels = [np.asarray(_fit(Image.fromarray(x[..., i]), frame)) for i in range(c)]
    return np.stack(channels, axis=-1)
