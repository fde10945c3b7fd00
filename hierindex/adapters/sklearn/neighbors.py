"""`HierNeighborsTransformer`: neighbours from the index, as the graph that scikit-learn's estimators take."""

from __future__ import annotations

from typing import Literal, Self, overload

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.base import ClassNamePrefixFeaturesOutMixin as NamedOutputs
from sklearn.utils.validation import check_is_fitted, validate_data

from hierindex.adapters.sklearn.fitting import RandomState, learned
from hierindex.api import BuildConfig, HierIndex
from hierindex.errors import InputError
from hierindex.tree import Float64
from hierindex.vectors import Float32, Int64, Metric, positive

__all__ = ["HierNeighborsTransformer"]

_MODES = ("distance", "connectivity")


class HierNeighborsTransformer(NamedOutputs, TransformerMixin, BaseEstimator):  # type: ignore[misc]  # untyped
    """Neighbours of samples as a sparse graph, in the place of `sklearn.neighbors.KNeighborsTransformer`.

    The graph goes into every estimator with ``metric="precomputed"``: KNeighborsClassifier, DBSCAN, Isomap, TSNE,
    SpectralClustering. `kneighbors` and `kneighbors_graph` are those of `NearestNeighbors`.

    Args:
        mode: "distance" or "connectivity".
        n_neighbors: how many; with "distance" each sample is its own neighbour beside them, as in scikit-learn.
        metric: "l2" ("euclidean") or "cosine".
        recall: the share of the true neighbours to find, on average; 1 is exact, and so is every search among up to
            1,000 samples (4,000 of few features, see `IndexConfig`).
        n_jobs: threads; None takes those of ``config``, -1 all cores.
        random_state: of the learning; an integer makes it repeatable.
        config: how the tree is learned and laid out.

    Attributes:
        index_: the `HierIndex` behind.
        n_samples_fit_: n.
        n_features_in_, feature_names_in_: as everywhere in scikit-learn.

    Example:
        ``make_pipeline(HierNeighborsTransformer(), KNeighborsClassifier(metric="precomputed")).fit(x, y)``
    """

    index_: HierIndex
    n_samples_fit_: int

    def __init__(
        self,
        *,
        mode: str = "distance",
        n_neighbors: int = 5,
        metric: str | Metric = "l2",
        recall: float = 0.99,
        n_jobs: int | None = None,
        random_state: RandomState = 0,
        config: BuildConfig | None = None,
    ) -> None:
        self.mode = mode
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.recall = recall
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.config = config

    @property
    def _n_features_out(self) -> int:
        return self.n_samples_fit_

    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002, N803 - scikit-learn's signature
        """Make the index of samples ``(n, d)``.

        Raises:
            ValueError: fewer than 2 samples, values that are no finite numbers, or a setting that is not one.
        """
        x = validate_data(self, X, dtype=np.float32, order="C", ensure_min_samples=2)
        if self.mode not in _MODES:
            raise InputError(f"mode should be one of {_MODES}; found {self.mode!r}")
        positive(self.n_neighbors, "n_neighbors")
        self.index_ = learned(x, self.metric, self.config, self.random_state)
        self.n_samples_fit_ = len(x)
        return self

    def transform(self, X: ArrayLike) -> sparse.csr_matrix:  # noqa: N803
        """The graph ``(n, n_samples_fit_)`` of samples ``(n, d)`` and their neighbours among the fitted ones."""
        check_is_fitted(self)
        return self.kneighbors_graph(X, self.n_neighbors + (self.mode == "distance"), self.mode)

    def fit_transform(self, X: ArrayLike, y: object = None) -> sparse.csr_matrix:  # noqa: N803
        """The graph ``(n, n)`` of the samples themselves."""
        return self.fit(X, y).transform(X)

    @overload
    def kneighbors(
        self,
        X: ArrayLike | None = ...,  # noqa: N803
        n_neighbors: int | None = ...,
        return_distance: Literal[True] = ...,
    ) -> tuple[Float64, Int64]: ...
    @overload
    def kneighbors(
        self,
        X: ArrayLike | None = ...,  # noqa: N803
        n_neighbors: int | None = ...,
        *,
        return_distance: Literal[False],
    ) -> Int64: ...
    def kneighbors(
        self,
        X: ArrayLike | None = None,  # noqa: N803
        n_neighbors: int | None = None,
        return_distance: bool = True,
    ) -> tuple[Float64, Int64] | Int64:
        """Distances ``(n, k)`` and numbers ``(n, k)`` of the neighbours of each sample, nearest first.

        Args:
            X: ``(n, d)``; None asks for the fitted samples, each of which is no neighbour of itself then.
            n_neighbors: how many; None takes those of the estimator.
            return_distance: False gives the numbers only.

        Raises:
            ValueError: more neighbours than there are samples.
        """
        check_is_fitted(self)
        k = positive(self.n_neighbors if n_neighbors is None else n_neighbors, "n_neighbors")
        most = self.n_samples_fit_ - (X is None)
        if k > most:
            raise InputError(
                f"Expected n_neighbors <= n_samples_fit, but n_neighbors = {k}, n_samples_fit = {most}"
                f"{'' if X is not None else ' without the sample itself'}"
            )
        if X is None:
            distances, found = _without_self(*self._found(self.index_.vectors(), k + 1))
        else:
            distances, found = self._found(validate_data(self, X, dtype=np.float32, order="C", reset=False), k)
        return (distances, found) if return_distance else found

    def kneighbors_graph(
        self,
        X: ArrayLike | None = None,  # noqa: N803
        n_neighbors: int | None = None,
        mode: str = "connectivity",
    ) -> sparse.csr_matrix:
        """The neighbours of `kneighbors` as a graph ``(n, n_samples_fit_)``: ones, or distances.

        Raises:
            ValueError: as for `kneighbors`, or a mode that is neither "connectivity" nor "distance".
        """
        if mode not in _MODES:
            raise InputError(f"mode should be one of {_MODES}; found {mode!r}")
        distances, found = self.kneighbors(X, n_neighbors)
        n, k = found.shape
        values = distances.ravel() if mode == "distance" else np.ones(n * k)
        ends = np.arange(0, n * k + 1, k)
        return sparse.csr_matrix((values, found.ravel(), ends), shape=(n, self.n_samples_fit_))

    def _found(self, x: Float32, k: int) -> tuple[Float64, Int64]:
        threads = None if self.n_jobs is None else effective_n_jobs(self.n_jobs)
        hits = self.index_.search(x, k, recall=self.recall, num_threads=threads)
        return hits.distances.astype(np.float64), hits.ids.astype(np.int64)


def _without_self(distances: Float64, found: Int64) -> tuple[Float64, Int64]:
    """All but the sample itself; of more than k twins that may stand in its place, the first goes."""
    others = found != np.arange(len(found))[:, None]
    others[others.all(axis=1), 0] = False
    shape = (len(found), found.shape[1] - 1)
    return distances[others].reshape(shape), found[others].reshape(shape)
