"""What a search finds, beside the truth; and what the neighbours of unseen points say about their class."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hierindex.errors import InputError
from hierindex.vectors import Metric, as_labels, as_vectors, positive

__all__ = ["knn_accuracy", "recall"]

_MISSING = frozenset((-1, None))
_QUERIES_AT_ONCE = 1_024


def recall(found: ArrayLike, truth: ArrayLike) -> float:
    """The share of the true neighbours that were found, whatever their order: recall@k.

    Args:
        found: ids ``(n, k)`` that the search gave, integers or strings; -1 or None where it gave none.
        truth: ids ``(n, k')`` of the exact neighbours; -1 or None where fewer exist.

    Returns:
        sum_q |found_q & truth_q| / sum_q |truth_q|; 1.0 where there is nothing to find. -1 and None never count.

    Raises:
        InputError: not two tables of as many rows.

    Example:
        >>> recall([[1, 2, -1], [5, 4, 3]], [[2, 3, -1], [3, 4, 9]])
        0.6
    """
    found_ids, true_ids = (np.asarray(each) for each in (found, truth))
    if found_ids.ndim != 2 or true_ids.ndim != 2 or len(found_ids) != len(true_ids):
        raise InputError(
            f"found and truth should be ids (n, k) of the same n queries; found shapes {found_ids.shape} and "
            f"{true_ids.shape}"
        )
    hits = there = 0
    for some, all_of_them in zip(found_ids.tolist(), true_ids.tolist(), strict=True):
        wanted = set(all_of_them) - _MISSING
        there += len(wanted)
        hits += len(wanted.intersection(some))
    return hits / there if there else 1.0


def knn_accuracy(
    base: ArrayLike, base_labels: ArrayLike, queries: ArrayLike, query_labels: ArrayLike, k: int = 10
) -> float:
    """The share of queries whose class is the one that their k nearest base vectors (by cosine) vote for.

    A vote weighs exp(cos / 0.07) (Z. Wu et al., CVPR 2018), so that near neighbours count more and ties
    do not happen.

    Args:
        base: ``(n, d)``.
        base_labels: ``(n,)``, integers or strings.
        queries: ``(q, d)``.
        query_labels: ``(q,)``.
        k: how many neighbours vote; all of them where n is less.

    Raises:
        InputError: shapes that do not fit together, or k below 1.

    Example:
        >>> knn_accuracy([[0, 1], [1, 0]], ["up", "right"], [[1, 9], [8, 1]], ["up", "up"], k=1)
        0.5
    """
    x = Metric.COSINE.prepare(as_vectors(base, name="base"))
    asked = Metric.COSINE.prepare(as_vectors(queries, name="queries", dim=x.shape[1]))
    names, wanted = np.asarray(base_labels), np.asarray(query_labels)
    classes = as_labels(names, len(x))
    as_labels(wanted, len(asked))
    values = np.unique(names)
    k = min(positive(k, "k"), len(x))
    right = 0
    for start in range(0, len(asked), _QUERIES_AT_ONCE):
        similarity = asked[start : start + _QUERIES_AT_ONCE] @ x.T
        near = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
        voted = _vote(classes[near], np.take_along_axis(similarity, near, axis=1), len(values))
        right += int((values[voted] == wanted[start : start + _QUERIES_AT_ONCE]).sum())
    return right / len(asked)


def _vote(classes: NDArray[np.int64], cosines: NDArray[np.float32], n_classes: int) -> NDArray[np.intp]:
    """``(q,)``: the class with the heaviest votes among ``(q, k)``."""
    rows = np.arange(len(classes))[:, None]
    weights = np.exp((cosines.astype(np.float64) - 1) / 0.07)  # - 1: the same ratios, no overflow
    votes = np.bincount((rows * n_classes + classes).ravel(), weights.ravel(), minlength=len(classes) * n_classes)
    return np.asarray(votes.reshape(-1, n_classes).argmax(axis=1))
