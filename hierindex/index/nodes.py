"""The tree down to the index's leaves, as plain arrays in which nodes are only ever appended.

A node is a position in the arrays. A leaf is a node without children: a cell that holds rows. When a leaf splits, its
number stays, as the inner node above the new leaves; so a leaf number written to disk is never wrong, only early.
Upkeep (`upkeep`) takes nodes out of the tree: these are retired, and their numbers are never given out again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hierindex.errors import CorruptIndexError, InputError
from hierindex.vectors import Float32, Int64

__all__ = ["RETIRED", "Nodes"]

RETIRED = -2
"""In the place of a parent: the node is in the tree no more."""


@dataclass(frozen=True)
class Nodes:
    """A binary tree over the leaves of an index, in m nodes of which some may be retired.

    Attributes:
        parent: ``(m,)`` int64; -1 at the root, `RETIRED` at a node that is in the tree no more.
        height: ``(m,)`` float64; 0 for leaves, never above the parent's.
        centroid: ``(m, d)`` float32, the mean of the node's rows (as they are compared) when the node was made.
        ball: ``(m, p)`` float32, the node's place in the Poincare ball: the Klein mean of its rows' ideal points.
        count: ``(m,)`` int64, how many rows were below the node when the arrays were made.

    Example:
        >>> zeros = np.zeros((3, 2), np.float32)
        >>> nodes = Nodes(np.array([2, 2, -1]), np.array([0.0, 0.0, 1.5]), zeros, zeros, np.array([4, 3, 7]))
        >>> nodes.root, nodes.leaves.tolist(), nodes.path(1)
        (2, [0, 1], [2, 1])
    """

    parent: Int64
    height: NDArray[np.float64]
    centroid: Float32
    ball: Float32
    count: Int64

    def __len__(self) -> int:
        """m, inner nodes, leaves and retired ones together."""
        return len(self.parent)

    @cached_property
    def root(self) -> int:
        """The node without a parent."""
        return int(np.flatnonzero(self.parent == -1)[0])

    @cached_property
    def children(self) -> Int64:
        """``(m, 2)``: the two children of each node, smaller number first; -1 for leaves."""
        below = np.argsort(self.parent, kind="stable")
        below = below[self.parent[below] >= 0]  # the root and what is retired go
        children = np.full((len(self), 2), -1, np.int64)
        children[self.parent[below[0::2]], 0] = below[0::2]
        children[self.parent[below[1::2]], 1] = below[1::2]
        return children

    @cached_property
    def is_leaf(self) -> NDArray[np.bool_]:
        """``(m,)``: whether the node holds rows itself."""
        return np.asarray((self.children[:, 0] < 0) & ~self.retired)

    @cached_property
    def retired(self) -> NDArray[np.bool_]:
        """``(m,)``: whether the node is in the tree no more."""
        return np.asarray(self.parent == RETIRED)

    @cached_property
    def preorder(self) -> Int64:
        """``(m,)``: all nodes, each before what is below it, left before right."""
        children = self.children.tolist()
        order, stack = [], [self.root]
        while stack:
            node = stack.pop()
            order.append(node)
            left, right = children[node]
            if left >= 0:
                stack += [right, left]
        return np.array(order, np.int64)

    @cached_property
    def leaves(self) -> Int64:
        """``(L,)``: the leaves' node numbers from left to right; a leaf's position here is its list in the scan."""
        return self.preorder[self.is_leaf[self.preorder]]

    @cached_property
    def leaf_position(self) -> Int64:
        """``(m,)``: where a leaf stands in `leaves`; -1 for inner nodes."""
        position = np.full(len(self), -1, np.int64)
        position[self.leaves] = np.arange(len(self.leaves))
        return position

    @cached_property
    def leaf_centroids(self) -> Float32:
        """``(L, d)``: the centroids of `leaves`, contiguous."""
        return np.ascontiguousarray(self.centroid[self.leaves])

    @cached_property
    def spans(self) -> Int64:
        """``(m, 2)``: the leaves below a node are ``leaves[start:stop]``; for a leaf, itself."""
        spans = np.zeros((len(self), 2), np.int64)
        spans[self.leaves] = np.arange(len(self.leaves))[:, None] + [0, 1]
        children = self.children
        for node in self.preorder[::-1]:
            left, right = children[node]
            if left >= 0:
                spans[node] = spans[left, 0], spans[right, 1]
        return spans

    @cached_property
    def depth(self) -> Int64:
        """``(m,)``: how many steps a node is below the root."""
        depth = np.zeros(len(self), np.int64)
        for node in self.preorder[1:]:
            depth[node] = depth[self.parent[node]] + 1
        return depth

    def path(self, node: int) -> list[int]:
        """The nodes from the root down to ``node``, both included.

        Raises:
            InputError: there is no such node.
        """
        self._known(node)
        path = [int(node)]
        while (above := int(self.parent[path[-1]])) >= 0:
            path.append(above)
        return path[::-1]

    def leaves_under(self, node: int) -> Int64:
        """The leaves below a node, from left to right; a leaf is below itself.

        Raises:
            InputError: there is no such node.
        """
        self._known(node)
        start, stop = self.spans[node]
        return self.leaves[start:stop]

    def cut(self, width: int) -> Int64:
        """The ``width`` nodes into which the tree falls when its highest nodes are taken out, from left to right.

        Cuts are nested: that of width + 1 splits one node of that of width.

        Raises:
            InputError: fewer than one node, or more than there are leaves.
        """
        if not 1 <= width <= len(self.leaves):
            raise InputError(f"width should be in 1..{len(self.leaves)}, the number of leaves; found {width}")
        opened = np.zeros(len(self), np.bool_)
        opened[self._highest_first[: width - 1]] = True
        parent = self.parent[self.preorder]
        under_opened = np.where(parent >= 0, opened[parent], True)  # the root is below nothing: part of the cut
        return self.preorder[under_opened & ~opened[self.preorder]]

    def counts(self, leaf: Int64) -> Int64:
        """``(m,)``: rows below each node for the leaf numbers ``leaf`` of the rows."""
        count = np.bincount(leaf, minlength=len(self)).astype(np.int64)
        for node in self.preorder[:0:-1]:
            count[self.parent[node]] += count[node]
        return count

    def check(self) -> None:
        """See that the arrays are one binary tree.

        Raises:
            CorruptIndexError: lengths differ, a parent is out of range or retired, there is not one root, a node has
                not two children, there is a cycle, a height is above its parent's, or a value is not finite.
        """
        m, n_in = len(self.parent), int((~self.retired).sum())
        _need(n_in % 2 == 1, f"an odd number of nodes (a binary tree); found {n_in}")
        lengths = [len(self.height), len(self.centroid), len(self.ball), len(self.count)]
        _need(all(length == m for length in lengths), f"{m} of each value; found {lengths}")
        _need(bool(((self.parent >= RETIRED) & (self.parent < m)).all()), f"parents in {RETIRED}..{m - 1}")
        roots = np.flatnonzero(self.parent == -1)
        _need(len(roots) == 1, f"one root; found {len(roots)}")
        below = np.bincount(self.parent[self.parent >= 0], minlength=m)
        _need(bool(np.isin(below, (0, 2)).all()), "two children or none at every node")
        _need(len(self.preorder) == n_in, "every node below the root (no cycles)")
        for name in ("height", "centroid", "ball"):
            _need(bool(np.isfinite(getattr(self, name)).all()), f"finite values in {name}")
        inner = np.flatnonzero(self.parent >= 0)
        _need(bool((self.height[inner] <= self.height[self.parent[inner]]).all()), "heights below the parent's")

    @cached_property
    def _highest_first(self) -> Int64:
        """Inner nodes by falling height; of equal ones the nearer to the root first, so that parents come first."""
        inner = np.flatnonzero(self.children[:, 0] >= 0)
        return inner[np.lexsort((inner, self.depth[inner], -self.height[inner]))].astype(np.int64)

    def _known(self, node: int) -> None:
        if not 0 <= node < len(self):
            raise InputError(f"node should be in 0..{len(self) - 1}; found {node}")
        if self.retired[node]:
            raise InputError(f"node should be in the tree; found {node}, which upkeep has taken out; start at the root")


def _need(holds: bool, what: str) -> None:
    if not holds:
        raise CorruptIndexError(f"the tree of the index should have {what}; restore an older version or build it again")
