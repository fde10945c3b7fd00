"""What a search of several workers gives back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hierindex.results import Hits, Ranges
from hierindex.vectors import Int64

__all__ = ["ClusterHits", "ClusterRanges"]


@dataclass(frozen=True)
class ClusterHits(Hits):
    """`Hits`, and how they came about.

    Attributes:
        partial: ``(n,)`` bool: some of the leaves that this query should have looked into were held by no living
            worker, so that neighbours may be missing. What is there is right.
        fan_out: ``(n,)`` int64, how many workers each query asked.

    Example:
        >>> ids, gaps = np.array([[7]]), np.array([[0.5]], np.float32)
        >>> ClusterHits(ids, gaps, np.array([[3]]), np.array([False]), np.array([1])).whole
        True
    """

    partial: NDArray[np.bool_]
    fan_out: Int64

    @property
    def whole(self) -> bool:
        """Whether no query was answered in part."""
        return not self.partial.any()


@dataclass(frozen=True)
class ClusterRanges(Ranges):
    """`Ranges`, and how they came about.

    Attributes:
        partial, fan_out: as of `ClusterHits`.
    """

    partial: NDArray[np.bool_]
    fan_out: Int64

    @property
    def whole(self) -> bool:
        """Whether no query was answered in part."""
        return not self.partial.any()
