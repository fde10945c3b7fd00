"""The last part of learning: latents stand still, and heads are fitted to triplets from the whole set."""

from __future__ import annotations

import math
import time

import numpy as np
import torch
from torch import Tensor

from hierindex.errors import InputError
from hierindex.head import AnchorHead
from hierindex.learning.anchors import anchor_head
from hierindex.learning.config import LearnConfig
from hierindex.learning.device import pick_device
from hierindex.learning.diffusion import diffusion_map
from hierindex.learning.head_module import HeadModule, principal_axes
from hierindex.learning.history import HeadFit
from hierindex.learning.neighbours import nearest
from hierindex.learning.schedule import annealed, head_steps, near_count, rate
from hierindex.learning.tree_loss import centred, similarity, tree_loss
from hierindex.learning.triplets import sample_triplets
from hierindex.progress import Progress
from hierindex.vectors import Float32

__all__ = ["Target", "check_finite", "fit_heads", "pair_weights"]

_WIDTH = 24  # diffusion coordinates
_HINT = 0.25  # length of a latent beside its walk
_TABLE = 10_000  # rows: 400 MB of similarities, looked up instead of computed at every step


def fit_heads(
    latent: Tensor | Float32, config: LearnConfig, progress: Progress
) -> tuple[list[HeadModule], list[HeadFit], AnchorHead | None]:
    """Fit the head of the tree and the head of the disk, and lay out the head of the walks.

    The head of the tree starts aimed at what says what is alike (see `Target`), on its principal axes, or, without
    diffusion, at the principal axes of the latents. The disk starts as the two principal axes of the tree's points:
    from random axes it would stay in the circular order it began with.

    Args:
        latent: ``(n, d)`` float32, on the device or, as an array, on its way there; a random ``head.sample`` of them is
            used where there are more.
        config: of learning.
        progress: told of three stages.

    Returns:
        Heads to ``ball_dim`` and to 2 dimensions, how the fits went, and the head to ``ball_dim`` dimensions that
        places rows where their walks end, which no loss has shaped (None without diffusion, or of a sample: walks are
        of the rows that are walked on).
    """
    device = latent.device if isinstance(latent, Tensor) else pick_device(config.device)
    generator = torch.Generator(device).manual_seed(config.seed)
    sampled = len(latent) > config.head.sample
    if sampled:
        chosen = torch.randperm(len(latent), generator=generator, device=device)[: config.head.sample]
        latent = latent[chosen] if isinstance(latent, Tensor) else latent[chosen.cpu().numpy()]
    if not isinstance(latent, Tensor):
        latent = torch.from_numpy(np.array(latent, dtype=np.float32)).to(device)  # a copy: it may be read-only
    progress.stage("what is alike", 1)
    target = Target(latent, config)
    progress.step()
    ball = HeadModule(latent.shape[1], config.head.ball_dim, config.head.hidden).to(latent.device)
    if config.head.diffusion is None:
        ball.start(latent, generator)
    else:
        ball.centre(latent, generator)
        ball.aim(latent, _flattened(target.directions, config.head.ball_dim))
    first = _fit(ball, target, generator, progress)
    disk = _project(ball, latent)
    second = _fit(disk, target, generator, progress)
    walk = (
        None if sampled or target.walks is None else anchor_head(latent, target.places(config.head.ball_dim), generator)
    )
    return [ball, disk], [first, second], walk


