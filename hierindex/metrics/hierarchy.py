"""Retrieval judged by a hierarchy of classes: a wrong class that is near costs less than one that is far."""

from __future__ import annotations

from enum import Enum

import numpy as np
from numpy.typing import ArrayLike

from hierindex.errors import InputError
from hierindex.linkage import Float64
from hierindex.vectors import Int64, positive

__all__ = [
    "ClassMeasure",
    "class_similarity",
    "coarse_similarity",
    "hierarchical_precision",
    "mean_average_hierarchical_precision",
]


class ClassMeasure(Enum):
    """How alike two classes are, from their lowest common subsumer (lcs) in the hierarchy; 1 for the same class.

    ``LCS_HEIGHT``: 1 - height(lcs) / height(root); a node's height is its longest way down to a leaf (J. Deng, A. Berg
    and L. Fei-Fei, CVPR 2011).
    ``WU_PALMER``: 2 depth(lcs) / (depth(a) + depth(b)); the root has depth 1 (Z. Wu and M. Palmer, ACL 1994).
    """

    LCS_HEIGHT = "lcs-height"
    WU_PALMER = "wu-palmer"


def class_similarity(
    parents: ArrayLike, classes: ArrayLike | None = None, measure: ClassMeasure = ClassMeasure.LCS_HEIGHT
) -> Float64:
    """The similarity ``(C, C)`` of each two classes of a hierarchy.

    Args:
        parents: int ``(h,)``, the parent of each of the h nodes of the hierarchy; -1 for the one root.
        classes: int ``(C,)``, the nodes that classes 0 .. C-1 are; None takes the nodes without children, in order.
        measure: which similarity.

    Raises:
        InputError: the parents form no tree, or a class is no node of it.

    Example:
        >>> class_similarity([3, 3, 4, 4, -1]).tolist()
        [[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    above, depth = _tree(np.asarray(parents))
    leaves = np.setdiff1d(np.arange(len(above)), above)
    chosen = leaves if classes is None else np.asarray(classes)
    if chosen.ndim != 1 or chosen.dtype.kind not in "iu" or not np.isin(chosen, np.arange(len(above))).all():
        raise InputError(f"classes should be nodes from 0 to {len(above) - 1} of the hierarchy; found {chosen}")
    over = _ancestors(above, chosen)
    # the deepest of the common ancestors, one class at a time: (C, h) numbers, not (C, C, h)
    lcs = np.array([(depth * (over & own)).argmax(axis=1) for own in over]).reshape(len(chosen), len(chosen))
    if measure is ClassMeasure.WU_PALMER:
        return np.asarray(2 * depth[lcs] / (depth[chosen][:, None] + depth[chosen]))
    height = np.zeros(len(above))
    for node in np.argsort(-depth)[:-1]:
        height[above[node]] = max(height[above[node]], height[node] + 1)
    return np.asarray(1 - height[lcs] / max(height.max(), 1))


def coarse_similarity(coarse_of_fine: ArrayLike) -> Float64:
    """The same for two levels: 1 for the same fine class, 1/2 for the same coarse class, else 0.

    Args:
        coarse_of_fine: int ``(C,)``, the coarse class 0 .. G-1 of each fine class.

    Raises:
        InputError: not numbers of coarse classes.

    Example:
        >>> coarse_similarity([0, 0, 1])[0].tolist()
        [1.0, 0.5, 0.0]
    """
    coarse = np.asarray(coarse_of_fine)
    if coarse.ndim != 1 or coarse.size == 0 or coarse.dtype.kind not in "iu" or coarse.min() < 0:
        raise InputError(f"coarse_of_fine should hold a coarse class, 0 or above, for each fine one; found {coarse}")
    fine, root = len(coarse), len(coarse) + int(coarse.max()) + 1
    return class_similarity(np.concatenate([fine + coarse, np.full(root - fine, root), [-1]]), np.arange(fine))


def hierarchical_precision(
    found_labels: ArrayLike,
    query_labels: ArrayLike,
    similarity: Float64,
    k: int | None = None,
    *,
    counts: ArrayLike | None = None,
    leave_one_out: bool = False,
) -> float:
    """HP@k: the similarity to the query that the first k results sum to, over the best sum that there is.

    HP@k(q) = sum_{i<=k} s(q, r_i) / max over rankings of sum_{i<=k} s(q, r_i), averaged over queries (J. Deng, A. Berg
    and L. Fei-Fei, CVPR 2011; B. Barz and J. Denzler, WACV 2019).

    Args:
        found_labels: int ``(n, m)``, classes of the results, best first; -1 where there is none (similarity 0).
        query_labels: int ``(n,)``, classes of the queries.
        similarity: ``(C, C)``, see `class_similarity` and `coarse_similarity`.
        k: how many results count; None takes all m.
        counts: ``(C,)``, how many points of each class can be found, for the best sum; None means k or more of each.
        leave_one_out: whether ``counts`` holds the queries themselves, which are no results of their own.

    Raises:
        InputError: shapes that do not fit together, labels that are no class, k above m.

    Example:
        >>> hierarchical_precision([[0, 1], [2, 2]], [0, 2], coarse_similarity([0, 0, 1]))
        0.875
    """
    curve = _curve(np.asarray(found_labels), np.asarray(query_labels), similarity, counts, int(leave_one_out))
    return float(curve[:, _first(k, curve) - 1].mean())


def mean_average_hierarchical_precision(
    found_labels: ArrayLike,
    query_labels: ArrayLike,
    similarity: Float64,
    k: int | None = None,
    *,
    counts: ArrayLike | None = None,
    leave_one_out: bool = False,
) -> float:
    """mAHP@k: the mean of HP@1 .. HP@k, the area under their curve (B. Barz and J. Denzler, WACV 2019).

    1.0 is a perfect ranking. Their published figures come from the trapezoidal rule over k, which ends at 1 - 1/k: they
    are lower by (HP@1 + HP@k) / 2k, at most 0.004 at k = 250.

    Args, errors: as `hierarchical_precision`.

    Example:
        >>> mean_average_hierarchical_precision([[1, 0]], [0], coarse_similarity([0, 0, 1]))
        0.625
    """
    curve = _curve(np.asarray(found_labels), np.asarray(query_labels), similarity, counts, int(leave_one_out))
    return float(curve[:, : _first(k, curve)].mean())


def _curve(found: Int64, queries: Int64, similarity: Float64, counts: ArrayLike | None, own: int) -> Float64:
    """HP@1 .. HP@m of each query, ``(n, m)``."""
    if found.ndim != 2 or queries.shape != found.shape[:1] or found.size == 0:
        raise InputError(f"found_labels should be (n, k) and query_labels (n,); found {found.shape}, {queries.shape}")
    n_classes = len(similarity)
    if queries.min() < 0 or found.min() < -1 or max(queries.max(), found.max()) >= n_classes:
        raise InputError(f"labels should be classes from 0 to {n_classes - 1} (-1 for no result); found others")
    m = found.shape[1]
    there = np.full(n_classes, m + own) if counts is None else np.asarray(counts)
    whole = there.shape == (n_classes,) and there.dtype.kind in "iu" and there.min() >= 0
    if not whole or (there[queries] < own).any():
        raise InputError(f"counts should be {n_classes} integers, one for each class, queries included; found {there}")
    gained = np.where(found < 0, 0, similarity[queries[:, None], found]).cumsum(axis=1)
    classes, which = np.unique(queries, return_inverse=True)
    best = [_best(similarity[c], there - own * (np.arange(n_classes) == c), m) for c in classes]
    possible = np.stack(best)[which]
    curve: Float64 = np.divide(gained, possible, out=np.ones_like(gained), where=possible > 0)
    return curve


def _best(row: Float64, there: Int64, m: int) -> Float64:
    """The highest sums of the first 1 .. m similarities that a ranking of the points that are there can reach."""
    by_similarity = np.argsort(-row, kind="stable")
    ranked = np.repeat(row[by_similarity], np.minimum(there[by_similarity], m))[:m]
    return np.asarray(np.pad(ranked, (0, m - len(ranked))).cumsum())


def _first(k: int | None, curve: Float64) -> int:
    first = curve.shape[1] if k is None else positive(k, "k")
    if first > curve.shape[1]:
        raise InputError(f"k should be at most {curve.shape[1]}, the number of results; found {first}")
    return first


def _tree(parents: Int64) -> tuple[Int64, Int64]:
    """Checked parents, and the depth of each node; 1 for the root."""
    h = len(parents) if parents.ndim == 1 else 0
    if h == 0 or parents.dtype.kind not in "iu" or parents.min() < -1 or parents.max() >= h:
        raise InputError(f"parents should be a node 0 .. h-1, or -1, for each of h nodes; found {parents}")
    depth, up = np.zeros(h, dtype=np.int64), np.arange(h)
    while (up >= 0).any() and depth.max() < h:
        depth += up >= 0
        up = np.where(up >= 0, parents[up], -1)
    if (parents == -1).sum() != 1 or (up >= 0).any():
        raise InputError("parents should lead from every node to one root (-1); found a cycle, or not one root")
    return parents, depth


def _ancestors(parents: Int64, nodes: Int64) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """``(C, h)``: whether a node of the hierarchy lies on the way from a class to the root, both included."""
    over = np.zeros((len(nodes), len(parents)), dtype=np.bool_)
    at = nodes
    while (at >= 0).any():
        on = at >= 0
        over[np.flatnonzero(on), at[on]] = True
        at = np.where(on, parents[at], -1)
    return over
