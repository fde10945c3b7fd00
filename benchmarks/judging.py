"""Trees and features beside labels, as papers on hierarchical clustering report them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from hierindex.metrics import (
    cluster_accuracy,
    coarse_similarity,
    dasgupta_cost,
    dendrogram_purity,
    knn_accuracy,
    leaf_purity,
    mean_average_hierarchical_precision,
    nmi,
)
from hierindex.tree import Tree
from hierindex.vectors import Float32, Int64

__all__ = ["feature_scores", "labels_of", "mean_ahp", "tree_scores"]

_QUERIES_AT_ONCE = 1_000


def labels_of(paths: list[Path], n: int | None = None) -> tuple[Int64, Int64]:
    """Superclass and class of all rows of CIFAR-100's files, or of the first n."""
    tables = [pq.read_table(path, columns=["coarse_label", "fine_label"]) for path in paths]
    coarse, fine = (
        np.concatenate([table[name].to_numpy().astype(np.int64) for table in tables])[:n]
        for name in ("coarse_label", "fine_label")
    )
    return coarse, fine


def tree_scores(tree: Tree, x: Float32, coarse: Int64, fine: Int64) -> dict[str, float]:
    """A tree over ``x``, whole and cut into as many clusters as there are classes of either kind.

    DP is dendrogram purity (of the tree as it is when cut there), LP leaf purity, ACC accuracy of the best matching.
    """
    scores = {
        "dp_coarse": dendrogram_purity(tree, coarse),
        "dp_fine": dendrogram_purity(tree, fine),
        "cost": dasgupta_cost(tree, x, normalised=True),
    }
    for labels in (coarse, fine):
        k = len(np.unique(labels))
        cut = tree.cut(k)
        scores |= {
            f"dp_{k}": dendrogram_purity(tree, labels, clusters=k),
            f"lp_{k}": leaf_purity(cut, labels),
            f"acc_{k}": cluster_accuracy(cut, labels),
            f"nmi_{k}": nmi(cut, labels),
        }
    return scores


def feature_scores(
    base: Float32, base_labels: tuple[Int64, Int64], asked: Float32, asked_labels: tuple[Int64, Int64]
) -> dict[str, float]:
    """Labelled base vectors say the class of unseen ones: by 10 neighbours, and by a linear probe.

    The probe is logistic regression on standardised features, with the default strength of scikit-learn.
    """
    scaler = StandardScaler().fit(base)
    scores = {}
    for name, known, wanted in zip(("coarse", "fine"), base_labels, asked_labels, strict=True):
        scores[f"knn10_{name}"] = knn_accuracy(base, known, asked, wanted)
        probe = LogisticRegression(max_iter=200, tol=1e-3).fit(scaler.transform(base), known)
        scores[f"linear_{name}"] = float(probe.score(scaler.transform(asked), wanted))
    return scores


def mean_ahp(x: Float32, fine: Int64, coarse_of_fine: Int64, k: int = 250) -> float:
    """mAHP@k: every row asks for the others, by cosine; a result of its superclass counts one half."""
    found = np.empty((len(x), k), dtype=np.int64)
    for start in range(0, len(x), _QUERIES_AT_ONCE):
        similarity = x[start : start + _QUERIES_AT_ONCE] @ x.T
        rows = np.arange(len(similarity))
        similarity[rows, start + rows] = -np.inf
        near = np.argpartition(-similarity, k, axis=1)[:, :k]
        by_similarity = np.argsort(-np.take_along_axis(similarity, near, axis=1), axis=1)
        found[start : start + _QUERIES_AT_ONCE] = np.take_along_axis(near, by_similarity, axis=1)
    return mean_average_hierarchical_precision(
        fine[found], fine, coarse_similarity(coarse_of_fine), counts=np.bincount(fine), leave_one_out=True
    )
