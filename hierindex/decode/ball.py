"""Where the nodes of a tree lie inside the Poincare ball.

A node lies at the mean of its members' ideal points, taken in the Klein model, where geodesics are straight lines. For
two points that is the point of their geodesic nearest to the origin: the common ancestor of equation (1) of InfoHier
and HypHC, at hyperbolic depth log(1 + |a+b|/2) - log(|a-b|/2).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from hierindex.decode.prototypes import group_sums
from hierindex.errors import InputError
from hierindex.linkage import Float64
from hierindex.tree import Tree
from hierindex.vectors import Float32, Int64

__all__ = ["ball_points", "klein_to_poincare", "poincare_to_klein", "tree_points"]

#: Klein radius at which points are stopped: 0.99996 in the Poincare ball, still inside it in float32. Depth 10.7.
_EDGE = 1 - 1e-9


def klein_to_poincare(points: ArrayLike) -> Float64:
    """Points ``(k, p)`` of the Klein ball as points of the Poincare ball: m / (1 + sqrt(1 - |m|^2)).

    A point on or outside the boundary is drawn in to radius 1 - 1e-9 first, so that the result stays inside the ball.

    Example:
        >>> klein_to_poincare([[0.6, 0.0]]).round(6).tolist()
        [[0.333333, 0.0]]
    """
    klein = np.asarray(points, dtype=np.float64)
    radius = np.linalg.norm(klein, axis=1, keepdims=True)
    klein = klein * (_EDGE / np.maximum(radius, _EDGE))
    radius = np.minimum(radius, _EDGE)
    return np.asarray(klein / (1 + np.sqrt((1 - radius) * (1 + radius))))


def poincare_to_klein(points: ArrayLike) -> Float64:
    """Points ``(k, p)`` of the Poincare ball as points of the Klein ball: 2 m / (1 + |m|^2).

    Example:
        >>> poincare_to_klein(klein_to_poincare([[0.6, 0.0]])).round(6).tolist()
        [[0.6, 0.0]]
    """
    ball = np.asarray(points, dtype=np.float64)
    return np.asarray(2 * ball / (1 + (ball * ball).sum(axis=1, keepdims=True)))


def ball_points(points: Float32, groups: Int64, k: int) -> Float64:
    """The place in the ball ``(k, p)`` of each of k groups of ideal points.

    Args:
        points: float32 ``(n, p)`` of length 1.
        groups: int64 ``(n,)``, the group of each row, 0 .. k-1; a group without rows lies at the origin.
        k: the number of groups.

    Raises:
        InputError: not one group for each point, or a group outside 0 .. k-1.

    Example:
        >>> ball_points(np.array([[1, 0], [0, 1], [-1, 0]], np.float32), np.array([0, 0, 1]), 2).round(3).tolist()
        [[0.293, 0.293], [-1.0, 0.0]]
    """
    if groups.shape != (len(points),) or (groups.size and (groups.min() < 0 or groups.max() >= k)):
        raise InputError(f"groups should be {len(points)} numbers from 0 to {k - 1}; found shape {groups.shape}")
    counts = np.maximum(np.bincount(groups, minlength=k), 1)
    return klein_to_poincare(group_sums(_unit(points), groups, k) / counts[:, None])


def tree_points(tree: Tree, points: Float32) -> Float64:
    """The place in the ball ``(2n-1, p)`` of each node of a tree over n ideal points, leaves first; O(n p).

    Args:
        tree: a tree over the rows of ``points``.
        points: float32 ``(n, p)`` of length 1.

    Raises:
        InputError: the tree is over another number of points.

    Example:
        >>> tree_points(Tree.from_linkage([[0, 1, 1, 2]]), np.array([[0, 1], [0, -1]], np.float32))[2].tolist()
        [0.0, 0.0]
    """
    if len(points) != tree.n:
        raise InputError(f"points should be {tree.n}, one for each leaf of the tree; found {len(points)}")
    sums = np.empty((2 * tree.n - 1, points.shape[1]))
    sums[: tree.n] = _unit(points)
    for node, (a, b) in enumerate(tree.children.tolist(), start=tree.n):
        # not differences of running sums: near the boundary their rounding would show as depth
        np.add(sums[a], sums[b], out=sums[node])
    return klein_to_poincare(sums / tree.sizes[:, None])


def _unit(points: Float32) -> Float64:
    """In float64, of length 1 to float64's precision: depth near the boundary hangs on the last digits."""
    rows = points.astype(np.float64)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(norms > 0, norms, 1))
