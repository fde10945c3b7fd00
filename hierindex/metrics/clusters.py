"""How well clusters agree with classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array, csr_array

from hierindex.errors import EmptyInputError
from hierindex.vectors import as_labels

__all__ = ["adjusted_rand", "cluster_accuracy", "leaf_purity", "nmi"]


def leaf_purity(clusters: ArrayLike, labels: ArrayLike) -> float:
    """The share of points that are of the most frequent class of their cluster (a leaf of a tree, or of its cut).

    Args:
        clusters: ``(n,)``, the cluster of each point; integers or strings.
        labels: ``(n,)``, its class; integers or strings.

    Raises:
        InputError: not as many labels as clusters.
        EmptyInputError: no points.

    Example:
        >>> leaf_purity([0, 0, 0, 1], ["a", "a", "b", "b"])
        0.75
    """
    table = _contingency(clusters, labels)
    return float(table.max(axis=1).sum() / table.sum())


def cluster_accuracy(clusters: ArrayLike, labels: ArrayLike) -> float:
    """The share of points whose class is that of their cluster, under the best one-to-one matching of the two.

    The matching is H. W. Kuhn's (the Hungarian method), by SciPy. Surplus clusters match no class.

    Args:
        clusters: ``(n,)``, the cluster of each point; integers or strings.
        labels: ``(n,)``, its class; integers or strings.

    Raises:
        InputError: not as many labels as clusters.
        EmptyInputError: no points.

    Example:
        >>> cluster_accuracy([5, 5, 7, 7], ["a", "a", "a", "b"])
        0.75
    """
    table = _contingency(clusters, labels).toarray()
    matched = linear_sum_assignment(table, maximize=True)
    return float(table[matched].sum() / table.sum())


def nmi(clusters: ArrayLike, labels: ArrayLike) -> float:
    """Normalised mutual information: I(C; L) / ((H(C) + H(L)) / 2), from 0 (unrelated) to 1 (the same partition).

    Args:
        clusters: ``(n,)``, the cluster of each point; integers or strings.
        labels: ``(n,)``, its class; integers or strings.

    Raises:
        InputError: not as many labels as clusters.
        EmptyInputError: no points.

    Example:
        >>> nmi([1, 1, 0, 0], ["a", "a", "b", "b"])
        1.0
    """
    table = _contingency(clusters, labels)
    n = table.sum()
    h_clusters, h_labels = (_entropy(table.sum(axis=axis) / n) for axis in (1, 0))
    if h_clusters + h_labels == 0:  # one cluster, one class: the same partition
        return 1.0
    shared = h_clusters + h_labels - _entropy(table.data / n)
    return max(0.0, 2 * shared / (h_clusters + h_labels))


def adjusted_rand(clusters: ArrayLike, labels: ArrayLike) -> float:
    """The share of pairs on which two partitions agree, less what chance gives, over what is left to gain.

    1 for the same partition, 0 on average for unrelated ones (L. Hubert and P. Arabie, "Comparing partitions", Journal
    of Classification, 1985, eq. 5).

    Args:
        clusters: ``(n,)``, the cluster of each point; integers or strings.
        labels: ``(n,)``, its class; integers or strings.

    Raises:
        InputError: not as many labels as clusters.
        EmptyInputError: no points.

    Example:
        >>> adjusted_rand([0, 0, 1, 1], ["b", "b", "a", "a"]), round(adjusted_rand([0, 1, 0, 1], [0, 0, 1, 1]), 6)
        (1.0, -0.5)
    """
    table = _contingency(clusters, labels)
    together, rows, columns = (_pairs(counts) for counts in (table.data, table.sum(axis=1), table.sum(axis=0)))
    chance = rows * columns / max(_pairs(table.sum()), 1)
    most = (rows + columns) / 2
    return 1.0 if most == chance else float((together - chance) / (most - chance))


def _pairs(counts: ArrayLike) -> float:
    """How many pairs there are within groups of these sizes."""
    sizes = np.asarray(counts, np.float64)
    return float((sizes * (sizes - 1)).sum() / 2)


def _contingency(clusters: ArrayLike, labels: ArrayLike) -> csr_array[np.int64]:
    """Counts ``(number of clusters, number of classes)``, sparse: a full tree has a cluster for each point."""
    rows = np.asarray(clusters).ravel()
    if rows.size == 0:
        raise EmptyInputError("clusters should hold at least one point; found none")
    of_cluster, of_class = as_labels(clusters, len(rows)), as_labels(labels, len(rows))
    return coo_array((np.ones(len(rows), np.int64), (of_cluster, of_class))).tocsr()


def _entropy(shares: NDArray[np.float64]) -> float:
    return float(-(shares * np.log(shares)).sum())
