"""Nearest neighbours within a whole set by chunked matrix products; no index is built to learn one."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["nearest"]


def nearest(features: Tensor, k: int, *, queries: Tensor | None = None, rows_at_once: int = 2_048) -> Tensor:
    """The k rows of largest inner product, most alike first.

    Args:
        features: ``(n, d)`` float32, unit rows where a cosine is meant.
        k: neighbours; at most n - 1 (n with ``queries``) are given.
        queries: ``(q, d)``; None: the rows themselves, without each row's own number.
        rows_at_once: queries in one product.

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
        found[start : start + rows_at_once] = scores.topk(k, dim=1).indices
    return found
