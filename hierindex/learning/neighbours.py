"""Nearest neighbours within a whole set by chunked matrix products; no index is built to learn one."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["nearest"]

_GROUP = 128  # columns of which the largest score is taken first


def nearest(features: Tensor, k: int, *, queries: Tensor | None = None, rows_at_once: int = 128) -> Tensor:
    """The k rows of largest inner product, most alike first.

    Args:
        features: ``(n, d)`` float32, unit rows where a cosine is meant.
        k: neighbours; at most n - 1 (n with ``queries``) are given.
        queries: ``(q, d)``; None: the rows themselves, without each row's own number.
        rows_at_once: queries in one product; few, so that the scores stay in the cache.

    Returns:
        int64 ``(q, min(k, ...))``.

    Example:
        >>> nearest(torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]), 1).flatten().tolist()
        [1, 0, 1]
    """
    own = queries is None
    asked = features if queries is None else queries
    k = min(k, len(features) - own)
    found = torch.empty(len(asked), k, dtype=torch.int64, device=features.device)
    for start in range(0, len(asked), rows_at_once):
        scores = asked[start : start + rows_at_once] @ features.T
        if own:
            scores.diagonal(start).fill_(-torch.inf)
        found[start : start + rows_at_once] = _largest(scores, k)
    return found


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
