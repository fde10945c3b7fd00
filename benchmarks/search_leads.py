"""What could make a search through leaves cheaper, by counting: kept or not, each on queries that chose nothing.

    python -m benchmarks.search_leads --data sift1m cifar-latents --cache DIR [--rows 200000]

For k-means leaves, as many as the square root of the rows, and recall@10 of .90, .95 and .99 of the leaves (what the
scan itself loses is not in it): how many leaves and rows must be scanned with the same number for every query; with the
number foretold (`hierindex.index.effort`); with the least that would do (an oracle); with every row in a second leaf as
well (SOAR, arXiv 2404.00774, lambda 1), same number and foretold; with a linear router learned from neighbours
(arXiv 2404.11731). Then the same number again, routed in fewer principal dimensions. And what share of true neighbours
is among the best candidates by 4-bit codes, of dimensions as they are and turned (`hierindex.index.codes`), and, where
rows are of unit length, by the product with a code instead of the distance to it.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.common import about, write
from benchmarks.searching.data import SETS, DataSet, load
from benchmarks.searching.learned_router import learned_router
from hierindex.index.codes import Axes
from hierindex.index.effort import features, fitted
from hierindex.index.native import kmeans
from hierindex.vectors import Float32, Int64

RECALLS = (0.9, 0.95, 0.99)
CANDIDATES = (10, 20, 40, 80, 160)
K, SECOND_AMONG, AT_ONCE = 10, 16, 50_000


@dataclass(frozen=True, eq=False)
class Ranked:
    """Leaves by rank for each query: distances ``(q, L)`` in rising order, rows up to each, ranks of neighbours."""

    distances: Float32
    rows_up_to: Int64
    rank: Int64

    @classmethod
    def of(cls, order: Int64, distances: Float32, sizes: Int64, leaves: Int64) -> Ranked:
        """From leaves in order ``(q, L)`` and the leaves ``(q, 10, copies)`` of the neighbours."""
        place = np.empty_like(order)
        np.put_along_axis(place, order, np.arange(order.shape[1])[None], axis=1)
        flat = np.take_along_axis(place, leaves.reshape(len(leaves), -1), axis=1)
        return cls(distances, np.cumsum(sizes[order], axis=1), flat.reshape(leaves.shape).min(axis=2))

    def half(self, second: bool) -> Ranked:
        """The first or the second half of the queries."""
        part = slice(len(self.rank) // 2, None) if second else slice(0, len(self.rank) // 2)
        return Ranked(self.distances[part], self.rows_up_to[part], self.rank[part])

    def work(self, leaves: Int64) -> dict[str, float]:
        """Mean leaves and rows, and recall, when each query scans so many leaves."""
        rows = np.take_along_axis(self.rows_up_to, leaves[:, None] - 1, axis=1)
        return {
            "leaves": float(leaves.mean()),
            "rows": float(rows.mean()),
            "recall": float((self.rank < leaves[:, None]).mean()),
        }


def main() -> None:
    """Count and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=sorted(SETS), default=["sift1m"])
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=None)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    found = {}
    for name in args.data:
        data = load(name, args.cache, rows=args.rows)
        if data is not None:
            found[name] = counted(data.only(2_000), args.seed)
    write("search_leads", about(__file__, seed=args.seed, data="benchmarks/searching/data.py") | {"sets": found})


def counted(data: DataSet, seed: int) -> dict[str, Any]:
    """Everything about one data set."""
    n_leaves, truth = round(len(data.base) ** 0.5), data.truth[:, :K]
    rng = np.random.default_rng(seed)
    sample = rng.choice(len(data.base), min(len(data.base), 64 * n_leaves), replace=False)
    centroids = kmeans(data.base[sample], n_leaves, seed)
    first, second = two_leaves(data.base, centroids)
    sizes, copies = (np.bincount(leaf, minlength=n_leaves) for leaf in (first, np.concatenate([first, second])))
    order, distances = by_distance(data.queries, centroids)
    one = Ranked.of(order, distances, sizes, first[truth][:, :, None])
    two = Ranked.of(order, distances, copies, np.stack([first[truth], second[truth]], axis=2))
    scores = learned_router(data.base, first, centroids, data.queries, seed)
    learned = Ranked.of(np.argsort(-scores, axis=1), np.sort(-scores, axis=1), sizes, first[truth][:, :, None])
    ways = {
        "same number": (one, same),
        "foretold": (one, foretold),
        "oracle": (one, oracle),
        "two leaves a row": (two, same),
        "two leaves a row, foretold": (two, foretold),
        "learned router": (learned, same),
    }
    return {
        "rows": len(data.base),
        "dimensions": data.base.shape[1],
        "leaves": n_leaves,
        "ways": {
            way: {str(recall): rule(ranked, recall) for recall in RECALLS} for way, (ranked, rule) in ways.items()
        },
        "routed": routed_in_fewer(data, centroids, sizes, first[truth][:, :, None]),
        "codes": codes(data, seed),
    }


def same(ranked: Ranked, recall: float) -> dict[str, float]:
    """The same number of leaves for every query, chosen on the first half."""
    number = int(np.quantile(ranked.half(False).rank, recall)) + 1
    return ranked.half(True).work(np.full(len(ranked.half(True).rank), number))


