"""Which rows make a step, and who is whose positive in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from hierindex.learning.contrastive import view_positives

__all__ = ["Batch", "near_batches", "plain_batches"]


@dataclass(frozen=True)
class Batch:
    """The rows of one step; the network sees their first views and then, in the same order, their second views.

    Attributes:
        rows: int64 ``(r,)``. In a batch with neighbours: r/2 anchors, then a near row of each.
        positives: int64 ``(2r, p)`` and excluded: bool ``(2r, 2r)`` or None, as `ContrastiveLoss` takes them.
    """

    rows: Tensor
    positives: Tensor
    excluded: Tensor | None


def plain_batches(n: int, size: int, generator: torch.Generator) -> Iterator[Batch]:
    """All rows in random order, ``size`` at a time (a smaller rest is left out); own views are the only positives."""
    device = generator.device
    order = torch.randperm(n, generator=generator, device=device)
    positives = view_positives(size, device)
    for start in range(0, n - size + 1, size):
        yield Batch(order[start : start + size], positives, None)


def near_batches(near: Tensor, size: int, generator: torch.Generator) -> Iterator[Batch]:
    """Batches of size/2 random anchors and one of the nearest neighbours of each, as many as `plain_batches` has.

    A row's positives are its own other view and both views of its partner; rows that are near each other in the whole
    set are no negatives.

    Args:
        near: int64 ``(n, k)``, neighbours of every row.
        size: rows in a batch.
        generator: of the device of ``near``.
    """
    n, k = near.shape
    groups = max(1, size // 2)
    order = torch.randperm(n, generator=generator, device=near.device)
    positives = _partner_positives(groups, near.device)
    for step in range(max(1, n // size)):
        anchors = order[step * groups : (step + 1) * groups]
        partners = near[anchors, torch.randint(k, (groups,), generator=generator, device=near.device)]
        rows = torch.cat([anchors, partners])
        yield Batch(rows, positives, _near_pairs(rows, near).repeat(2, 2))


def _partner_positives(groups: int, device: torch.device) -> Tensor:
    r = 2 * groups
    position = torch.arange(2 * r, device=device)
    row, view = position % r, position // r
    partner = (row + groups) % r
    return torch.stack([row + (1 - view) * r, partner, partner + r], dim=1)


def _near_pairs(rows: Tensor, near: Tensor) -> Tensor:
    """Bool ``(r, r)``: one is a near row of the other, or they are the same row."""
    close = (near[rows][:, :, None] == rows).any(1)
    return close | close.T | (rows[:, None] == rows)
