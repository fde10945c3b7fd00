"""Linkage matrices, SciPy's form of a binary tree: checking one, sorting merges into one, hanging some under another.

A row is left child, right child, height, number of leaves. Leaves are numbered 0 .. n-1, row i makes node n+i, and
heights never decrease from row to row.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hierindex.errors import InputError
from hierindex.vectors import Int64

__all__ = ["Float64", "as_linkage", "join_linkages", "sort_merges"]

Float64 = NDArray[np.float64]


def as_linkage(linkage: ArrayLike) -> Float64:
    """A checked float64 copy ``(n-1, 4)``.

    Raises:
        InputError: wrong shape, not finite, a child that does not exist yet or has two parents, wrong sizes, heights
            that are negative or decrease.

    Example:
        >>> as_linkage([[0, 1, 0.5, 2]])
        array([[0. , 1. , 0.5, 2. ]])
    """
    try:
        array = np.array(linkage, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"linkage should be an array (n-1, 4) of numbers; found {type(linkage).__name__}") from error
    if array.ndim != 2 or array.shape[1] != 4:
        raise InputError(f"linkage should have shape (n-1, 4), as SciPy's; found shape {array.shape}")
    if not np.isfinite(array).all():
        raise InputError("linkage should be finite; found NaN or infinity")
    _check_children(array[:, :2])
    _check_sizes(array)
    heights = array[:, 2]
    if (heights < 0).any() or (np.diff(heights) < 0).any():
        raise InputError(
            "linkage heights should be 0 or above and never decrease; found some that do (centroid and median linkage "
            "can); use ward, single, complete or average linkage"
        )
    return array


def sort_merges(children: Int64, heights: Float64) -> Float64:
    """The linkage of n-1 merges given in any order in which a node is made before it is merged.

    Merge i makes node n+i. Merges are sorted by height (equal ones keep their order) and renumbered. One that is lower
    than its own child is lifted to it, so that heights never decrease toward the root.

    Args:
        children: ``(n-1, 2)``, left and right child of each merge; trusted.
        heights: ``(n-1,)``.

    Example:
        >>> sort_merges(np.array([[0, 1], [2, 3], [4, 5]]), np.array([2.0, 1.0, 1.5])).tolist()
        [[2.0, 3.0, 1.0, 2.0], [0.0, 1.0, 2.0, 2.0], [5.0, 4.0, 2.0, 4.0]]
    """
    n = len(children) + 1
    lifted, sizes = [0.0] * n, [1] * n
    for (a, b), height in zip(children.tolist(), heights.tolist(), strict=True):
        lifted.append(max(height, lifted[a], lifted[b]))
        sizes.append(sizes[a] + sizes[b])
    tops = np.array(lifted[n:])
    by_height = np.argsort(tops, kind="stable")  # stable: a child lifted to its parent's height stays before it
    number = np.arange(2 * n - 1)
    number[n + by_height] = np.arange(n, 2 * n - 1)
    linkage = np.empty((n - 1, 4))
    linkage[:, :2] = number[children[by_height]]
    linkage[:, 2] = tops[by_height]
    linkage[:, 3] = np.array(sizes[n:])[by_height]
    return linkage


def join_linkages(top: Float64, inner: Sequence[Float64], members: Sequence[Int64]) -> Float64:
    """The linkage over all rows that hangs the tree ``inner[g]`` over the rows ``members[g]`` under leaf g of ``top``.

    Raises:
        InputError: the three do not fit together, or the members are no partition of 0 .. n-1.

    Example:
        >>> pair = np.array([[0, 1, 0.5, 2]])
        >>> join_linkages(np.array([[0, 1, 2.0, 2]]), [pair, np.empty((0, 4))], [np.array([0, 2]), np.array([1])])
        array([[0. , 2. , 0.5, 2. ], [3. , 1. , 2. , 3. ]])
    """
    rows, sizes = _check_groups(len(top) + 1, inner, members)
    n, merges = len(rows), sizes - 1
    first_row, first_merge = np.cumsum(sizes) - sizes, np.cumsum(merges) - merges
    below = np.concatenate(inner)
    group = np.repeat(np.arange(len(sizes)), merges)
    low = below[:, :2].astype(np.int64)
    leaf = low < sizes[group, None]
    low[leaf] = rows[(low + first_row[group, None])[leaf]]
    low[~leaf] += (n + first_merge - sizes)[group, None].repeat(2, axis=1)[~leaf]
    roots = np.where(merges == 0, rows[first_row], n + first_merge + merges - 1)
    number = np.concatenate([roots, n + len(below) + np.arange(len(top))])
    high = number[top[:, :2].astype(np.int64)]
    return sort_merges(np.concatenate([low, high]), np.concatenate([below[:, 2], top[:, 2]]))


def _check_children(children: Float64) -> None:
    made = len(children) + 1 + np.arange(len(children))[:, None]
    wrong = (children != np.floor(children)) | (children < 0) | (children >= made)
    if wrong.any():
        row = int(np.flatnonzero(wrong.any(axis=1))[0])
        raise InputError(
            f"row {row} of linkage should merge two nodes from 0 to {int(made[row, 0]) - 1}; "
            f"found {children[row].tolist()}"
        )
    times = np.bincount(children.ravel().astype(np.int64), minlength=1)
    if (times > 1).any():
        raise InputError(f"each node should be merged once; found more than once: {np.flatnonzero(times > 1)[0]}")


def _check_sizes(linkage: Float64) -> None:
    sizes = np.concatenate([np.ones(len(linkage) + 1), linkage[:, 3]])
    wrong = sizes[linkage[:, :2].astype(np.int64)].sum(axis=1) != linkage[:, 3]
    if wrong.any():
        raise InputError(
            f"the last column of linkage should count the leaves of each merge; row {np.flatnonzero(wrong)[0]} does not"
        )


def _check_groups(m: int, inner: Sequence[Float64], members: Sequence[Int64]) -> tuple[Int64, Int64]:
    """All rows, group by group, and the size of each group."""
    if not m == len(inner) == len(members):
        raise InputError(
            f"a tree over {m} groups takes {m} inner trees and {m} member lists; "
            f"found {len(inner)} trees and {len(members)} lists"
        )
    sizes = np.array([len(each) for each in members], dtype=np.int64)
    leaves = np.array([len(each) + 1 for each in inner])
    if (sizes != leaves).any():
        g = int(np.flatnonzero(sizes != leaves)[0])
        raise InputError(f"inner tree {g} should have a leaf for each of its {sizes[g]} members; found {leaves[g]}")
    rows = np.concatenate(members)
    if not np.array_equal(np.sort(rows), np.arange(len(rows))):
        raise InputError(f"members should hold each row 0 .. {len(rows) - 1} once; found rows missing or twice")
    return rows.astype(np.int64, copy=False), sizes
