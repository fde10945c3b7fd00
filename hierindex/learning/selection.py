"""Which head and which decoding make the tree, chosen without labels.

Dasgupta's cost alone does not choose well: it falls below Ward's where the purity of the tree falls too (OptDigits in
two dimensions: cost 1.810e9 against 1.820e9, purity .55 against .77). So the first question is whether the tree keeps
what is near together: its cuts, by their modularity on the graph of nearest neighbours, where something is built on a
cut; or all of its nodes, by dendrogram purity with neighbours in the place of labels (benchmarks/selection.py).

Where cuts keep neighbours together equally well, that one is better which other rows would have given too: stability
(A. Ben-Hur, A. Elisseeff and I. Guyon, PSB 2002; T. Lange et al., Neural Computation 2004).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from hierindex.decode import Decode, decode
from hierindex.errors import InputError
from hierindex.head import AnchorHead, AnyHead, Head
from hierindex.learning.jsonable import to_json
from hierindex.metrics import adjusted_rand, dasgupta_cost
from hierindex.tree import Tree
from hierindex.vectors import Float32, Int64

__all__ = [
    "Candidate",
    "Choice",
    "Rule",
    "Score",
    "choose_among",
    "choose_tree",
    "modularity",
    "neighbour_purity",
    "stability",
]

_BALL, _DISK, _WALK = "ball", "disk", "walk"
_NEAR_EQUAL = 0.02  # twice the standard error of a difference on 2,500 rows
_NEAR_STEADY = 0.03
_NEIGHBOURS = 10
_DRAWS = 4
_FEW = 12  # rows of which a third says nothing


class Rule(Enum):
    """What is asked of a tree.

    ``TREE``: the highest `neighbour_purity`, of all nodes.
    ``CUTS``: the highest mean `modularity` of the cuts; among those within 0.02 of it, the highest `stability`; among
    those within 0.03 of that, the first: the learned head, which places a row with less work than the walks do.
    """

    TREE = "neighbour purity"
    CUTS = "modularity, then stability"

    def pick(self, scores: Sequence[Score]) -> Score:
        """The best of at least one; among equals, the first."""
        if self is Rule.TREE:
            return max(scores, key=lambda score: score.purity)
        best = max(score.agreement for score in scores)
        near = [score for score in scores if score.agreement >= best - _NEAR_EQUAL]
        steadiest = max(score.stability for score in near)
        return next(score for score in near if score.stability >= steadiest - _NEAR_STEADY)


@dataclass(frozen=True)
class Candidate:
    """One way to make the tree.

    Attributes:
        name: of the head, such as its dimension and the temperature it was fitted with.
        head: from latent vectors to points of the ball.
        decode: how the points become a tree; the circle kinds need a head of two dimensions.
    """

    name: str
    head: AnyHead
    decode: Decode


@dataclass(frozen=True)
class Score:
    """How one candidate did.

    Attributes:
        name: the head's.
        dim: the head's dimension.
        decode: how its points became a tree.
        agreement: mean `modularity` of the cuts into 2, 4, 8 .. sqrt(n) nodes; higher is better.
        cost: Dasgupta's cost as a share of a random tree's; lower is better.
        purity: `neighbour_purity` of the whole tree; higher is better.
        stability: `stability` of the cuts; higher is better.

    All but the first three are means over the samples that were drawn.
    """

    name: str
    dim: int
    decode: Decode
    agreement: float
    cost: float
    purity: float
    stability: float


@dataclass(frozen=True)
class Choice:
    """The chosen head, by its name, the chosen decoding, and all scores in the order of the candidates."""

    name: str
    decode: Decode
    scores: tuple[Score, ...]

    @property
    def on_disk(self) -> bool:
        """Whether `choose_tree` took the head to the disk."""
        return self.name == _DISK

    @property
    def on_walk(self) -> bool:
        """Whether `choose_tree` took the head of the walks."""
        return self.name == _WALK

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        values: dict[str, Any] = to_json(self)
        return values


def choose_tree(
    latent: Float32, head: Head, disk: Head, walk: AnchorHead | None = None, *, seed: int = 0, sample: int = 2_500
) -> Choice:
    """Choose between Ward on the ball, by either head, and Ward or single linkage on the circle, by `Rule.CUTS`.

    An index is built on a cut. Average linkage is not among them: its cuts leave stragglers alone.

    Args:
        latent: ``(n, d)`` float32 as the index holds them.
        head: the learned head to the ball.
        disk: the learned head to the disk.
        walk: the head of the walks, where there is one (`Learned.walk`).
        seed: of the samples.
        sample: so many rows are looked at at once, at most, four times; all of them, once, where there are no more.
    """
    candidates = [
        Candidate(_BALL, head, Decode.WARD),
        Candidate(_DISK, disk, Decode.CIRCLE_WARD),
        Candidate(_DISK, disk, Decode.CIRCLE_SINGLE),
    ]
    candidates += [] if walk is None else [Candidate(_WALK, walk, Decode.WARD)]
    return choose_among(latent, candidates, Rule.CUTS, seed=seed, sample=sample)


def choose_among(
    latent: Float32,
    candidates: Sequence[Candidate],
    rule: Rule = Rule.TREE,
    *,
    seed: int = 0,
    sample: int = 2_500,
) -> Choice:
    """Choose between any number of heads and decodings, without labels.

    Neighbours are those in the latent space: candidates need not share a space of their own.

    Args:
        latent: ``(n, d)`` float32, n >= 2.
        candidates: at least one.
        rule: what is asked of the tree.
        seed: of the samples.
        sample: as for `choose_tree`.

    Raises:
        InputError: no candidates.

    Example:
        >>> x = np.array([[1, 0], [1, 0.1], [-1, 0], [-1, 0.1]], np.float32)
        >>> none = np.zeros((2, 1), np.float32), np.zeros(1, np.float32), np.zeros((1, 2), np.float32)
        >>> plain = Head(np.zeros(2, np.float32), np.ones(2, np.float32), np.eye(2, dtype=np.float32), *none)
        >>> choose_among(x, [Candidate("plain", plain, kind) for kind in Decode]).name
        'plain'
    """
    if not candidates:
        raise InputError("candidates should be at least one head with a decoding; found none")
    n, rng = len(latent), np.random.default_rng(seed)
    draws = [np.arange(n)] if n <= sample else [rng.choice(n, sample, replace=False) for _ in range(_DRAWS)]
    samples = [np.ascontiguousarray(latent[np.sort(rows)]) for rows in draws]
    near = [_nearest(x, _NEIGHBOURS) for x in samples]
    scores = tuple(_score(candidate, samples, near, seed) for candidate in candidates)
    chosen = rule.pick(scores)
    return Choice(chosen.name, chosen.decode, scores)


def _score(candidate: Candidate, samples: Sequence[Float32], near: Sequence[Int64], seed: int) -> Score:
    found = []
    for x, around in zip(samples, near, strict=True):
        points = candidate.head(x)
        tree = decode(points, candidate.decode)
        agreement = float(np.mean([modularity(tree.cut(k), around) for k in _widths(len(x))]))
        cost = dasgupta_cost(tree, x, normalised=True)
        steady = stability(points, candidate.decode, seed=seed)
        found.append((agreement, cost, neighbour_purity(tree, around), steady))
    agreement, cost, purity, steady = np.mean(np.array(found), axis=0).tolist()
    return Score(candidate.name, candidate.head.dim, candidate.decode, agreement, cost, purity, steady)


def stability(points: Float32, kind: Decode, *, seed: int = 0) -> float:
    """How much alike a third of the rows is cut in two trees, each over these and over another third.

    The mean `metrics.adjusted_rand` of the cuts into 2, 4, 8 .. sqrt(n) nodes, n being the rows of such a tree; 1 for
    fewer than 12 rows, of which nothing can be said.

    Args:
        points: ``(n, p)``, what a head makes of rows.
        kind: how the points become a tree.
        seed: of the thirds.
    """
    if len(points) < _FEW:
        return 1.0
    shared, *others = np.array_split(np.random.default_rng(seed).permutation(len(points)), 3)
    trees = [decode(points[np.concatenate([shared, other])], kind) for other in others]
    m = len(shared)
    return float(np.mean([adjusted_rand(*(tree.cut(k)[:m] for tree in trees)) for k in _widths(2 * m)]))


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


def neighbour_purity(tree: Tree, near: Int64) -> float:
    """Dendrogram purity where the class of a row is the row and those near it: 1 if all such sets are nodes.

    The mean over rows i and rows j near i of the share that i and the rows near it have in the smallest node that holds
    i and j (K. Heller and Z. Ghahramani's measure, ICML 2005, with neighbours in the place of labels).

    Args:
        tree: over n rows.
        near: ``(n, k)`` the rows near each row, other than itself.

    Example:
        >>> tree = Tree.from_linkage([[0, 1, 1, 2], [2, 3, 1, 2], [4, 5, 2, 4]])
        >>> [neighbour_purity(tree, np.array(near)) for near in ([[1], [0], [3], [2]], [[2], [3], [0], [1]])]
        [1.0, 0.5]
    """
    sizes = np.sort(tree.sizes[tree.lca(np.arange(len(near))[:, None], near)], axis=1)
    # the nodes above a row are one chain: what lies under one of them is what meets the row at no larger node
    under = 1 + (sizes[:, :, None] >= sizes[:, None, :]).sum(axis=2)
    return float((under / sizes).mean())


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
