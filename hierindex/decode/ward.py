"""Ward's linkage of weighted points."""

from __future__ import annotations

import numpy as np
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import pdist

from hierindex.errors import InputError
from hierindex.linkage import Float64, sort_merges
from hierindex.tree import Tree
from hierindex.vectors import Int64

__all__ = ["WARD_LIMIT", "ward_tree"]

#: Rows that Ward's linkage takes: its time grows with their square (at 30,000 rows of 16 numbers, about a minute).
WARD_LIMIT = 30_000
#: Up to here SciPy does the unweighted case: it is faster, and keeps n^2 numbers (0.8 GB at 10,000).
_SCIPY_LIMIT = 10_000


def ward_tree(points: Float64, weights: Float64) -> Tree:
    """Ward's tree over n >= 2 rows: merge the two clusters whose merging adds least to the squared spread, repeat.

    The height of merging clusters of weights w_a, w_b and means c_a, c_b is sqrt(2 w_a w_b / (w_a + w_b)) |c_a - c_b|
    (J. H. Ward, JASA 1963; scaled as SciPy does). Ward's linkage is reducible, so the tree over the cells of a cut,
    each given by its mean and weight, is the top of the tree over all points.

    Raises:
        InputError: more than `WARD_LIMIT` rows that differ.
    """
    if len(points) > WARD_LIMIT:
        return _ward_of_distinct(points, weights)
    if len(points) <= _SCIPY_LIMIT and (weights == 1).all():
        return Tree(linkage(pdist(points), "ward"))  # given points, linkage warns of some that look like distances
    merges = sort_merges(*_nearest_neighbour_chain(points, weights))
    merges[:, :2].sort(axis=1)  # the lower number first, as SciPy does
    return Tree(merges)


def _ward_of_distinct(points: Float64, weights: Float64) -> Tree:
    """Ward's tree of many rows of which few differ: equal ones are merged first, at height 0, in a balanced tree."""
    distinct, which, times = np.unique(points, axis=0, return_inverse=True, return_counts=True)
    if len(distinct) > WARD_LIMIT:
        raise InputError(
            f"Ward's linkage takes up to {WARD_LIMIT} different points; found {len(distinct)}; group them into "
            "prototypes (cells) first and decode those, weighted by their counts"
        )
    members = np.split(np.argsort(which.ravel(), kind="stable"), np.cumsum(times)[:-1])
    # the queue 0, 1, 2, ... taken two at a time, each pair put at its end, is a balanced tree
    equal = [Tree.from_merges(np.arange(2 * m - 2).reshape(-1, 2), np.zeros(m - 1)) for m in times.tolist()]
    masses = np.bincount(which.ravel(), weights=weights).astype(np.float64)
    top = ward_tree(distinct, masses) if len(distinct) > 1 else Tree(np.empty((0, 4)))
    return Tree.join(top, equal, members)


def _nearest_neighbour_chain(points: Float64, weights: Float64) -> tuple[Int64, Float64]:
    """Merges and their heights, not sorted: walk to the nearest cluster until two are each other's nearest, merge them.

    F. Murtagh, The Computer Journal 26 (1983). O(n^2 p) time, O(n p) memory. Ties go to the cluster one came from (so
    that the walk ends), else to the lowest place.
    """
    n = len(points)
    clusters = _Clusters(points, weights)
    children, heights = np.empty((n - 1, 2), np.int64), np.empty(n - 1)
    chain: list[int] = []
    for merge in range(n - 1):
        if clusters.half_empty:
            chain = clusters.close_up(chain)
        if not chain:
            chain = [clusters.first()]
        while True:
            costs = clusters.costs(chain[-1])
            nearest = int(costs.argmin())
            if len(chain) > 1 and costs[chain[-2]] <= costs[nearest]:
                break
            chain.append(nearest)
        a, b = chain.pop(), chain.pop()
        heights[merge] = np.sqrt(costs[b])
        children[merge] = clusters.merge(a, b, n + merge)
    return children, heights


class _Clusters:
    """Means and weights of the clusters that are left, in places; an empty place has its mean at infinity."""

    def __init__(self, points: Float64, weights: Float64) -> None:
        self.means = np.ascontiguousarray(points.T)  # (p, places): sums over p are then whole rows at a time
        self.weights = weights.copy()
        self.node = np.arange(len(points))
        self.left = len(points)

    @property
    def half_empty(self) -> bool:
        return 2 * self.left <= len(self.node)

    def first(self) -> int:
        return int(np.isfinite(self.means[0]).argmax())

    def costs(self, a: int) -> Float64:
        """Ward's squared height of merging the cluster at place a with each other one.

        Bit for bit the same for (a, b) as for (b, a): the walk above relies on it.
        """
        difference = self.means - self.means[:, a : a + 1]
        difference *= difference
        costs = difference.sum(axis=0)
        costs *= 2 * (self.weights * self.weights[a] / (self.weights + self.weights[a]))
        costs[a] = np.inf
        return np.asarray(costs)

    def merge(self, a: int, b: int, node: int) -> tuple[int, int]:
        """Put a and b together at the lower place, as ``node``; gives the two nodes they were."""
        low, high = min(a, b), max(a, b)
        pair = int(self.node[low]), int(self.node[high])
        total = self.weights[low] + self.weights[high]
        # a step from one mean toward the other: stays exact where the two are the same
        self.means[:, low] += (self.means[:, high] - self.means[:, low]) * (self.weights[high] / total)
        self.means[:, high] = np.inf
        self.weights[low], self.node[low] = total, node
        self.left -= 1
        return pair

    def close_up(self, chain: list[int]) -> list[int]:
        """Drop the empty places; gives the chain in the new places."""
        full = np.isfinite(self.means[0])
        place = np.cumsum(full) - 1
        self.means, self.weights, self.node = self.means[:, full].copy(), self.weights[full], self.node[full]
        return [int(place[each]) for each in chain]
