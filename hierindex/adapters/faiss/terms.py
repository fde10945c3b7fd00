"""FAISS's words: its numbers for metrics, its selectors, what one search is told, and what it reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hierindex.errors import InputError
from hierindex.vectors import Float32, Int64, Metric

__all__ = [
    "METRIC_INNER_PRODUCT",
    "METRIC_L2",
    "IDSelector",
    "SearchParametersHier",
    "members",
    "metric_of",
    "own_radius",
    "reported",
]

METRIC_INNER_PRODUCT = 0
"""FAISS's number for the inner product."""

METRIC_L2 = 1
"""FAISS's number for squared Euclidean distances."""

_BY_NUMBER = {METRIC_INNER_PRODUCT: Metric.IP, METRIC_L2: Metric.L2}


class IDSelector(Protocol):
    """A set of ids as FAISS has them: `faiss.IDSelectorBatch` and the others are of this kind."""

    def is_member(self, id: int) -> bool:  # noqa: A002 - FAISS's name
        """Whether an id is in the set."""


@dataclass(frozen=True)
class SearchParametersHier:
    """What one search may be told, in the place of `faiss.SearchParametersIVF`.

    Attributes:
        recall: instead of the index's own.
        nprobe: scan so many leaves, instead of what ``recall`` needs.
        sel: only these ids may be found: an array of them, or one of FAISS's selectors.
    """

    recall: float | None = None
    nprobe: int | None = None
    sel: ArrayLike | IDSelector | None = None


def metric_of(metric: int | str | Metric) -> Metric:
    """The metric of one of FAISS's numbers, or of a name of ours.

    Raises:
        InputError: there is none.

    Example:
        >>> metric_of(METRIC_INNER_PRODUCT)
        <Metric.IP: 'ip'>
    """
    if isinstance(metric, int):
        if metric not in _BY_NUMBER:
            raise InputError(f"metric should be 1 (METRIC_L2) or 0 (METRIC_INNER_PRODUCT) of FAISS's; found {metric}")
        return _BY_NUMBER[metric]
    return Metric.parse(metric)


def members(chosen: ArrayLike | IDSelector, ids: Int64) -> NDArray[np.bool_]:
    """``(n,)``: which of the ids ``(n,)`` are among those chosen."""
    if hasattr(chosen, "is_member"):
        return np.fromiter((chosen.is_member(each) for each in ids.tolist()), np.bool_, len(ids))
    return np.isin(ids, np.asarray(chosen))


def reported(distances: Float32, metric: Metric) -> Float32:
    """What FAISS reports for our distances: squared ones, or products (cosines).

    Example:
        >>> reported(np.array([3], np.float32), Metric.L2).tolist()
        [9.0]
    """
    if metric is Metric.L2:
        return distances * distances
    return 1 - distances if metric is Metric.COSINE else -distances


def own_radius(radius: float, metric: Metric) -> float:
    """Our distance for FAISS's radius (of at least 0 in L2), or the next one above, so that rounding loses nothing."""
    own = {Metric.L2: np.sqrt(max(0.0, radius)), Metric.COSINE: max(0.0, 1 - radius), Metric.IP: -radius}[metric]
    return float(np.nextafter(np.float32(own), np.float32(np.inf)))