class Target:
    """What a head is fitted to: eq. (1) on triplets of standing latents.

    Args:
        latent: ``(n, d)`` float32.
        config: of learning.

    Attributes:
        directions: unit rows ``(n, m)`` whose cosines say what is alike: the centred latents, beside them the diffusion
            coordinates of their neighbour graph (see `HeadConfig.diffusion`).
        walks: the diffusion coordinates alone, unit rows ``(n, 24)``; None without diffusion.
    """

    def __init__(self, latent: Tensor, config: LearnConfig) -> None:
        self.latent, self.config = latent, config
        self.directions = centred(latent)
        self._near = nearest(self.directions, near_count(len(latent), config.training.neighbours))
        self.walks: Tensor | None = None
        if config.head.diffusion is not None:
            # where the graph falls apart, walks say nothing of how its parts lie: the cosine is the mean of the two
            self.walks = diffusion_map(self._near, _WIDTH, config.head.diffusion)
            self.directions = torch.cat([self.walks, self.directions], dim=1) / math.sqrt(2)
        self._pairs: Tensor | None = None
        if len(latent) <= _TABLE:  # small sets look their similarities up
            self._pairs = similarity(self.directions @ self.directions.T, config.head.similarity)

    def places(self, dims: int) -> Tensor:
        """Where the walks end, ``(n, dims)``; a little of the latents says how parts lie that no walk joins."""
        assert self.walks is not None  # noqa: S101 - for mypy; asked for with diffusion only
        return _flattened(torch.cat([self.walks, _HINT * centred(self.latent)], dim=1), dims)

    def triplets(self, count: int, generator: torch.Generator) -> Tensor:
        """Triplets ``(t, 3)`` from the whole set."""
        return sample_triplets(self._near, count, generator)

    def loss(self, head: HeadModule, u: Tensor, triplets: Tensor, tau: float) -> Tensor:
        """Eq. (1) of the head's points; ``u`` is `HeadModule.scaled` of all latents."""
        rows, corners = torch.unique(triplets, return_inverse=True)  # a row is placed once, however often it is drawn
        points = _rows(head.place(u.index_select(0, rows)), corners)
        return tree_loss(points, self._weights(triplets), tau, radius=self.config.head.radius)

    def _weights(self, triplets: Tensor) -> Tensor:
        if self._pairs is None:
            return pair_weights(self.directions, triplets, self.config.head.similarity)
        return self._pairs[triplets[:, [0, 0, 1]], triplets[:, [1, 2, 2]]]


def pair_weights(directions: Tensor, triplets: Tensor, temperature: float | None) -> Tensor:
    """Similarities ``(t, 3)`` of the pairs ij, ik, jk of triplets ``(t, 3)`` of rows of ``directions`` ``(n, d)``."""
    i, j, k = _rows(directions, triplets).unbind(1)
    cosines = [(a * b).sum(-1) for a, b in ((i, j), (i, k), (j, k))]
    return similarity(torch.stack(cosines, dim=1), temperature)


def _rows(x: Tensor, at: Tensor) -> Tensor:
    """``x[at]`` ``(.., d)`` for rows of x ``(n, d)``: copied as whole rows, and summed in one order by the gradient."""
    return x.index_select(0, at.flatten()).view(*at.shape, x.shape[1])


def check_finite(loss: Tensor, where: str, lower: str) -> float:
    """The loss as a number.

    Raises:
        InputError: it is NaN or infinite; the message names the step and what to lower.
    """
    value = float(loss.detach())
    if not math.isfinite(value):
        raise InputError(f"the loss should stay finite; found {value} in {where}; lower {lower}")
    return value


def _fit(head: HeadModule, target: Target, generator: torch.Generator, progress: Progress) -> HeadFit:
    config, dim, began = target.config.head, head.linear.shape[1], time.perf_counter()
    steps = head_steps(len(target.latent), config)
    progress.stage(f"tree, {dim} dimensions", steps)
    u, held = head.scaled(target.latent), target.triplets(config.triplets, generator)
    before = _held_loss(head, target, u, held)
    optimiser = torch.optim.Adam(head.parameters(), lr=config.lr)
    for step in range(steps):
        tau = annealed(target.config.losses.tree, step / steps)
        loss = target.loss(head, u, target.triplets(config.triplets, generator), tau)
        value = check_finite(loss, f"step {step} of the {dim}-dimensional head", f"head.lr ({config.lr})")
        optimiser.param_groups[0]["lr"] = config.lr * rate(step, steps)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        progress.step(1, f"loss {value:.4f}")
    return HeadFit(dim, before, _held_loss(head, target, u, held), time.perf_counter() - began)


@torch.no_grad()
def _held_loss(head: HeadModule, target: Target, u: Tensor, triplets: Tensor) -> float:
    """The loss on triplets that stay the same, at the last temperature; 0 where a set is too small for any."""
    if not len(triplets):
        return 0.0
    return float(target.loss(head, u, triplets, target.config.losses.tree[1]))


def _flattened(places: Tensor, dims: int) -> Tensor:
    """Places ``(n, m)`` on their principal axes, ``(n, dims)``; zeros where m < dims."""
    return places @ principal_axes(places - places.mean(0), dims)


@torch.no_grad()
def _project(ball: HeadModule, latent: Tensor) -> HeadModule:
    """A 2-D head: the two principal axes of the points of a fitted head."""
    dim, hidden = ball.w1.shape
    disk = HeadModule(dim, 2, hidden).to(latent.device)
    points = ball(latent)
    axes = principal_axes(points - points.mean(0), 2)
    disk.load_state_dict({**ball.state_dict(), "linear": ball.linear @ axes, "w2": ball.w2 @ axes})
    return disk
