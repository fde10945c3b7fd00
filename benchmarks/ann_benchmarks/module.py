"""hierindex as an algorithm of github.com/erikbern/ann-benchmarks; README.md says where this file goes there."""

from __future__ import annotations

from typing import Any

from hierindex import HierIndex as Index

from ..base.module import BaseANN  # type: ignore[import-untyped] # in that project's tree

METRICS = {"angular": "cosine", "euclidean": "l2"}


class HierIndex(BaseANN):  # type: ignore[misc] # it has no types
    """The index with nothing set but the recall that is asked for."""

    def __init__(self, metric: str) -> None:
        """Take a distance of that project's: "angular" or "euclidean"."""
        if metric not in METRICS:
            raise NotImplementedError(f"hierindex searches by {sorted(METRICS)} here; found {metric!r}")
        self.metric, self.recall = METRICS[metric], 0.95
        self.name = f"hierindex(recall={self.recall:g})"

    def fit(self, X: Any) -> None:  # noqa: ANN401
        """Learn the tree of rows ``(n, d)`` and lay out the index."""
        self.index = Index.from_vectors(X, metric=self.metric)

    def set_query_arguments(self, recall: float) -> None:
        """Ask for this recall from now on."""
        self.recall = recall
        self.name = f"hierindex(recall={recall:g})"

    def query(self, q: Any, n: int) -> Any:  # noqa: ANN401
        """Row numbers of the n nearest to one vector ``(d,)``."""
        return self.index.search(q, n, recall=self.recall).ids[0]

    def batch_query(self, X: Any, n: int) -> None:  # noqa: ANN401
        """The same for all rows of ``(q, d)``; `get_batch_results` has them."""
        self.res = self.index.search(X, n, recall=self.recall).ids
