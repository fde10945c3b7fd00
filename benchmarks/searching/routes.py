"""Ways from a query to the leaves of one packed index: flat, down the learned tree, down a k-means tree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np

from hierindex.index.native import ivf_parameters, kmeans, nearest
from hierindex.index.packed import Packed
from hierindex.index.router import ALL
from hierindex.vectors import Float32, Int64

__all__ = ["Way", "ways"]

BEAMS = (4, 8, 16, 32)
_NESTED_FROM = 128  # with fewer leaves there is nothing to save


@dataclass(frozen=True)
class Way:
    """One way: how many centroids it compares for a query on average, and ``route(queries, nprobe)`` to leaves."""

    name: str
    beam: int
    compared: float
    route: Callable[[Float32, int], Int64]


def ways(packed: Packed, seed: int) -> list[Way]:
    """All centroids; the levels of the learned tree and a k-means tree of equal width, by several beams."""
    router, n_leaves = packed.router, packed.router.widths[-1]
    found = [Way("every centroid", ALL, float(n_leaves), lambda queries, nprobe: router.route(queries, nprobe, ALL)[0])]
    if n_leaves < _NESTED_FROM:
        return found
    width = router.widths[-2]
    grouped = _grouped(packed, width, seed)
    for beam in BEAMS:
        if beam > width // 2:
            break
        found.append(_learned(packed, beam))
        found.append(_by_kmeans(grouped, beam))
    return found


def _learned(packed: Packed, beam: int) -> Way:
    router = packed.router

    def route(queries: Float32, nprobe: int) -> Int64:
        return router.route(queries, nprobe, beam)[0]

    return Way("learned tree", beam, router.visited(beam), route)


def _grouped(packed: Packed, width: int, seed: int) -> Any:  # noqa: ANN401 - faiss has no useful types
    """The leaves' centroids in lists of k-means over them."""
    centroids = packed.turned(packed.nodes.leaf_centroids)
    middles = kmeans(centroids, width, seed)
    above: Any = faiss.IndexFlatL2(centroids.shape[1])
    above.add(middles)
    index: Any = faiss.IndexIVFFlat(above, centroids.shape[1], width, faiss.METRIC_L2)
    above.this.disown()
    index.own_fields, index.parallel_mode, index.is_trained = True, 3, True
    lists, ids = nearest(centroids, middles), np.arange(len(centroids), dtype=np.int64)
    index.add_core(len(centroids), faiss.swig_ptr(centroids), faiss.swig_ptr(ids), faiss.swig_ptr(lists))
    return index


def _by_kmeans(index: Any, beam: int) -> Way:  # noqa: ANN401
    def route(queries: Float32, nprobe: int) -> Int64:
        return np.asarray(index.search(queries, nprobe, params=ivf_parameters(beam))[1], np.int64)

    return Way("k-means tree", beam, index.nlist + beam * index.ntotal / index.nlist, route)
