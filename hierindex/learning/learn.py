"""The two doors of learning: from images, and from ready vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from hierindex.errors import EmptyInputError, InputError
from hierindex.learning.balance import Balance, make_balance
from hierindex.learning.config import LearnConfig, ViewConfig
from hierindex.learning.contrastive import ContrastiveLoss
from hierindex.learning.crops import Crops
from hierindex.learning.device import pick_device, seeded
from hierindex.learning.distributed import Team, join, own_device
from hierindex.learning.encoder import Encoder, build_network, check_views
from hierindex.learning.encoder_file import EncoderFile
from hierindex.learning.history import Epoch, History
from hierindex.learning.learned import Learned
from hierindex.learning.objectives.base import Objective
from hierindex.learning.objectives.contrast import Contrast
from hierindex.learning.objectives.make import make_objective
from hierindex.learning.pixels import ImageRows, Pixels
from hierindex.learning.refine import fit_heads
from hierindex.learning.tables import Table
from hierindex.learning.tables.encoder import table_encoder
from hierindex.learning.tables.views import TableViews
from hierindex.learning.training import Trainer, encode_all
from hierindex.learning.views import ViewMaker, Views
from hierindex.progress import Progress
from hierindex.vectors import Float32

__all__ = ["Parts", "learn_images", "learn_vectors"]


@dataclass(frozen=True)
class Parts:
    """Parts of learning that can be exchanged for one's own; None: what the configuration says.

    Attributes:
        views: (uint8 ``(b, c, h, w)``, generator) -> float ``(b, c, h, w)`` in [0, 1].
        contrast: eq. (2) with another phi and psi.
        objective: dimension of the latents -> an objective of one's own, in place of eq. (2) and of ``contrast``.
        balance: how the two losses are weighted, eq. (3).
    """

    views: ViewMaker | None = None
    contrast: ContrastiveLoss | None = None
    objective: Callable[[int], Objective] | None = None
    balance: Balance | None = None


def learn_images(
    source: ImageRows,
    config: LearnConfig,
    progress: Progress,
    checkpoint: Path | None = None,
    module: nn.Module | None = None,
    parts: Parts | None = None,
) -> Learned:
    """Learn an encoder and a tree from unlabelled images (InfoHier, arXiv 2501.08717).

    Where ``torchrun`` started several processes (or torch.distributed is initialised), they learn together, all from
    the same images and configuration, and all get the same result; only the first writes the checkpoint.

    Args:
        source: two images or more, all of one shape; or two rows of numbers, as a `Table`.
        config: how.
        progress: told of the stages.
        checkpoint: a file, written after every epoch; where it exists, training goes on from it.
        module: a network of one's own in place of ``config.encoder.name``, trained further in place (left as it is with
            ``config.encoder.freeze``): float ``(b, c, h, w)`` in [0, 1] -> ``(b, d)``; for a `Table` it takes
            standardised rows ``(b, columns)``.
        parts: other parts of one's own.

    Returns:
        What was learned; latents are rows of length 1, for the cosine metric.

    Raises:
        EmptyInputError: fewer than two images.
        WeightsError: pretrained weights cannot be had.
        InputError: the device or the module cannot be used, the loss is no longer finite, or the checkpoint is
            another's.
        ProcessError: another process has ended or is silent.
    """
    if len(source) < 2:
        raise EmptyInputError(f"learning should have at least 2 images; found {len(source)}; add more")
    device = own_device(pick_device(config.device))
    team = join(device)
    team.agree([config.to_json(), len(source), list(source.shape)], "images and configuration", device)
    with seeded(config.seed, device):
        encoder = _encoder(source, config, device, module)
        team.follow(encoder.net)
        pixels = Pixels(source, device)
        if not encoder.of_rows and module is None and not (config.encoder.pretrained and source.shape[2] == 3):
            encoder.normalise(pixels)
        epochs: tuple[Epoch, ...] = ()
        if not config.encoder.freeze:
            _refuse_fixed(encoder.net)
            epochs = _trainer(encoder, pixels, config, parts or Parts(), checkpoint, team).run(progress)
    encoder = encoder.cropped(_crops(encoder, config, parts or Parts()))
    return _finish(encode_all(encoder, pixels, team), config, progress, epochs, encoder.to_file(), team)


def learn_vectors(rows: Float32, config: LearnConfig, progress: Progress) -> Learned:
    """Learn a tree over ready vectors: the heads alone, on triplets from the whole set.

    Args:
        rows: float32 ``(n, d)``, as the index stores them (of unit length for cosine), n >= 2.
        config: how; encoder, views and training do not matter.
        progress: told of the stages.

    Returns:
        What was learned; ``latent`` is ``rows`` itself.

    Raises:
        EmptyInputError: fewer than two rows.

    Example:
        >>> from hierindex.learning.config import HeadConfig
        >>> from hierindex.progress import Silent
        >>> config = LearnConfig(head=HeadConfig(steps=2), device="cpu")
        >>> learned = learn_vectors(np.eye(5, dtype=np.float32), config, Silent())
        >>> learned.head(learned.latent).shape, learned.disk(learned.latent).shape
        ((5, 32), (5, 2))
    """
    if len(rows) < 2:
        raise EmptyInputError(f"learning should have at least 2 vectors; found {len(rows)}; add more")
    return _finish(np.asarray(rows, dtype=np.float32), config, progress, (), None)


def _encoder(source: ImageRows, config: LearnConfig, device: torch.device, module: nn.Module | None) -> Encoder:
    if isinstance(source, Table):
        return table_encoder(source, config, device, module)
    return build_network(config.encoder, source.shape, device, module)


def _views(encoder: Encoder, config: LearnConfig) -> ViewMaker:
    if encoder.of_rows:
        return TableViews(config.table)
    views = config.views or ViewConfig.auto(encoder.shape)
    check_views(encoder, views.size)
    return Views(views)


def _crops(encoder: Encoder, config: LearnConfig, parts: Parts) -> Crops | None:
    if encoder.of_rows:
        return None
    views = None if parts.views is not None else config.views or ViewConfig.auto(encoder.shape)
    crops = Crops.chosen(config.encoder, views)
    check_views(encoder, None if crops is None else crops.size)
    return crops


def _refuse_fixed(net: nn.Module) -> None:
    if not any(weight.requires_grad for weight in net.parameters()):
        raise InputError(
            "the encoder should have weights that can be trained; found none; set encoder.freeze=True to keep it"
        )


def _trainer(
    encoder: Encoder, pixels: Pixels, config: LearnConfig, parts: Parts, checkpoint: Path | None, team: Team
) -> Trainer:
    return Trainer(
        encoder=encoder,
        pixels=pixels,
        config=config,
        views=parts.views or _views(encoder, config),
        objective=_objective(encoder.dim, config, parts),
        balance=parts.balance or make_balance(config.losses),
        checkpoint=checkpoint,
        team=team,
    )


def _objective(dim: int, config: LearnConfig, parts: Parts) -> Objective:
    if parts.objective is not None:
        return parts.objective(dim)
    return Contrast(dim, parts.contrast) if parts.contrast is not None else make_objective(config.losses, dim)


def _finish(
    latent: Tensor | Float32,
    config: LearnConfig,
    progress: Progress,
    epochs: tuple[Epoch, ...],
    file: EncoderFile | None,
    team: Team | None = None,
) -> Learned:
    heads, fits, walk = fit_heads(latent, config, progress)
    (team or Team()).follow(*heads)
    ball, disk = (head.to_head() for head in heads)
    rows = latent.cpu().numpy() if isinstance(latent, Tensor) else latent
    return Learned(rows, ball, disk, file, History(epochs, tuple(fits)), walk)
