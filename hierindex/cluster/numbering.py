"""Nodes numbered so that leaves bear the numbers 0, 1, 2 .. from left to right.

Then a run of neighbouring leaves is a range of numbers, and the log of the index says of each part which range of
leaves it holds: a worker passes over the parts that are not its own.
"""

from __future__ import annotations

import numpy as np

from hierindex.index.nodes import Nodes
from hierindex.vectors import Int64

__all__ = ["in_line"]


def in_line(nodes: Nodes) -> tuple[Nodes, Int64]:
    """The same tree with leaf i at position i; and ``(m,)`` the new number of each node, -1 for one that is not in it.

    A child that is a leaf comes before one that is none, so that the rule of `Nodes` (smaller number first) finds the
    leaves in the order of their numbers.
    """
    order = _order(nodes)
    leaf = nodes.is_leaf[order]
    old = np.concatenate([order[leaf], order[~leaf]])
    new = np.full(len(nodes), -1, np.int64)
    new[old] = np.arange(len(old))
    parent = nodes.parent[old]
    return (
        Nodes(
            parent=np.where(parent >= 0, new[parent], -1),
            height=nodes.height[old],
            centroid=nodes.centroid[old],
            ball=nodes.ball[old],
            count=nodes.count[old],
        ),
        new,
    )


def _order(nodes: Nodes) -> Int64:
    """All nodes, each before what is below it, leaves before their siblings that are none."""
    order, stack = [], [nodes.root]
    while stack:
        node = stack.pop()
        order.append(node)
        left, right = nodes.children[node].tolist()
        if left >= 0:
            stack += [left, right] if nodes.is_leaf[right] and not nodes.is_leaf[left] else [right, left]
    return np.array(order, np.int64)
