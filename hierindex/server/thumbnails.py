"""Small pictures of points, from the folder of images or a payload column; never from outside the folder."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from hierindex.api import HierIndex
from hierindex.errors import ImageError, InputError
from hierindex.server.config import ServerConfig
from hierindex.server.pictures import opened
from hierindex.server.problems import Problem

__all__ = ["Thumbnail", "Thumbnails"]

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
"""What the file of a point with a number for an id may end in."""

_SMALL = 64  # pixels a side up to which a picture is sent without loss
_FILE_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Thumbnail:
    """An encoded picture: its bytes, their media type, and a tag that changes with them."""

    data: bytes
    media_type: str
    tag: str


class Thumbnails:
    """The pictures of one server."""

    def __init__(self, settings: ServerConfig) -> None:
        self._root = None if settings.images is None else settings.images.resolve()
        self._column, self._pixels = settings.image_column, settings.limits.image_pixels

    @property
    def there(self) -> bool:
        """Whether the server has pictures at all."""
        return self._root is not None or self._column is not None

    def of(self, index: HierIndex, point: int | str, size: int) -> Thumbnail:
        """The picture of a point, with at most ``size`` pixels a side.

        Raises:
            UnknownIdError: there is no such point.
            Problem: 404, it has no picture; 413, that is too large to decode.
        """
        source = self._source(index, point)
        try:
            if isinstance(source, bytes):
                return _drawn(source, size, self._pixels)
            found = source.stat()
            return _of_file(source, found.st_mtime_ns, found.st_size, size, self._pixels)
        except (OSError, ImageError) as error:
            raise _none(point) from error

    def _source(self, index: HierIndex, point: int | str) -> Path | bytes:
        values = index.payload(np.array([point], dtype=object if isinstance(point, str) else None))
        if self._column is None:
            return self._file(point)
        if values is None or self._column not in values.column_names:
            raise InputError(f"the column of images should be in the payload; found no {self._column!r}")
        value = values[self._column][0].as_py()
        if isinstance(value, dict):  # the way Hugging Face's datasets store images
            value = value.get("bytes") or value.get("path")
        if isinstance(value, bytes):
            return value
        if not isinstance(value, str):
            raise _none(point)
        return self._file(value)

    def _file(self, name: int | str) -> Path:
        names = [name] if isinstance(name, str) else [f"{name}{suffix}" for suffix in SUFFIXES]
        for each in names:
            path = self._inside(each)
            if path is not None:
                return path
        raise _none(name)

    def _inside(self, name: str) -> Path | None:
        """The file of that name below the folder, links followed; None where there is none, or it is elsewhere."""
        if self._root is None:
            return None
        try:
            path = (self._root / name).resolve()
            return path if path.is_relative_to(self._root) and path.is_file() else None
        except (OSError, ValueError, RuntimeError):  # a name too long, with a NUL, or a ring of links
            return None


def _none(point: int | str) -> Problem:
    return Problem(404, f"point {point!r} should have an image; found none", kind="UnknownIdError")


@lru_cache(maxsize=2_048)
def _of_file(path: Path, changed: int, length: int, size: int, pixels: int) -> Thumbnail:  # noqa: ARG001 - a cache key
    """The picture of a file as it was at ``changed``."""
    if length > _FILE_BYTES:
        raise Problem(413, f"images should be files of at most {_FILE_BYTES:,} bytes; found {length:,}")
    return _drawn(path.read_bytes(), size, pixels)


def _drawn(data: bytes, size: int, pixels: int) -> Thumbnail:
    picture = opened(data, pixels)
    picture.thumbnail((size, size), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    clear = picture.mode in ("LA", "PA", "RGBA") or max(picture.size) <= _SMALL
    if clear:
        picture.convert("RGBA" if picture.mode in ("LA", "PA", "RGBA", "P") else "RGB").save(out, "PNG")
    else:
        picture.convert("RGB").save(out, "JPEG", quality=85)
    drawn = out.getvalue()
    return Thumbnail(drawn, "image/png" if clear else "image/jpeg", hashlib.sha256(drawn).hexdigest()[:32])
