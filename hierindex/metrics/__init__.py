"""How good a search, a tree or a clustering is. Plain arrays and a `Tree` in, numbers out."""

from hierindex.metrics.clusters import adjusted_rand, cluster_accuracy, leaf_purity, nmi
from hierindex.metrics.hierarchy import (
    ClassMeasure,
    class_similarity,
    coarse_similarity,
    hierarchical_precision,
    mean_average_hierarchical_precision,
)
from hierindex.metrics.search import knn_accuracy, recall
from hierindex.metrics.trees import dasgupta_cost, dendrogram_purity, random_tree

__all__ = [
    "ClassMeasure",
    "adjusted_rand",
    "class_similarity",
    "cluster_accuracy",
    "coarse_similarity",
    "dasgupta_cost",
    "dendrogram_purity",
    "hierarchical_precision",
    "knn_accuracy",
    "leaf_purity",
    "mean_average_hierarchical_precision",
    "nmi",
    "random_tree",
    "recall",
]
