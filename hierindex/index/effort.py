"""How many leaves a query needs, told before any is scanned.

A query deep inside one leaf sees the distances to other leaves' centroids grow fast; one between many leaves sees them
grow slowly, and its neighbours lie in more of them. So the logarithm of the number of leaves is regressed on how these
distances grow: benchmarks/search_leads.py counts what that saves. Learned termination: Li et al.,
SIGMOD 2020; before the scan, not during it, because the scan is one call.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hierindex.vectors import Float32, Int64

__all__ = ["Effort", "features", "fitted", "harder", "leaves_for_one", "leaves_needed", "only_needed"]

Effort: TypeAlias = tuple[float, ...]  # weights of `features`; none: the same number of leaves for every query
_PLACES = (1, 2, 4, 8, 16, 32, 64)
_MOST = 6.0  # of the logarithm of a ratio of squared distances: FAISS reports 3e38 for a leaf that was not reached
_LEAST = 1e-12
_LOG_LEAST = math.log(_LEAST)


def features(distances: Float32, most: int = len(_PLACES)) -> NDArray[np.float64]:
    """What is looked at, from squared distances ``(q, w)`` to the nearest w leaves in rising order.

    Args:
        distances: see above.
        most: at most so many ratios.

    Returns:
        ``(q, f)``: log of the second distance over the first, of the third, fifth, ninth .. as far as w reaches; log of
        the first; and 1.

    Example:
        >>> features(np.array([[1, 2, 4]], np.float32)).round(2).tolist()
        [[0.69, 1.39, 0.0, 1.0]]
    """
    places = [place for place in _PLACES if place < distances.shape[1]][:most]
    seen = np.log(np.maximum(distances[:, [0, *places]], _LEAST), dtype=np.float64)
    ratios = np.minimum(seen[:, 1:] - seen[:, :1], _MOST)
    return np.concatenate([ratios, seen[:, :1], np.ones((len(seen), 1))], axis=1)


def fitted(x: NDArray[np.float64], needed: Int64) -> NDArray[np.float64]:
    """``(f,)``: the weights with which `features` ``(q, f)`` come nearest to the log of ``needed`` ``(q,)``."""
    return np.asarray(np.linalg.lstsq(x, np.log(needed), rcond=None)[0])


def harder(effort: Effort, factor: float) -> Effort:
    """The effort that wants ``factor`` times as many leaves."""
    return (*effort[:-1], effort[-1] + math.log(factor)) if effort else ()


def leaves_needed(effort: Effort, distances: Float32) -> Int64:
    """``(q,)``: how many of the nearest w leaves each query needs, 1 .. w."""
    seen = features(distances, len(effort) - 2)
    wanted = np.exp(np.minimum(np.einsum("qf,f->q", seen, np.array(effort)), 30.0))  # no BLAS: see `product`
    return np.asarray(np.clip(wanted, 1, distances.shape[1]), np.int64)


def leaves_for_one(effort: Effort, distances: list[float]) -> int:
    """`leaves_needed` for the distances ``(w,)`` of one query, without NumPy's price of each call."""
    log, first = math.log, math.log(distances[0]) if distances[0] > _LEAST else _LOG_LEAST
    wanted = effort[-1] + effort[-2] * first
    for weight, place in zip(effort[:-2], _PLACES, strict=False):
        far = distances[place]
        ratio = (log(far) if far > _LEAST else _LOG_LEAST) - first
        wanted += weight * (ratio if ratio < _MOST else _MOST)
    return max(1, min(len(distances), int(math.exp(min(wanted, 30.0)))))


def only_needed(effort: Effort, leaves: Int64, distances: Float32) -> Int64:
    """The leaves ``(q, w)`` that each query needs, -1 in the place of the others (they stand at the row ends)."""
    if not effort:
        return leaves
    needed = leaves_needed(effort, distances)
    widest = int(needed.max())
    if len(leaves) == 1:
        return leaves[:, :widest]
    return np.where(np.arange(widest) < needed[:, None], leaves[:, :widest], -1)
