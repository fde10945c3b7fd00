"""Images from bytes that nobody vouches for."""

from __future__ import annotations

import base64
import binascii
import io
import struct
import warnings
import zlib

from PIL import Image, ImageOps

from hierindex.errors import ImageError
from hierindex.server.problems import Problem

__all__ = ["FORMATS", "decoded", "opened"]

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""What is read; each decoder more would be one more that strangers can reach."""


def opened(data: bytes, pixels: int) -> Image.Image:
    """The decoded image of a file's bytes, upright, its first frame where there are several.

    Args:
        data: the bytes.
        pixels: how many it may have. They are counted in its header, before anything is decoded: a file of kilobytes
            can stand for gigabytes.

    Raises:
        ImageError: it is no image of `FORMATS`, or damaged.
        Problem: 413, it has more pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own opinion of sizes and of odd metadata
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            if image.width * image.height > pixels:
                raise _too_large(f"at most {pixels:,} pixels; found {image.width:,} x {image.height:,}")
            image.load()
            return ImageOps.exif_transpose(image)
    except (
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        IndexError,
        KeyError,
        TypeError,
        struct.error,
        zlib.error,
    ) as error:
        raise ImageError(f"an image should be a whole file of {', '.join(FORMATS)}; found: {_said(error)}") from error
    except (Image.DecompressionBombError, MemoryError, OverflowError) as error:
        raise _too_large(f"at most {pixels:,} pixels; found far more") from error


def decoded(text: str, pixels: int) -> Image.Image:
    """The image of a base64 string; a ``data:`` address is taken too.

    Raises:
        ImageError, Problem: as for `opened`; or it is no base64.
    """
    try:
        data = base64.b64decode(text.rpartition(",")[2] if text.startswith("data:") else text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ImageError("an image in JSON should be base64 of its file; found something else") from error
    return opened(data, pixels)


def _said(error: Exception) -> str:
    """What Pillow found, without the address of our buffer."""
    text = str(error)
    return "bytes of no such format" if "cannot identify" in text else text


def _too_large(says: str) -> Problem:
    return Problem(413, f"images should have {says}", kind="ImageError")
