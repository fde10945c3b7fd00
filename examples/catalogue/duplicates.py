"""Near-duplicates: items so near to each other that they are one picture twice."""

from __future__ import annotations

import io

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from PIL import Image, ImageEnhance
from scipy.sparse.csgraph import connected_components

from hierindex import HierIndex

__all__ = ["altered", "duplicates"]


def duplicates(index: HierIndex, radius: float) -> list[list[str]]:
    """Groups of items that hang together by distances of at most ``radius``, largest first; single items are left out.

    A search by radius is exact, so no pair is missed.
    """
    ids = index.ids
    near = index.search(index.vectors(), radius=radius)
    place = {name: at for at, name in enumerate(ids.tolist())}
    other = np.array([place[name] for name in near.ids.tolist()], np.int64)
    graph = sp.csr_matrix((np.ones(len(other), np.int8), other, near.lims), shape=(len(ids), len(ids)))
    group = connected_components(graph, directed=False)[1]
    several = np.flatnonzero(np.bincount(group) > 1)
    return sorted(([str(name) for name in ids[group == number]] for number in several.tolist()), key=len, reverse=True)


def altered(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same pictures as somebody else might upload them: a little brighter, and through JPEG."""
    return np.stack([_uploaded(image) for image in images])


def _uploaded(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    grey = image.shape[-1] == 1
    brighter = ImageEnhance.Brightness(Image.fromarray(image[..., 0] if grey else image)).enhance(1.05)
    file = io.BytesIO()
    brighter.save(file, "JPEG", quality=85)
    pixels = np.asarray(Image.open(file))
    return pixels[..., None] if grey else pixels
