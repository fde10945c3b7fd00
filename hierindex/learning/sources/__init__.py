"""Where images come from: arrays, files, Parquet, data sets; all become an `ImageSource`.

open_images(images) --> ImageSource --read(rows)--> uint8 (b, h, w, c)      for training
as_images(x, shape) ------------------------------> uint8 (b, h, w, c)      for a query
"""

from __future__ import annotations

from hierindex.learning.sources.base import ImageSource, MemoryImages
from hierindex.learning.sources.opening import open_images
from hierindex.learning.sources.query import as_images

__all__ = ["ImageSource", "MemoryImages", "as_images", "open_images"]
