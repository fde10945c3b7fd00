"""A million dense SIFT vectors of the CIFAR-100 photographs, by OpenCV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.common import shared_data
from hierindex.errors import need
from hierindex.vectors import Float32, Int64

__all__ = ["classes_of_sift", "dense_sift", "sift_of_cifar", "unseen"]

SIDE, STEP, FIRST, SIZE = 64, 11, 10, 4.0  # pixels: image side after scaling, grid, keypoint diameter


def sift_of_cifar(rows: int, queries: int, seed: int = 0) -> tuple[Float32, Float32, dict[str, Any]]:
    """Base rows of the training images, queries of the test images, and what was done.

    Each 32 x 32 image is made grey, scaled to 64 x 64 and described at the 25 points of a 5 x 5 grid, upright, with
    keypoints of diameter 4 (windows of 24 pixels). Points without any gradient have no descriptor and are left out;
    the rest is shuffled, so that a prefix is a uniform sample.
    """
    base = _shuffled(["train-0", "train-1", "train-2"], seed)
    asked = _shuffled(["test"], seed + 1)
    asked = unseen(asked, base)
    if len(base) < rows or len(asked) < queries:
        raise SystemExit(
            f"{rows} base and {queries} query vectors were asked for; CIFAR-100 gives {len(base)}, {len(asked)}"
        )
    facts = {
        "made": "dense SIFT (OpenCV) of CIFAR-100: 5 x 5 grid, upright, on grey images scaled to 64 x 64",
        "base": "training images",
        "asked": "test images, none of them equal to a base row",
        "seed": seed,
    }
    return base[:rows], asked[:queries], facts


def classes_of_sift(classes: Int64, seed: int = 0) -> Int64:
    """``(m,)``: the class of the training image that each base row of `sift_of_cifar` is of, before the cut to n rows.

    Args:
        classes: ``(50000,)``, of the training images.
        seed: as there.
    """
    of_rows = np.repeat(classes, [len(made) for made in _described(["train-0", "train-1", "train-2"])])
    np.random.default_rng(seed).shuffle(of_rows)  # takes the same steps for rows and for numbers
    return of_rows


def dense_sift(images: np.ndarray[Any, Any]) -> Float32:
    """Descriptors ``(m, 128)`` float32 of images ``(n, h, w)`` uint8, those of zero norm left out.

    Raises:
        MissingExtraError: OpenCV is not installed.
    """
    cv2 = need("cv2", "bench")
    sift = cv2.SIFT_create()
    at = range(FIRST, SIDE, STEP)
    points = [cv2.KeyPoint(float(x), float(y), SIZE, 0.0) for y in at for x in at]
    found = [
        sift.compute(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), points)[1] for image in images
    ]
    rows = np.concatenate(found)
    return np.asarray(rows[rows.any(axis=1)], dtype=np.float32)


def _shuffled(parts: list[str], seed: int) -> Float32:
    rows = np.concatenate(list(_described(parts)))
    np.random.default_rng(seed).shuffle(rows)
    return rows


def _described(parts: list[str]) -> Iterator[Float32]:
    """The descriptors of each image, ``(m, 128)``."""
    cv2 = need("cv2", "bench")
    cv2.setNumThreads(1)
    for part in parts:
        blobs = pq.read_table(shared_data("cifar100", f"{part}.parquet"), columns=["image"])["image"].to_pylist()
        for blob in blobs:
            yield dense_sift(cv2.imdecode(np.frombuffer(blob, np.uint8), cv2.IMREAD_GRAYSCALE)[None])


def unseen(queries: Float32, base: Float32) -> Float32:
    """Queries that are no base row (a few test images occur in the training set too)."""
    known = {row.tobytes() for row in base.astype(np.uint8)}
    return queries[[row.tobytes() not in known for row in queries.astype(np.uint8)]]
