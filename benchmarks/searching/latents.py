"""Embeddings of CIFAR-100 by our own encoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import shared_data
from hierindex.vectors import Float32

__all__ = ["latents_of_cifar"]


def latents_of_cifar(rows: int, queries: int, encoder: Path) -> tuple[Float32, Float32, dict[str, Any]]:
    """Base rows of the training images, queries of the test images, by the weights in ``encoder``.

    Args:
        rows: how many training images.
        queries: how many test images.
        encoder: ``NAME.safetensors`` as benchmarks.cifar100_train leaves it, with ``NAME.json`` beside it.
    """
    from safetensors.numpy import load_file

    from hierindex.learning import load_encoder
    from hierindex.learning.sources import open_images

    if not (encoder.exists() and encoder.with_suffix(".json").exists()):
        raise SystemExit(
            f"--encoder should be NAME.safetensors with NAME.json beside it; found no such pair at {encoder}"
        )
    spec = json.loads(encoder.with_suffix(".json").read_text())["spec"]
    network = load_encoder(spec, load_file(encoder), device="cpu")

    def encoded(part: str) -> Float32:
        images = open_images(shared_data("cifar100", f"{part}.parquet"))
        return network.encode(images.read(np.arange(len(images))))

    base = np.concatenate([encoded(f"train-{i}") for i in range(3)])[:rows]
    facts = {"made": f"CIFAR-100 by our encoder ({encoder.stem})", "base": "training images", "asked": "test images"}
    return base, encoded("test")[:queries], facts
