"""What the catalogue is made of: pictures, and of what kind each is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from hierindex.learning import open_images
from hierindex.vectors import Int64

__all__ = ["Items", "cifar100", "digits"]


@dataclass(frozen=True, eq=False)
class Items:
    """Pictures ``(n, h, w, c)`` uint8, their names, and of what kind each is."""

    images: NDArray[np.uint8]
    names: list[str]
    kinds: list[str]

    def __len__(self) -> int:
        """n, how many."""
        return len(self.names)

    def rows(self, at: Int64 | slice) -> Items:
        """Some of them."""
        places = np.arange(len(self))[at].tolist()
        return Items(self.images[at], [self.names[i] for i in places], [self.kinds[i] for i in places])

    def of(self, names: list[str]) -> NDArray[np.uint8]:
        """The pictures of these names."""
        place = {name: at for at, name in enumerate(self.names)}
        return self.images[[place[name] for name in names]]

    def and_also(self, others: Items) -> Items:
        """These and others of the same shape."""
        images = np.concatenate([self.images, others.images])
        return Items(images, self.names + others.names, self.kinds + others.kinds)


def cifar100(path: Path, limit: int) -> Items:
    """The first pictures of a Parquet file of CIFAR-100, whose schema names the labels of ``fine_label``."""
    source = open_images(path)
    n = min(limit, len(source))
    kinds = json.loads(pq.read_schema(path).metadata[b"fine_names"])
    labels = pq.read_table(path, columns=["fine_label"])["fine_label"].to_pylist()[:n]
    return Items(source.read(np.arange(n)), [f"item-{at:05d}" for at in range(n)], [kinds[label] for label in labels])


def digits(limit: int) -> Items:
    """scikit-learn's digits, which are always there."""
    data = load_digits()
    images = np.round(data.images[:limit] * (255 / 16)).astype(np.uint8)[..., None]
    return Items(images, [f"item-{at:05d}" for at in range(len(images))], [str(kind) for kind in data.target[:limit]])
