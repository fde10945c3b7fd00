"""The last part of learning: latents stand still, and heads are fitted to triplets from the whole set."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from hierindex.errors import InputError
from hierindex.learning.config import LearnConfig
from hierindex.learning.head_module import HeadModule, principal_axes
from hierindex.learning.history import HeadFit
from hierindex.learning.neighbours import nearest
from hierindex.learning.schedule import annealed, rate
from hierindex.learning.tree_loss import centred, similarity, tree_loss
from hierindex.learning.triplets import sample_triplets
from hierindex.progress import Progress

__all__ = ["check_finite", "fit_heads", "pair_weights"]


def fit_heads(latent: Tensor, config: LearnConfig, progress: Progress) -> tuple[list[HeadModule], list[HeadFit]]:
    """Fit the head of the tree and the head of the disk.

    The disk starts as the two principal axes of the tree's points: from random axes it would stay in the circular order
    it began with.

    Args:
        latent: ``(n, d)`` float32 on the device; a random ``head.sample`` of them is used where there are more.
        config: of learning.
        progress: told of two stages.

    Returns:
        Heads to ``ball_dim`` and to 2 dimensions, and how the fits went.
    """
    generator = torch.Generator(latent.device).manual_seed(config.seed)
    if len(latent) > config.head.sample:
        chosen = torch.randperm(len(latent), generator=generator, device=latent.device)[: config.head.sample]
        latent = latent[chosen]
    directions = centred(latent)
    near = nearest(directions, config.training.neighbours)
    ball = HeadModule(latent.shape[1], config.head.ball_dim, config.head.hidden).to(latent.device)
    ball.start(latent, generator)
    first = _fit(ball, (latent, directions, near), config, generator, progress)
    disk = _project(ball, latent)
    second = _fit(disk, (latent, directions, near), config, generator, progress)
    return [ball, disk], [first, second]


def pair_weights(directions: Tensor, triplets: Tensor, temperature: float | None) -> Tensor:
    """Similarities ``(t, 3)`` of the pairs ij, ik, jk of triplets ``(t, 3)`` of rows of ``directions`` ``(n, d)``."""
    i, j, k = (directions[triplets[:, corner]] for corner in range(3))
    return torch.stack([similarity(a, b, temperature) for a, b in ((i, j), (i, k), (j, k))], dim=1)


def check_finite(loss: Tensor, where: str, lower: str) -> float:
    """The loss as a number.

    Raises:
        InputError: it is NaN or infinite; the message names the step and what to lower.
    """
    value = float(loss.detach())
    if not torch.isfinite(loss.detach()):
        raise InputError(f"the loss should stay finite; found {value} in {where}; lower {lower}")
    return value


def _fit(
    head: HeadModule,
    data: tuple[Tensor, Tensor, Tensor],
    config: LearnConfig,
    generator: torch.Generator,
    progress: Progress,
) -> HeadFit:
    latent, directions, near = data
    steps, dim = config.head.steps, head.linear.shape[1]
    progress.stage(f"tree, {dim} dimensions", steps)
    began, losses = time.perf_counter(), [0.0]
    optimiser = torch.optim.Adam(head.parameters(), lr=config.head.lr)
    for step in range(steps if len(latent) >= 3 else 0):
        triplets = sample_triplets(near, config.head.triplets, generator)
        rows, corners = torch.unique(triplets, return_inverse=True)  # a row is placed once, however often it is drawn
        points = head(latent[rows])[corners]
        weights = pair_weights(directions, triplets, config.losses.similarity)
        loss = tree_loss(points, weights, annealed(config.losses.tree, step / steps))
        losses.append(check_finite(loss, f"step {step} of the {dim}-dimensional head", f"head.lr ({config.head.lr})"))
        optimiser.param_groups[0]["lr"] = config.head.lr * rate(step, steps)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        progress.step(1, f"loss {losses[-1]:.4f}")
    losses = losses[1:] or losses
    few = max(1, len(losses) // 20)
    return HeadFit(dim, sum(losses[:few]) / few, sum(losses[-few:]) / few, time.perf_counter() - began)


@torch.no_grad()
def _project(ball: HeadModule, latent: Tensor) -> HeadModule:
    """A 2-D head: the two principal axes of the points of a fitted head."""
    dim, hidden = ball.w1.shape
    disk = HeadModule(dim, 2, hidden).to(latent.device)
    points = ball(latent)
    axes = principal_axes(points - points.mean(0), 2)
    disk.load_state_dict({**ball.state_dict(), "linear": ball.linear @ axes, "w2": ball.w2 @ axes})
    return disk
