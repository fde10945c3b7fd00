"""Taking leaves out of the tree, and drawing it anew above the leaves. Nodes that go are retired, never renumbered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hierindex.decode import Decode, klein_to_poincare, poincare_to_klein
from hierindex.index.nodes import RETIRED, Nodes
from hierindex.index.partition import decode_groups, summed_up
from hierindex.vectors import Int64

__all__ = ["drawn_anew", "without"]


def without(nodes: Nodes, leaf: int) -> Nodes:
    """The tree without a leaf (not its last one): what stood beside it takes the place of the node above both."""
    above = int(nodes.parent[leaf])
    beside = int(nodes.children[above].sum()) - leaf
    parent = nodes.parent.copy()
    parent[beside] = nodes.parent[above]
    parent[[leaf, above]] = RETIRED
    return _emptied(replace(nodes, parent=parent), np.array([leaf, above]))


def drawn_anew(nodes: Nodes, kind: Decode) -> Nodes:
    """The same leaves under another tree: the decode of where they stand in the ball, weighted by their rows.

    Leaves keep their numbers; the nodes above them are new ones. So what has come since the tree was drawn becomes a
    branch where it belongs, not one below the leaf that it happened to come to.
    """
    leaves, m = nodes.leaves, len(nodes)
    if len(leaves) < 2:
        return nodes
    counts = np.maximum(nodes.count[leaves], 1)
    klein = poincare_to_klein(nodes.ball[leaves])
    top = decode_groups(counts, klein * counts[:, None], kind)
    number = np.concatenate([leaves, m + np.arange(top.n - 1)])
    weight = summed_up(top, counts[:, None])
    centroid = summed_up(top, nodes.centroid[leaves].astype(np.float64) * counts[:, None]) / weight
    ball = klein_to_poincare(summed_up(top, klein * counts[:, None]) / weight)
    count = summed_up(top, nodes.count[leaves][:, None])[:, 0].astype(np.int64)
    old = np.setdiff1d(np.flatnonzero(~nodes.retired), leaves)
    parent = np.concatenate([nodes.parent, np.full(top.n - 1, -1)])
    parent[old] = RETIRED
    parent[number] = np.where(top.parents < 0, -1, number[top.parents])
    height = np.concatenate([nodes.height, np.zeros(top.n - 1)])
    height[number] = top.heights
    grown = Nodes(
        parent=parent,
        height=height,
        centroid=np.concatenate([nodes.centroid, centroid[top.n :].astype(np.float32)]),
        ball=np.concatenate([nodes.ball, ball[top.n :].astype(np.float32)]),
        count=np.concatenate([nodes.count, count[top.n :]]),
    )
    return _emptied(grown, old)


def _emptied(nodes: Nodes, gone: Int64) -> Nodes:
    """Zeros where retired nodes stood: they take no room on disk."""
    changed = {name: getattr(nodes, name).copy() for name in ("height", "centroid", "ball", "count")}
    for values in changed.values():
        values[gone] = 0
    return replace(nodes, **changed)
