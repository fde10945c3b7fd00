"""`HierCluster`: the learned tree as a hierarchical clustering."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from hierindex.adapters.sklearn.fitting import RandomState, learned
from hierindex.api import BuildConfig, HierIndex
from hierindex.tree import Float64
from hierindex.vectors import Int64, Metric

__all__ = ["HierCluster"]


class HierCluster(ClusterMixin, BaseEstimator):  # type: ignore[misc]  # untyped
    """Hierarchical clustering by a learned hyperbolic tree, cut into ``n_clusters``.

    It gives what `AgglomerativeClustering` does (``labels_``, ``children_``, ``distances_``), and beyond that it labels
    new samples, cuts again without fitting (`cut`), and clusters more samples than fit a matrix of distances.

    Args:
        n_clusters: into how many branches the tree is cut.
        metric: "l2" ("euclidean") or "cosine".
        random_state: of the learning; an integer makes it repeatable.
        config: how the tree is learned.

    Attributes:
        labels_: ``(n,)`` int64, the cluster of each sample, 0 .. n_clusters-1.
        n_clusters_: how many there are.
        children_: ``(n - 1, 2)`` int64: the two nodes that each merge joins; numbers below n are samples, n + i is the
            result of merge i.
        distances_: ``(n - 1,)`` float64, the heights of the merges; they never decrease.
        linkage_: ``(n - 1, 4)`` float64, both as a SciPy linkage.
        n_leaves_: n.
        index_: the `HierIndex` behind.
        n_features_in_, feature_names_in_: as everywhere in scikit-learn.

    Example:
        >>> x = np.array([[0, 0], [0, 1], [9, 9], [9, 8]], np.float32)
        >>> model = HierCluster(n_clusters=2).fit(x)
        >>> model.labels_.tolist(), model.predict([[8, 8]]).tolist()
        ([0, 0, 1, 1], [1])
    """

    labels_: Int64
    n_clusters_: int
    children_: Int64
    distances_: Float64
    linkage_: Float64
    n_leaves_: int
    index_: HierIndex

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        metric: str | Metric = "l2",
        random_state: RandomState = 0,
        config: BuildConfig | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.metric = metric
        self.random_state = random_state
        self.config = config

    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002, N803 - scikit-learn's signature
        """Learn the tree of samples ``(n, d)`` and cut it.

        Raises:
            ValueError: fewer than 2 samples, fewer samples than clusters, or values that are no finite numbers.
        """
        x = validate_data(self, X, dtype=np.float32, order="C", ensure_min_samples=2)
        self.index_ = learned(x, self.metric, self.config, self.random_state)
        self.labels_ = self.index_.labels(self.n_clusters)
        self.n_clusters_ = self.n_clusters
        tree = self.index_.tree
        self.n_leaves_, self.linkage_ = tree.n, tree.linkage
        self.children_, self.distances_ = tree.children, tree.linkage[:, 2]
        return self

    def predict(self, X: ArrayLike) -> Int64:  # noqa: N803
        """``(n,)``: the cluster of the training sample nearest to each of these samples ``(n, d)``."""
        check_is_fitted(self)
        x = validate_data(self, X, dtype=np.float32, order="C", reset=False)
        return self.labels_[self.index_.search(x, k=1, recall=1.0).ids[:, 0].astype(np.int64)]

    def cut(self, n_clusters: int) -> Int64:
        """``(n,)``: the cluster of each training sample at another granularity; clusters of finer cuts lie in these."""
        check_is_fitted(self)
        return self.index_.labels(n_clusters)
