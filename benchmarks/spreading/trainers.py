"""Learning from images by two processes that Ray Train starts, beside one: the same losses, the same encoder.

A test of its own would take too long: two processes load torch, and one more is started to watch over them.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from hierindex import BuildConfig
from hierindex.cluster import ClusterConfig
from hierindex.cluster.pieces import Reading, pieces_of
from hierindex.cluster.training import learned_from_images
from hierindex.learning.config import HeadConfig, LearnConfig, Precision, TrainConfig

__all__ = ["trainers"]

_IMAGES = 64


def trainers(epochs: int = 2) -> dict[str, Any]:
    """Losses of each epoch with one trainer and with two, and how far apart the vectors of the images are."""
    learn = LearnConfig(training=TrainConfig(epochs=epochs, batch_size=32), head=HeadConfig(steps=20))
    config = BuildConfig(learn=replace(learn, precision=Precision.FLOAT32))
    reading, found, rows = Reading(images=True), [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "images").mkdir()
        for number, pixels in enumerate(load_digits().images[:_IMAGES]):
            Image.fromarray(np.round(pixels * 255 / 16).astype(np.uint8)).save(folder / f"images/{number:03d}.png")
        sample = [(piece, np.arange(piece.rows)) for piece in pieces_of(folder / "images", reading)]
        for count in (1, 2):
            (folder / str(count)).mkdir()
            begun = time.perf_counter()
            cluster = ClusterConfig(trainers=count, cpus=0.5)
            view = learned_from_images(sample, reading, config, cluster, folder / str(count))
            seconds = time.perf_counter() - begun
            contrast = [epoch["contrast"] for epoch in view.model.about["history"]["epochs"]]
            found.append({"trainers": count, "seconds": seconds, "contrast": contrast})
            rows.append(view.snapshot.rows)
    apart = float(np.linalg.norm(rows[1] - rows[0], axis=1).mean())
    return {"images": _IMAGES, "runs": found, "apart": apart}
