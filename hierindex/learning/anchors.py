"""The head that places a row where the walks of the rows like it end; nothing is trained."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hierindex.head import AnchorHead, unit
from hierindex.vectors import Float32

__all__ = ["anchor_head"]

_ANCHORS = 4_096
_TEMPERATURE = 0.05
_AT_ONCE = 4_096


def anchor_head(latent: Tensor, places: Tensor, generator: torch.Generator) -> AnchorHead:
    """The head of a random 4,096 of these rows (all of them, where there are fewer) and of where all of them lie.

    An anchor's place is the mean of all rows' places, each weighted by how much the anchor counts for it, so that no
    row is lost that is no anchor.

    Args:
        latent: ``(n, d)`` float32, n >= 1.
        places: ``(n, p)``, where the rows should lie; directions count.
        generator: of the device of ``latent``; draws the anchors.
    """
    rows, wanted = latent.cpu().numpy(), places.float().cpu().numpy()
    mean = rows.mean(axis=0)
    chosen = torch.randperm(len(latent), generator=generator, device=latent.device)[:_ANCHORS].sort().values
    anchors = unit(rows[chosen.cpu().numpy()] - mean)
    head = AnchorHead(mean, anchors, np.empty((len(anchors), 0), np.float32), np.full(1, _TEMPERATURE, np.float32))
    total: Float32 = np.zeros((len(anchors), wanted.shape[1]), np.float32)
    counted: Float32 = np.zeros((len(anchors), 1), np.float32)
    for start in range(0, len(rows), _AT_ONCE):
        shares = head.shares(rows[start : start + _AT_ONCE])
        total += shares.T @ wanted[start : start + _AT_ONCE]
        counted += shares.sum(axis=0)[:, None]
    found = np.asarray(total / np.maximum(counted, np.finfo(np.float32).tiny), np.float32)
    return AnchorHead(mean, anchors, found, head.temperature)
