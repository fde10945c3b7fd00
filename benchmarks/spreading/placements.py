"""How many workers queries would ask under several placements of the same leaves, counted without workers.

    python -m benchmarks.spreading.placements --cache FOLDER

prints what ``benchmarks.cluster`` keeps as ``spread.others``; it needs the index that this makes, and no Ray.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hierindex.cluster.config import Placing
from hierindex.cluster.front import Front
from hierindex.cluster.loading import Source, read_front
from hierindex.cluster.placement import Placement, weights
from hierindex.index.native import kmeans, nearest
from hierindex.storage import Store
from hierindex.vectors import Float32, Int64

__all__ = ["counted", "homes_of", "placements"]

_BORDERS = (0.0, 0.1, 0.2, 0.3)
_AT_ONCE = 2_000


def placements(front: Front, queries: Float32, workers: int, homes: Int64 | None = None) -> dict[str, dict[str, float]]:
    """Fan-out at recall .95, all rows held, and the heaviest worker's (a multiple of an even share), by way of placing.

    ``axes`` halves the leaves along the principal axis of their centroids, again and again; ``kmeans`` makes as many
    groups of centroids as there are workers, which are not even. With the leaves ``homes`` ``(q, 10)`` of the true
    neighbours also ``known``: the workers that hold these, which no search can do with less of.
    """
    plan = front.plan(10, 0.95)
    assert plan is not None
    leaves = front.leaves(front.turned(queries), plan)
    centres, weight = front.nodes.leaf_centroids, weights(front.nodes.count[front.nodes.leaves])
    probed = front.probed_at_leaves()
    ways = {
        "subtree": Placement.of(weight, workers, 1),
        "hash": Placement.of(weight, workers, 1, Placing.HASH),
        "axes": Placement(workers, _halved(centres, weight, workers)[:, None]),
        "kmeans": Placement(workers, nearest(centres, kmeans(centres, workers, 0, iterations=30))[:, None]),
    }
    for borders in _BORDERS:
        ways[f"probed {borders}"] = Placement.of(weight, workers, 1, Placing.PROBED, probed, borders)
    for placing in Placing:
        ways[f"{placing.value}, two copies"] = Placement.of(weight, workers, 2, placing, probed)
    out = {}
    for name, way in ways.items():
        loads = np.array([weight[way.held_by(worker)].sum() for worker in range(workers)])
        out[name] = {
            "fan_out": _fan_out(leaves, way),
            "rows": float(loads.sum()),
            "heaviest": float(loads.max() / loads.mean()),
        }
        if homes is not None:
            out[name]["known"] = _fan_out(homes, way)
    return out


def homes_of(front: Front, rows: Float32, truth: Int64) -> Int64:
    """``(q, 10)``: the leaves of the true neighbours, rows by number, where each lies with the nearest centroid.

    Args:
        front: the index.
        rows: ``(n, d)``, all of its rows.
        truth: ``(q, 10)`` row numbers.
    """
    distinct, at = np.unique(truth, return_inverse=True)
    leaf = nearest(np.ascontiguousarray(rows[distinct], np.float32), front.nodes.leaf_centroids)
    return np.asarray(leaf[at.reshape(truth.shape)])


def counted(front: Front, queries: Float32, crews: tuple[int, ...]) -> list[dict[str, float]]:
    """Fan-out by subtree for numbers of workers that nobody has to start, and the leaves that a query needs."""
    plan = front.plan(10, 0.95)
    assert plan is not None
    leaves, weight = front.leaves(front.turned(queries), plan), weights(front.nodes.count[front.nodes.leaves])
    mean = float((leaves >= 0).sum(axis=1).mean())
    ways = {workers: Placement.of(weight, workers, 1) for workers in crews}
    return [{"workers": w, "leaves": mean, "fan_out": _fan_out(leaves, way)} for w, way in ways.items()]


def _fan_out(leaves: Int64, way: Placement) -> float:
    """How many workers a query asks on average: the fewest of those with its leaves that `Placement.asked` finds."""
    counts = []
    for some in np.array_split(leaves, max(1, len(leaves) // _AT_ONCE)):
        asked = np.sort(way.asked(some, np.ones(way.workers, np.bool_)), axis=1)
        counts.append(((asked >= 0) & (np.diff(asked, axis=1, prepend=-2) != 0)).sum(axis=1))
    return float(np.concatenate(counts).mean())


def _halved(centres: Float32, weight: NDArray[np.float64], parts: int) -> Int64:
    """``(L,)``: the part of each leaf, all about as heavy."""
    owner = np.zeros(len(centres), np.int64)
    todo = [(np.arange(len(centres)), 0, parts)]
    while todo:
        some, first, k = todo.pop()
        if k == 1:
            owner[some] = first
            continue
        x = centres[some] - np.average(centres[some], axis=0, weights=weight[some])
        axis = np.linalg.svd(x * np.sqrt(weight[some])[:, None], full_matrices=False)[2][0]
        order = some[np.argsort(x @ axis, kind="stable")]
        below = np.cumsum(weight[order])
        cut = int(np.searchsorted(below, below[-1] * (k // 2) / k))
        todo += [(order[:cut], first, k // 2), (order[cut:], first + k // 2, k - k // 2)]
    return owner


def main() -> None:
    """Count, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True)
    folder = parser.parse_args().cache / "sift1m"
    path, base = folder / "cluster.index", np.load(folder / "base.npy", mmap_mode="r")
    front, _ = read_front(Source.of(path, Store.open(path).version, None))
    homes = homes_of(front, base, np.load(folder / "truth.npy")[:, :10])
    print(json.dumps(placements(front, np.load(folder / "query.npy").astype(np.float32), 8, homes), indent=1))


if __name__ == "__main__":
    main()
