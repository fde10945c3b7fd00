"""From a query down the tree to the leaves worth scanning, without leaving C++.

Two levels of the tree are enough up to some thousand leaves, three beyond. Each level is a FAISS inverted file: its
vectors are the centroids of that level's nodes, its lists the children of each node of the level above, and its
coarse quantizer the level above itself. A beam says how many nodes are kept at each level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Self

import faiss
import numpy as np

from hierindex.index.centroids import Centroids
from hierindex.index.codes import Coder
from hierindex.index.native import ivf_parameters
from hierindex.index.nodes import Nodes
from hierindex.vectors import Float32, Int64

__all__ = ["ALL", "Router"]

ALL = 0  # a beam as wide as the level above the leaves: every centroid of a leaf is compared
_FLAT_UP_TO = 64
_NEST_FROM = 512  # with fewer leaves one pass over their centroids costs less than a descent
_TWO_LEVELS_UP_TO = 4_096


@dataclass(frozen=True, eq=False)
class Router:
    """The levels of a tree as nested FAISS indexes. Never written to after it is made.

    Attributes:
        widths: number of nodes of each level; the last is the number of leaves.
        levels: node numbers of each level, from left to right; the last is the leaves.
        centroids: of the leaves.
    """

    widths: tuple[int, ...]
    levels: tuple[Int64, ...]
    centroids: Centroids
    _nested: tuple[Any, ...]

    @classmethod
    def over(cls, nodes: Nodes, by_product: bool, coder: Coder | None = None) -> Self:
        """The router over the leaves of a tree.

        With a ``coder`` centroids are compared in its strongest dimensions, and queries are to be turned the same way:
        half of them or less route as well as all (benchmarks/search_leads.py), for half the work.

        L leaves get one level up to 64, else levels of about L^(1/2) (up to 4,096 leaves) or L^(1/3) and L^(2/3)
        nodes. ``by_product``: nearer is a larger inner product with the centroid, else a smaller L2 distance.
        """
        if coder is not None:
            nodes = replace(nodes, centroid=coder.turned(nodes.centroid))
        widths = _widths(len(nodes.leaves))
        levels = tuple(nodes.cut(width) for width in widths)
        nested = [_flat(nodes.centroid[levels[0]], by_product)]
        for above, below in pairwise(levels):
            nested.append(_level(nested[-1], nodes, above, below, by_product))
        return cls(widths, levels, Centroids.of(nodes.leaf_centroids, by_product), tuple(nested))

    @property
    def beams(self) -> tuple[int, ...]:
        """Beams worth trying: `ALL`, and with enough leaves some narrower than half the level above them."""
        if self.widths[-1] < _NEST_FROM:
            return (ALL,)
        return (ALL, *(beam for beam in (4, 8, 16, 32, 64) if beam <= self.widths[-2] // 2))

    def visited(self, beam: int) -> float:
        """How many centroids are compared for one query, on average."""
        if self.every(beam):
            return float(self.widths[-1])
        pairs = pairwise(self.widths)
        return self.widths[0] + sum(min(beam, above) * below / above for above, below in pairs)

    def route(self, queries: Float32, nprobe: int, beam: int = ALL) -> tuple[Int64, Float32]:
        """The nearest leaves of each query.

        Returns:
            ``(q, nprobe)`` positions in ``nodes.leaves``, nearest first, -1 where the beam reaches fewer; and squared
            L2 distances to their centroids, where products are compared in the space with one dimension more in which
            nearness is a larger product (Bachrach et al., RecSys 2014).
        """
        nprobe = min(nprobe, self.widths[-1])
        if self.every(beam):
            return self.centroids.nearest(queries, nprobe)
        index, parameters = self.way(beam)
        distances, leaves = index.search(queries, nprobe, params=parameters)
        return leaves, self.squared(queries, distances)

    def way(self, beam: int) -> tuple[Any, Any]:
        """The FAISS index that finds leaves below the nodes that a beam keeps, and the parameters to search it with."""
        return self._nested[-1], _parameters(self.widths[:-1], beam)

    def squared(self, queries: Float32, values: Float32) -> Float32:
        """What FAISS says of leaves ``(q, w)`` as squared distances, see `route`."""
        bound = self.centroids.bound
        if bound is None:
            return values
        norms = np.einsum("qd,qd->q", queries, queries)[:, None]
        return np.asarray(np.maximum(norms + bound - 2 * values, 0), np.float32)

    def every(self, beam: int) -> bool:
        """Whether every centroid is compared."""
        return beam == ALL or len(self.widths) == 1

    @property
    def dim(self) -> int:
        """Dimensions of the queries that it takes."""
        return int(self.centroids.values.shape[1])

    def descend(self, query: Float32, beam: int = ALL) -> list[Int64]:
        """The node numbers that one query ``(1, d)`` keeps at each level above the leaves, nearest first."""
        if self.every(beam):
            return []
        kept = []
        for level, (index, nodes) in enumerate(zip(self._nested[:-1], self.levels[:-1], strict=True)):
            parameters = _parameters(self.widths[:level], beam)
            position = index.search(query, min(beam, len(nodes)), params=parameters)[1][0]
            kept.append(nodes[position[position >= 0]])
        return kept


def _widths(n_leaves: int) -> tuple[int, ...]:
    if n_leaves <= _FLAT_UP_TO:
        return (n_leaves,)
    if n_leaves <= _TWO_LEVELS_UP_TO:
        return round(n_leaves ** (1 / 2)), n_leaves
    return round(n_leaves ** (1 / 3)), round(n_leaves ** (2 / 3)), n_leaves


def _flat(centroids: Float32, by_product: bool) -> Any:  # noqa: ANN401 - faiss has no useful types
    index = faiss.IndexFlat(centroids.shape[1], _faiss_metric(by_product))
    index.add(np.ascontiguousarray(centroids))
    return index


def _level(quantizer: Any, nodes: Nodes, above: Int64, below: Int64, by_product: bool) -> Any:  # noqa: ANN401
    """The level ``below`` as lists of the level ``above``; ids are positions in ``below``."""
    dim = nodes.centroid.shape[1]
    index = faiss.IndexIVFFlat(quantizer, dim, len(above), _faiss_metric(by_product))
    index.parallel_mode = 3  # over queries and lists; the default searches preassigned lists on one thread
    centroids = np.ascontiguousarray(nodes.centroid[below])
    # both levels are cuts from left to right: a node's parent is the last one above that does not start after it
    parents = np.searchsorted(nodes.spans[above, 0], nodes.spans[below, 0], side="right").astype(np.int64) - 1
    ids = np.arange(len(below), dtype=np.int64)
    index.is_trained = True
    index.add_core(len(below), faiss.swig_ptr(centroids), faiss.swig_ptr(ids), faiss.swig_ptr(parents))
    index.make_direct_map()  # so that it can serve as the quantizer of the next level
    return index


def _parameters(widths: Sequence[int], beam: int) -> Any:  # noqa: ANN401
    """Search parameters of nested levels whose levels above have these widths."""
    parameters = None
    for width in widths:
        parameters = ivf_parameters(min(beam, width), above=parameters)
    return parameters


def _faiss_metric(by_product: bool) -> int:
    return int(faiss.METRIC_INNER_PRODUCT if by_product else faiss.METRIC_L2)