def foretold(ranked: Ranked, recall: float) -> dict[str, float]:
    """The number foretold by a line fitted to the first half, shifted until it finds enough there."""
    known, unseen = ranked.half(False), ranked.half(True)
    width = ranked.distances.shape[1]
    weights = fitted(features(known.distances), np.sort(known.rank, axis=1)[:, 7] + 1)
    for shift in np.arange(-2, 4, 0.02):
        leaves = [
            np.clip(np.exp(features(half.distances) @ weights + shift), 1, width).astype(np.int64)
            for half in (known, unseen)
        ]
        if known.work(leaves[0])["recall"] >= recall:
            break
    return unseen.work(leaves[1])


def oracle(ranked: Ranked, recall: float) -> dict[str, float]:
    """The cheapest leaves for each query that together find enough: those with the most neighbours for their rows."""
    unseen = ranked.half(True)
    needed = np.sort(unseen.rank, axis=1) + 1
    rows = np.take_along_axis(unseen.rows_up_to, needed - 1, axis=1)
    price = rows / np.arange(1, K + 1)  # rows for each neighbour found: a threshold on it buys the cheapest first
    low, high = 0.0, float(price.max())
    for _ in range(40):
        middle = (low + high) / 2
        count = np.where(price <= middle, np.arange(1, K + 1), 0).max(axis=1)
        low, high = (low, middle) if count.mean() / K >= recall else (middle, high)
    count = np.where(price <= high, np.arange(1, K + 1), 1).max(axis=1)
    return unseen.work(np.take_along_axis(needed, count[:, None] - 1, axis=1)[:, 0])


def two_leaves(base: Float32, centroids: Float32) -> tuple[Int64, Int64]:
    """The nearest leaf of each row, and the one of the next 15 whose residual is longest across the first one's."""
    pairs = [_two_leaves(base[start : start + AT_ONCE], centroids) for start in range(0, len(base), AT_ONCE)]
    return np.concatenate([a for a, _ in pairs]), np.concatenate([b for _, b in pairs])


def _two_leaves(rows: Float32, centroids: Float32) -> tuple[Int64, Int64]:
    squared, near = faiss.knn(rows, centroids, SECOND_AMONG)
    residual = rows - centroids[near[:, 0]]
    along = residual / np.maximum(np.linalg.norm(residual, axis=1, keepdims=True), 1e-12)
    others = rows[:, None] - centroids[near[:, 1:]]
    cost = squared[:, 1:] + np.einsum("nkd,nd->nk", others, along) ** 2
    return near[:, 0], near[np.arange(len(rows)), 1 + cost.argmin(axis=1)]


def by_distance(queries: Float32, centroids: Float32) -> tuple[Int64, Float32]:
    """All leaves ``(q, L)`` by distance."""
    distances, order = faiss.knn(queries, centroids, len(centroids))
    return order, distances


def routed_in_fewer(data: DataSet, centroids: Float32, sizes: Int64, leaves: Int64) -> dict[str, dict[str, float]]:
    """`same` at recall .95 when only the strongest principal dimensions are compared."""
    dim = data.base.shape[1]
    axes = Axes.of(data.base, np.arange(len(data.base)), seed=0).axes.astype(np.float32)
    found = {}
    for kept in (dim, dim // 2, dim // 4, dim // 8):
        turned = [np.ascontiguousarray(x @ axes[:, :kept]) for x in (data.queries, centroids)]
        order, distances = by_distance(*turned)
        found[str(kept)] = same(Ranked.of(order, distances, sizes, leaves), 0.95)
    return found


def codes(data: DataSet, seed: int) -> dict[str, dict[str, float]]:
    """The share of the 10 nearest of up to 200,000 rows among so many candidates by 4-bit codes."""
    metrics = {"": faiss.METRIC_L2} | ({", by product": faiss.METRIC_INNER_PRODUCT} if data.metric == "cosine" else {})
    base, queries = data.base[:200_000], data.queries[:500]
    truth, dim = faiss.knn(queries, base, K)[1], base.shape[1]
    axes = Axes.of(base, np.arange(len(base)), seed)
    found = {"as they are, " + str(dim // 2): _among(_plain(base, dim // 2), base, queries, truth)}
    for parts in (dim // 2, 3 * dim // 8, dim // 4, dim // 8):
        coder = axes.coder(parts, seed)
        for how, metric in metrics.items():
            index = faiss.IndexPQFastScan(coder.width, parts, 4, metric)
            index.pq, index.is_trained = coder.quantizer, True
            found[f"turned, {parts}{how}"] = _among(index, coder.turned(base), coder.turned(queries), truth)
    return found


def _plain(base: Float32, parts: int) -> faiss.Index:
    index = faiss.IndexPQFastScan(base.shape[1], parts, 4)
    index.train(base[:10_000])
    return index


def _among(index: faiss.Index, base: Float32, queries: Float32, truth: NDArray[np.int64]) -> dict[str, float]:
    index.add(np.ascontiguousarray(base))
    found = index.search(np.ascontiguousarray(queries), CANDIDATES[-1])[1]
    hit = found[:, :, None] == truth[:, None, :]
    return {str(c): float(hit[:, :c].any(axis=1).mean()) for c in CANDIDATES}


if __name__ == "__main__":
    main()
