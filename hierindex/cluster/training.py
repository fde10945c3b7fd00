"""Learning from images on several workers: Ray Train starts them, and the loop is the one of a single machine.

Every process draws the same batch and takes its share (`learning.distributed`), so what is learned does not depend on
how many there are. The index of the sample that the first process saves is how the result comes back: plain files.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hierindex.api.config import BuildConfig
from hierindex.api.hierindex import HierIndex
from hierindex.api.view import View
from hierindex.cluster.config import ClusterConfig
from hierindex.cluster.pieces import Piece, Reading, images_of
from hierindex.cluster.ray import need_train
from hierindex.learning.sources.base import UInt8
from hierindex.vectors import Int64

__all__ = ["learned_from_images"]


def learned_from_images(
    sample: list[tuple[Piece, Int64]], reading: Reading, config: BuildConfig, cluster: ClusterConfig, folder: Path
) -> View:
    """An index of some images: its encoder, heads and tree are what was learned.

    Args:
        sample: pieces, and the places of the images in them.
        reading: how they are read.
        config: how to learn, and how to lay out.
        cluster: ``trainers`` processes learn together.
        folder: an empty folder that all of them see.
    """
    path = folder / "sample.index"
    if cluster.trainers == 1:
        _learn({"sample": sample, "reading": reading, "config": config, "path": str(path)})
    else:
        train, torch = need_train()
        loop = {"sample": sample, "reading": reading, "config": config, "path": str(path)}
        trainer = torch.TorchTrainer(
            _learn,
            train_loop_config=loop,
            scaling_config=train.ScalingConfig(
                num_workers=cluster.trainers, resources_per_worker={"CPU": cluster.cpus}
            ),
            run_config=train.RunConfig(storage_path=str(folder / "train")),
        )
        trainer.fit()
        shutil.rmtree(folder / "train", ignore_errors=True)
    return HierIndex.open(path)._view


def _learn(loop: dict[str, Any]) -> None:
    """What each process does: all learn, and the first one saves."""
    pixels: list[UInt8] = []
    names: list[int | str] = []
    for piece, rows in loop["sample"]:
        some, own = images_of(piece, loop["reading"], rows)
        pixels.append(some)
        names += own or (piece.start + rows).tolist()
    config = replace(loop["config"], image_size=None, image_mode=None)  # they are of one shape already
    HierIndex.build(np.concatenate(pixels), ids=names, config=config, path=loop["path"], progress=False)
