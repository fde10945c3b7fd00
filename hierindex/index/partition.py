"""From rows to leaves and the tree above them.

A small set is decoded whole, and its leaves are subtrees of that tree. A large one is divided by k-means in the space
that is searched; the tree above these cells comes from the head: a weighted decode of the cells' mean points.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hierindex.decode import Decode, decode, klein_to_poincare
from hierindex.head import unit
from hierindex.index.config import IndexConfig
from hierindex.index.native import kmeans, nearest
from hierindex.index.nodes import Nodes
from hierindex.linkage import Float64
from hierindex.tree import Tree
from hierindex.vectors import Float32, Int64

__all__ = ["cells", "decode_groups", "divide", "group_sums", "nodes_of", "subtrees", "summed_up"]

_SAMPLE_PER_CELL = 64


def subtrees(rows: Float32, points: Float32, tree: Tree, n_leaves: int) -> tuple[Nodes, Int64]:
    """Leaves that are subtrees of a tree over all rows: its cut into ``n_leaves``.

    Returns:
        the nodes, and ``(n,)`` the leaf of each row.
    """
    leaf = tree.cut(n_leaves)
    return nodes_of(_top(tree, n_leaves), rows, points, leaf), leaf


def divide(rows: Float32, points: Float32, kind: Decode, config: IndexConfig, held_out: Int64) -> tuple[Nodes, Int64]:
    """Leaves that are k-means cells of the rows, under a decode of the cells.

    Args:
        rows: ``(n, d)``.
        points: ``(n, p)``.
        kind: how cells become a tree.
        config: number of leaves and seed.
        held_out: row numbers that must not shape the cells (they measure recall later).
    """
    leaf = cells(rows, config.leaves_for(len(rows)), config.seed, held_out)
    counts, sums = group_sums(points, leaf, int(leaf.max()) + 1)
    return nodes_of(decode_groups(counts, sums, kind), rows, points, leaf), leaf


def cells(rows: Float32, k: int, seed: int, held_out: Int64 | None = None) -> Int64:
    """``(n,)``: the k-means cell 0 .. c-1 of each row; cells that end up empty are left out, so that c <= k."""
    usable = np.ones(len(rows), np.bool_)
    if held_out is not None and len(rows) - len(held_out) >= k:
        usable[held_out] = False
    sample = np.flatnonzero(usable)
    if len(sample) > _SAMPLE_PER_CELL * k:
        sample = np.sort(np.random.default_rng(seed).choice(sample, _SAMPLE_PER_CELL * k, replace=False))
    cell = nearest(rows, kmeans(rows[sample], k, seed))
    return np.unique(cell, return_inverse=True)[1].astype(np.int64).reshape(len(rows))


def decode_groups(counts: Int64, sums: Float64, kind: Decode) -> Tree:
    """The tree over groups of points given by how many they are and the sum of their points."""
    means = (sums / counts[:, None]).astype(np.float32)
    if kind.on_circle:  # the circle has no inside: a group stands at its mean direction
        means = unit(means)
    return decode(means, kind, weights=counts)


def nodes_of(top: Tree, rows: Float32, points: Float32, leaf: Int64) -> Nodes:
    """The nodes of a tree over groups, given the group ``leaf`` ``(n,)`` of each row; node i is node i of ``top``."""
    counts, row_sums = group_sums(rows, leaf, top.n)
    _, point_sums = group_sums(points, leaf, top.n)
    count = summed_up(top, counts[:, None])[:, 0]
    weight = np.maximum(count, 1)[:, None]
    return Nodes(
        parent=top.parents.copy(),
        height=top.heights.copy(),
        centroid=(summed_up(top, row_sums) / weight).astype(np.float32),
        ball=klein_to_poincare(summed_up(top, point_sums) / weight).astype(np.float32),
        count=count.astype(np.int64),
    )


def group_sums(
    x: Float32, group: Int64, k: int, *, some: Int64 | None = None, at_once: int = 65_536
) -> tuple[Int64, Float64]:
    """``(k,)`` sizes and ``(k, d)`` float64 sums of the rows ``(n, d)``, or of ``some``, of each group 0 .. k-1."""
    sums = np.zeros((k, x.shape[1]))
    for start in range(0, len(group), at_once):
        part = group[start : start + at_once]
        rows = x[start : start + len(part)] if some is None else x[some[start : start + at_once]]
        ends = np.concatenate([[0], np.cumsum(np.bincount(part, minlength=k))])
        members = csr_array((np.ones(len(part)), np.argsort(part, kind="stable"), ends), shape=(k, len(part)))
        sums += members @ rows
    return np.bincount(group, minlength=k).astype(np.int64), sums


def summed_up(top: Tree, values: NDArray[np.generic]) -> Float64:
    """``(2k-1, ...)``: values of the k leaves, then their sums at the inner nodes."""
    total = np.concatenate([values, np.zeros((top.n - 1, values.shape[1]))]).astype(np.float64)
    for i, (a, b) in enumerate(top.children.tolist()):
        total[top.n + i] = total[a] + total[b]
    return total


def _top(tree: Tree, k: int) -> Tree:
    """The last k-1 merges of a tree as a tree over the k nodes of its cut, numbered as ``cut`` does."""
    merges = tree.linkage[tree.n - k :].copy()
    number = np.zeros(2 * tree.n - 1, np.int64)
    number[tree.nodes_at(k)] = np.arange(k)
    number[2 * tree.n - k :] = np.arange(k, 2 * k - 1)
    merges[:, :2] = number[merges[:, :2].astype(np.int64)]
    sizes = np.ones(2 * k - 1)
    for i, (a, b) in enumerate(merges[:, :2].astype(np.int64).tolist()):
        sizes[k + i] = sizes[a] + sizes[b]
    merges[:, 3] = sizes[k:]
    return Tree(merges)
