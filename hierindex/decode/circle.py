"""Trees of points on a circle, by sorting their angles: every node is an arc.

HypHC (arXiv 2010.00402) decodes by single linkage on the depth of common ancestors. With all points on one circle that
depth falls with the angle between them, so its tree is single linkage on angles, and that is Kruskal on the gaps
between neighbours. It chains where clusters touch; Ward's linkage restricted to neighbours chains less.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import NamedTuple

import numpy as np

from hierindex.linkage import Float64
from hierindex.tree import Tree
from hierindex.vectors import Int64

__all__ = ["circle_single", "circle_ward"]

#: So many clusters are merged one at a time, from a heap; more of them in bulk.
_FEW = 1_000


def circle_single(points: Float64) -> Tree:
    """Exact single linkage of n >= 2 points of the plane on the angles between them, in O(n log n).

    Heights are angles in radians, 0 to pi. The circle is cut at its widest gap (the first one where there are more);
    equal gaps merge in the order of the circle.
    """
    rows, gaps = _along_circle(points)
    widest = int(gaps.argmax())
    rows, gaps = np.roll(rows, -widest - 1), np.roll(gaps, -widest - 1)[:-1]
    by_width = np.argsort(gaps, kind="stable")
    return Tree.from_merges(_merge_runs(rows, by_width), gaps[by_width])


def circle_ward(points: Float64, weights: Float64) -> Tree:
    """Ward's linkage of n >= 2 weighted points of the plane in which only neighbours on the circle may merge.

    Always the cheapest pair of neighbours next: O(n log n). Costs and heights are those of `ward_tree`; a merge that is
    cheaper than one below it (possible, since its partners were no neighbours before) is lifted to that height. Ties go
    to the clusters made first.
    """
    rows, _ = _along_circle(points)
    arcs, early, early_costs = _merge_minima(_Arcs(rows, points[rows], weights[rows]))
    late, late_costs = _merge_cheapest(arcs, first=len(points) + len(early))
    return Tree.from_merges(np.concatenate([early, late]), np.sqrt(2 * np.concatenate([early_costs, late_costs])))


class _Arcs(NamedTuple):
    """Clusters in the order of the circle."""

    node: Int64  # (m,)
    mean: Float64  # (m, 2)
    mass: Float64  # (m,)


def _merge_minima(arcs: _Arcs) -> tuple[_Arcs, Int64, Float64]:
    """Merge all pairs that cost less than both links beside them, again and again, while there are many.

    That is what taking the cheapest pair each time comes to, in bulk: on arcs of less than half a circle a neighbour
    that merges with its other neighbour grows heavier and moves away, so that a link never gets cheaper.
    Gives the clusters left, and the children and costs of the merges made.
    """
    new = len(arcs.node)
    children, costs = [np.empty((0, 2), np.int64)], [np.empty(0)]
    while len(arcs.node) > _FEW:
        node, mean, mass = arcs
        next_node, next_mass = np.roll(node, -1), np.roll(mass, -1)
        step = np.roll(mean, -1, axis=0) - mean
        share = next_mass / (mass + next_mass)
        cost = mass * share * (step * step).sum(axis=1)
        a = np.flatnonzero((cost < np.roll(cost, 1)) & (cost <= np.roll(cost, -1)))
        if len(a) * 50 < len(node):  # one long slope, or many equal points: not worth a pass over all
            break
        children.append(np.stack([node[a], next_node[a]], axis=1))
        costs.append(cost[a])
        merged = _Arcs(node.copy(), mean.copy(), mass.copy())
        merged.node[a] = new + np.arange(len(a))
        merged.mean[a] += step[a] * share[a, None]
        merged.mass[a] += next_mass[a]
        stays = np.ones(len(node), dtype=bool)
        stays[(a + 1) % len(node)] = False
        arcs = _Arcs(merged.node[stays], merged.mean[stays], merged.mass[stays])
        new += len(a)
    return arcs, np.concatenate(children), np.concatenate(costs)


def _merge_cheapest(arcs: _Arcs, first: int) -> tuple[Int64, Float64]:
    """Children and costs of merging down to one cluster, the cheapest pair of neighbours at a time, from a heap."""
    m = len(arcs.node)
    node: list[int] = arcs.node.tolist()
    x, y, mass = arcs.mean[:, 0].tolist(), arcs.mean[:, 1].tolist(), arcs.mass.tolist()
    before, after = [m - 1, *range(m - 1)], [*range(1, m), 0]

    def cost(a: int, b: int) -> float:
        dx, dy = x[a] - x[b], y[a] - y[b]
        return float(mass[a] * mass[b] / (mass[a] + mass[b]) * (dx * dx + dy * dy))

    heap = [(cost(a, b), a, b) for a, b in enumerate(after)]
    heapify(heap)
    children, costs = np.empty((m - 1, 2), np.int64), np.empty(m - 1)
    for merge in range(m - 1):
        spread, a, b = heappop(heap)
        while after[a] != b:  # one of the two has been merged since
            spread, a, b = heappop(heap)
        children[merge], costs[merge] = (node[a], node[b]), spread
        share, new = mass[b] / (mass[a] + mass[b]), len(node)
        node.append(first + merge)
        x.append(x[a] + (x[b] - x[a]) * share)
        y.append(y[a] + (y[b] - y[a]) * share)
        mass.append(mass[a] + mass[b])
        left, right = before[a], after[b]
        before.append(left)
        after.append(right)
        after[left] = before[right] = new
        after[a] = after[b] = -1
        heappush(heap, (cost(left, new), left, new))
        heappush(heap, (cost(new, right), new, right))
    return children, costs


def _along_circle(points: Float64) -> tuple[Int64, Float64]:
    """Rows by angle, and the gap from each to the next; the last gap closes the circle."""
    angles = np.arctan2(points[:, 1], points[:, 0])
    rows = np.argsort(angles, kind="stable")
    gaps = np.diff(angles[rows], append=angles[rows[0]] + 2 * np.pi)
    return rows, gaps


def _merge_runs(rows: Int64, cuts: Int64) -> Int64:
    """Children of the merges that close, one after another, the gaps ``cuts`` between the places of a line.

    A run of places is known by its two ends; each end knows the other, and the node of the run.
    """
    n = len(rows)
    node, other = rows.tolist(), list(range(n))
    left, right = [], []
    for new, gap in enumerate(cuts.tolist(), start=n):
        left.append(node[gap])
        right.append(node[gap + 1])
        first, last = other[gap], other[gap + 1]
        other[first], other[last] = last, first
        node[first] = node[last] = new
    return np.array([left, right], dtype=np.int64).T
