"""Which head and which decoding make the tree, chosen without labels.

Dasgupta's cost alone does not choose well: it falls below Ward's where the purity of the tree falls too (OptDigits in
two dimensions: cost 1.810e9 against 1.820e9, purity .55 against .77). So the first question is whether the tree keeps
what is near together: the modularity of its cuts on the graph of nearest neighbours. The cost decides between near
equals.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hierindex.decode import Decode, decode
from hierindex.head import Head
from hierindex.learning.jsonable import to_json
from hierindex.metrics import dasgupta_cost
from hierindex.vectors import Float32, Int64

__all__ = ["Choice", "Score", "choose_tree", "modularity"]

_CANDIDATES = ((False, Decode.WARD), (True, Decode.CIRCLE_WARD), (True, Decode.CIRCLE_SINGLE))
_NEAR_EQUAL = 0.01


@dataclass(frozen=True)
class Score:
    """One candidate.

    Attributes:
        on_disk: whether its points are those of the 2-D head.
        decode: how they become a tree.
        agreement: mean `modularity` of the cuts into 2, 4, 8 .. sqrt(n) nodes; higher is better.
        cost: Dasgupta's cost as a share of a random tree's; lower is better.
    """

    on_disk: bool
    decode: Decode
    agreement: float
    cost: float


@dataclass(frozen=True)
class Choice:
    """The chosen candidate and all scores."""

    on_disk: bool
    decode: Decode
    scores: tuple[Score, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        values: dict[str, Any] = to_json(self)
        return values


def choose_tree(latent: Float32, head: Head, disk: Head, *, seed: int = 0, sample: int = 4_000) -> Choice:
    """Choose between Ward on the ball, Ward on the circle and single linkage on the circle.

    The highest agreement with the neighbours in the latent space wins; among those within 0.01 of it, the lowest cost.

    Args:
        latent: ``(n, d)`` float32 as the index holds them.
        head: the learned head to the ball.
        disk: the learned head to the disk.
        seed: of the sample.
        sample: so many rows are looked at, at most.
    """
    rows = np.arange(len(latent))
    if len(rows) > sample:
        rows = np.sort(np.random.default_rng(seed).choice(len(rows), sample, replace=False))
    x = np.ascontiguousarray(latent[rows])
    near = _nearest(x, 10)
    scores = []
    for on_disk, kind in _CANDIDATES:
        tree = decode((disk if on_disk else head)(x), kind)
        agreement = float(np.mean([modularity(tree.cut(k), near) for k in _widths(len(x))]))
        scores.append(Score(on_disk, kind, agreement, float(dasgupta_cost(tree, x, normalised=True))))
    best = max(score.agreement for score in scores)
    chosen = min((s for s in scores if s.agreement >= best - _NEAR_EQUAL), key=lambda s: s.cost)
    return Choice(chosen.on_disk, chosen.decode, tuple(scores))


def modularity(labels: Int64, near: Int64) -> float:
    """Share of neighbour pairs inside a cluster, less the share that chance would give: Newman's modularity.

    A cut that splits off a few stragglers keeps nearly all pairs together, and so does chance: it scores about 0.

    Args:
        labels: ``(n,)`` cluster of each row.
        near: ``(n, k)`` the rows near each row.

    Example:
        >>> modularity(np.array([0, 0, 1, 1]), np.array([[1], [0], [3], [2]]))
        0.5
    """
    ends = labels[near]
    count = int(labels.max()) + 1
    chance = np.bincount(labels, minlength=count) / len(labels) * np.bincount(ends.ravel(), minlength=count) / near.size
    return float((ends == labels[:, None]).mean() - chance.sum())


def _widths(n: int) -> Iterator[int]:
    width = 2
    while width <= max(2.0, n**0.5):
        yield width
        width *= 2


def _nearest(x: Float32, k: int) -> Int64:
    """The k nearest other rows ``(n, k)`` in Euclidean distance (for unit rows: by cosine)."""
    x = x - x.mean(axis=0)  # the differences are the same, and the products below lose less
    squared = np.einsum("nd,nd->n", x, x)
    distance = squared[:, None] + squared - 2 * x @ x.T
    np.fill_diagonal(distance, np.inf)
    k = min(k, len(x) - 1)
    return np.argpartition(distance, k - 1, axis=1)[:, :k].astype(np.int64)
