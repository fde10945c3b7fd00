"""From points on the boundary of the ball to a binary tree, and from a tree to places inside the ball."""

from __future__ import annotations

from enum import Enum
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from hierindex.decode.average import average_tree
from hierindex.decode.ball import ball_points, klein_to_poincare, poincare_to_klein, tree_points
from hierindex.decode.circle import circle_single, circle_ward
from hierindex.decode.logits import l2h, l2h_points
from hierindex.decode.polish import polish
from hierindex.decode.prototypes import EXACT_LIMIT, large_tree, prototype_count
from hierindex.decode.ward import ward_tree
from hierindex.errors import EmptyInputError, InputError
from hierindex.linkage import Float64
from hierindex.tree import Tree
from hierindex.vectors import Float32, member, positive

__all__ = [
    "EXACT_LIMIT",
    "Decode",
    "ball_points",
    "decode",
    "klein_to_poincare",
    "l2h",
    "l2h_points",
    "poincare_to_klein",
    "polish",
    "prototype_count",
    "tree_points",
]


class Decode(Enum):
    """How a tree is read off points on the unit sphere.

    ``WARD``: Ward's linkage on the points as vectors, any dimension.
    ``AVERAGE``: average linkage on the cosine of the points, any dimension.
    ``CIRCLE_WARD``: two dimensions; Ward's linkage in which only neighbours on the circle may merge; O(n log n).
    ``CIRCLE_SINGLE``: two dimensions; single linkage on the angles, HypHC's own decoding; exact, O(n log n).
    """

    WARD = "ward"
    AVERAGE = "average"
    CIRCLE_WARD = "circle-ward"
    CIRCLE_SINGLE = "circle-single"

    @classmethod
    def parse(cls, kind: Decode | str) -> Self:
        """The decoding of that name.

        Raises:
            InputError: none has that name.

        Example:
            >>> Decode.parse("circle-ward")
            <Decode.CIRCLE_WARD: 'circle-ward'>
        """
        return member(cls, kind, "decode")

    @property
    def on_circle(self) -> bool:
        """Whether it reads angles, and so needs points of two dimensions."""
        return self in (Decode.CIRCLE_WARD, Decode.CIRCLE_SINGLE)


def decode(points: Float32, kind: Decode, weights: ArrayLike | None = None, *, prototypes: int | None = None) -> Tree:
    """The tree over points ``(n, p)``; the same points in the same order always give the same tree.

    Ward's and average linkage take time with the square of the points. Up to `EXACT_LIMIT` different ones they are
    exact; above, the linkage is taken over 4 sqrt(n) prototypes (k-means cells) and again inside each cell, which takes
    a million points of 16 numbers in half a minute. ``prototypes`` asks for that way at any size, or, with as many as
    there are points, for the exact tree.

    Args:
        points: float32 ``(n, p)``, rows of length 1 (ideal points of the ball). All but single linkage take shorter
            rows: the mean of the points that a row stands for.
        kind: how; the circle kinds need p = 2.
        weights: ``(n,)``, how many points each row stands for, above 0; None means one each. Single linkage does not
            depend on them.
        prototypes: for Ward's and average linkage, how many prototypes stand for the points; None: none where the
            linkage can be exact. Not fewer than the different points: exact.

    Returns:
        the tree; its heights are angles in radians (single), sqrt(2 w_a w_b / (w_a + w_b)) |c_a - c_b| (both Wards), or
        1 - c_a . c_b (average), for clusters of weights w and means c.

    Raises:
        EmptyInputError: no points.
        InputError: points or weights of another shape, weights that are not above 0, points off the circle or
            prototypes for a circle kind, prototypes below 1.

    Example:
        >>> angles = np.array([0.0, 3.0, 0.1, 3.3])
        >>> points = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
        >>> decode(points, Decode.CIRCLE_SINGLE).cut(2).tolist()
        [0, 1, 0, 1]
    """
    rows, masses = _check(points, weights)
    if len(rows) == 1:
        return Tree(np.empty((0, 4)))
    if prototypes is not None:
        positive(prototypes, "prototypes")
    if not kind.on_circle:
        return large_tree(rows, masses, ward_tree if kind is Decode.WARD else average_tree, prototypes)
    if prototypes is not None:
        raise InputError(f"prototypes should go with 'ward' or 'average'; {kind.value!r} is exact at any size")
    if rows.shape[1] != 2:
        raise InputError(f"decode {kind.value!r} needs points on the circle, shape (n, 2); found shape {rows.shape}")
    return circle_single(rows) if kind is Decode.CIRCLE_SINGLE else circle_ward(rows, masses)


def _check(points: Float32, weights: ArrayLike | None) -> tuple[Float64, Float64]:
    rows = np.asarray(points, dtype=np.float64)
    if rows.ndim != 2:
        raise InputError(f"points should have shape (n, p); found shape {rows.shape}")
    if rows.size == 0:
        raise EmptyInputError(f"a tree needs at least one point of one dimension; found shape {rows.shape}")
    masses = np.ones(len(rows)) if weights is None else np.asarray(weights, dtype=np.float64)
    if masses.shape != (len(rows),) or not (masses > 0).all() or not np.isfinite(masses).all():
        raise InputError(f"weights should be {len(rows)} numbers above 0, one for each point; found {masses[:5]}")
    return rows, masses
