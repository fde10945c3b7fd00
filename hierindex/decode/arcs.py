"""Where the nodes of a tree stand when its points stand evenly on the circle, in the tree's own order.

Then a node's points are one arc of the circle, and their mean in the Klein model (see `hierindex.decode.ball`) has a
closed form: it needs the ends of the arc and nothing else. So a page that shows a million points can ask for one node.
"""

from __future__ import annotations

import numpy as np

from hierindex.errors import InputError
from hierindex.linkage import Float64
from hierindex.vectors import Int64

__all__ = ["arc_points"]


def arc_points(spans: Int64, n: int) -> Float64:
    """The places in the Poincare disk ``(m, 2)`` of m nodes whose points are runs of n points even on the circle.

    Point i stands at the angle 2 pi (i + 1/2) / n. A run of k of them has, in the Klein model, the mean radius
    sin(k pi / n) / (k sin(pi / n)): Dirichlet's kernel. A single point is its own mean, on the boundary; so is an empty
    run, which has none.

    Args:
        spans: int64 ``(m, 2)``, start and stop of each run, 0 <= start <= stop <= n.
        n: how many points there are, at least 1.

    Raises:
        InputError: spans of another shape, or outside 0 .. n.

    Example:
        >>> arc_points(np.array([[0, 1], [0, 2]]), 4).round(3).tolist()
        [[0.707, 0.707], [0.0, 0.414]]
    """
    if spans.ndim != 2 or spans.shape[1] != 2 or n < 1 or (spans.size and (spans.min() < 0 or spans.max() > n)):
        raise InputError(f"spans should be (m, 2) numbers from 0 to n = {n}; found shape {spans.shape}")
    start, stop = spans.T
    k, step = np.maximum(stop - start, 1), np.pi / n
    klein = np.where(k == 1, 1, np.sin(k * step) / (k * np.sin(step)))
    radius = klein / (1 + np.sqrt((1 - klein) * (1 + klein)))
    angle = step * (start + stop)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
