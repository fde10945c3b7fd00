"""The door for images: whatever the caller has becomes one checked source."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from hierindex.errors import EmptyInputError, InputError
from hierindex.learning.sources.arrays import is_array, open_array
from hierindex.learning.sources.base import ImageSource, Wish
from hierindex.learning.sources.files import FileItems, scan_folder
from hierindex.learning.sources.items import Items, open_items
from hierindex.learning.sources.objects import ObjectItems
from hierindex.learning.sources.parquet import open_parquet

__all__ = ["items_of", "open_images"]


def open_images(
    images: Any,  # noqa: ANN401  (any of the kinds below; tensors and data sets are known by what they can do)
    *,
    image_size: int | None = None,
    mode: str | None = None,
    on_error: str = "raise",
) -> ImageSource:
    """Open a set of images for training: every one is checked, none is left for later to stumble over.

    Decoded images are held in memory where all fit in 4 GiB. Larger sets are decoded at each read; then files and
    Parquet rows are judged by their headers here (with ``on_error="skip"`` decoded once, to know which to leave out).

    Args:
        images: one of

            - an array or tensor ``(n, h, w)``, ``(n, h, w, c)`` or ``(n, c, h, w)``: uint8, other integers in 0..255,
              floats in [0, 1], or floats that are whole numbers in 0..255. The small axis (1 to 4) is the channels. A
              uint8 array is not copied.
            - a folder (with or without folders in it), one image file, or a list of image files
            - a Parquet file or a list of them, with a column of encoded images, or the Hugging Face layout
            - a list of PIL images, of arrays of one image each, or of the bytes of image files
            - a map-style data set (`torch.utils.data.Dataset`) whose items are PIL images, arrays or tensors, or
              tuples or dicts with one first or under "image"

        image_size: bring the shorter side to so many pixels and crop the centre; None leaves sizes as they are.
        mode: "L" or "RGB" converts every image to that; None leaves them as they are.
        on_error: "raise" at the first image that cannot be read, or "skip" and list it in ``.skipped``.

    Returns:
        A source with ``len()``, ``shape`` (h, w, c), ``read(rows)``, ``names``, ``kept`` and ``skipped``.

    Raises:
        EmptyInputError: no images, or none that can be read.
        ImageError: an image cannot be read, or sizes or channels differ.
        InputError: the argument is none of these kinds, or values are out of range.

    Example:
        >>> import numpy as np
        >>> source = open_images(np.zeros((5, 3, 32, 32), np.uint8))
        >>> len(source), source.shape
        (5, (32, 32, 3))
        >>> source.read(np.array([4, 0])).shape
        (2, 32, 32, 3)
    """
    wish = Wish.parse(image_size, mode, on_error)
    return open_array(images, wish) if is_array(images) else open_items(items_of(images), wish)


def items_of(images: Any) -> Items:  # noqa: ANN401
    """The images, before decoding, of everything but an array.

    Raises:
        InputError: no such path, or none of the kinds that `open_images` takes.
        EmptyInputError: no images.
    """
    if isinstance(images, (str, os.PathLike)):
        return _at_path(Path(images))
    if isinstance(images, (Image.Image, bytes)):
        images = [images]
    if isinstance(images, Mapping) or not (hasattr(images, "__len__") and hasattr(images, "__getitem__")):
        raise InputError(
            "images should be an array, a folder, a Parquet file, a list of files or images, or a map-style data set "
            f"with len(); found {type(images).__name__}; make a list of what can only be iterated over"
        )
    if len(images) == 0:
        raise EmptyInputError(f"images should hold at least one image; found an empty {type(images).__name__}")
    if isinstance(images, (list, tuple)) and isinstance(images[0], (str, os.PathLike)):
        return _at_paths(images)
    return ObjectItems(images)


def _at_path(path: Path) -> Items:
    if path.is_dir():
        return scan_folder(path)
    if not path.exists():
        raise InputError(f"images should be a folder or file that exists; found nothing at {path}; check the path")
    return open_parquet([path]) if _is_parquet(path) else FileItems([path], [path.as_posix()])


def _at_paths(given: Sequence[Any]) -> Items:
    wrong = next((x for x in given if not isinstance(x, (str, os.PathLike))), None)
    if wrong is not None:
        raise InputError(
            f"a list of images should be all paths or all images; found both {given[0]!r} and a {type(wrong).__name__}"
            "; open the files, or leave the others out"
        )
    paths = [Path(x) for x in given]
    tables = [path for path in paths if _is_parquet(path)]
    if tables and len(tables) < len(paths):
        other = next(path for path in paths if not _is_parquet(path))
        raise InputError(
            f"a list of files should be all images or all Parquet files; found both {other} and {tables[0]}; "
            "open them apart"
        )
    return open_parquet(tables) if tables else FileItems(paths, [path.as_posix() for path in paths])


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() == ".parquet"
