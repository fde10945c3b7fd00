"""Nearest neighbours within a whole set by chunked matrix products; no index is built to learn one."""

from __future__ import annotations

import torch
from torch import Tensor

from hierindex.learning.config import Precision
from hierindex.learning.device import uses_bfloat16

__all__ = ["nearest"]

_GROUP = 128  # columns of which the largest score is taken first
_ROWS = 128  # in one product; few, so that the scores stay in the cache
_HALVES_FROM = 10_000  # rows: fewer take no time
_SPARE = 3  # times as many rows as are wanted go to float32
_ERROR = 3.1 * 2.0**-8  # of a product of unit rows in bfloat16: both factors and the sum are rounded to 8 bits


def nearest(features: Tensor, k: int, *, queries: Tensor | None = None) -> Tensor:
    """The k rows of largest inner product, most alike first.

    A CPU that computes bfloat16 fast computes large sets in it first: float32 decides among three times as many rows as
    are wanted, and where rounding may have kept a row from these, all are compared in float32.

    Args:
        features: ``(n, d)`` float32, unit rows where a cosine is meant.
        k: neighbours; at most n - 1 (n with ``queries``) are given.
        queries: ``(q, d)``; None: the rows themselves, without each row's own number.

    Returns:
        int64 ``(q, min(k, ...))``.

    Example:
        >>> nearest(torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]), 1).flatten().tolist()
        [1, 0, 1]
    """
    own = queries is None
    asked = features if queries is None else queries
    found = torch.empty(len(asked), min(k, len(features) - own), dtype=torch.int64, device=features.device)
    left = torch.arange(len(asked), device=features.device)
    if len(features) >= max(_HALVES_FROM, 2 * _SPARE * found.shape[1]) and _halves_are_fast(features.device):
        left = _by_halves(asked, features, found, own=own)
    for rows in torch.split(left, _ROWS):
        found[rows] = _largest(_scores(asked[rows], features, rows if own else None), found.shape[1])
    return found


def _halves_are_fast(device: torch.device) -> bool:
    return device.type == "cpu" and uses_bfloat16(Precision.AUTO, device)


def _by_halves(asked: Tensor, features: Tensor, found: Tensor, *, own: bool) -> Tensor:
    """Fill in the rows of ``found`` ``(q, k)`` of which bfloat16 leaves no doubt; the numbers of the others ``(r,)``.

    It stops where most rows are in doubt, as where few dimensions hold many rows.
    """
    half, k, every = features.bfloat16(), found.shape[1], torch.arange(len(asked))
    error = _ERROR * features.norm(dim=1).max()
    left = []
    for rows in torch.split(every, _ROWS):
        part = asked[rows]
        scores = _scores(part.bfloat16(), half, rows if own else None)
        columns = _largest(scores, _SPARE * k)
        last = scores.gather(1, columns[:, -1:])[:, 0].float()
        exact = features.index_select(0, columns.flatten()).view(*columns.shape, -1) @ part[:, :, None]
        best = exact[:, :, 0].topk(k, dim=1)
        found[rows] = columns.gather(1, best.indices)
        left.append(rows[~(best.values[:, -1] > last + error * part.norm(dim=1))])
        if 2 * len(left[-1]) > len(rows):
            left.append(every[int(rows[-1]) + 1 :])
            break
    return torch.cat(left)


def _scores(asked: Tensor, features: Tensor, own: Tensor | None) -> Tensor:
    """Inner products ``(q, n)``; -inf with the row of each one's ``own`` number ``(q,)``."""
    scores = asked @ features.T
    if own is not None:
        scores[torch.arange(len(own), device=own.device), own] = -torch.inf
    return scores


def _largest(scores: Tensor, k: int) -> Tensor:
    """The columns ``(q, k)`` of the largest scores ``(q, n)``, largest first.

    The k largest are in the k groups of columns with the largest maxima: a maximum takes a fraction of the time that
    `torch.topk` takes for a column.
    """
    whole = scores.shape[1] // _GROUP
    if whole <= 2 * k:
        return scores.topk(k, dim=1).indices
    maxima = scores[:, : whole * _GROUP].view(len(scores), whole, _GROUP).amax(dim=2)
    members = torch.arange(_GROUP, device=scores.device)
    columns = (maxima.topk(k, dim=1).indices[:, :, None] * _GROUP + members).flatten(1)
    rest = torch.arange(whole * _GROUP, scores.shape[1], device=scores.device).expand(len(scores), -1)
    columns = torch.cat([columns, rest], dim=1)
    return columns.gather(1, scores.gather(1, columns).topk(k, dim=1).indices)
