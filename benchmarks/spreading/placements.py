"""How many workers queries would ask under other placements of the same leaves, counted without workers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hierindex.cluster.config import Placing
from hierindex.cluster.front import Front
from hierindex.cluster.placement import Placement, weights
from hierindex.index.native import kmeans, nearest
from hierindex.vectors import Float32, Int64

__all__ = ["counted", "placements"]


def placements(front: Front, queries: Float32, workers: int) -> dict[str, dict[str, float]]:
    """Fan-out at recall .95 and the heaviest worker's rows (a multiple of an even share), by way of placing.

    ``axes`` halves the leaves along the principal axis of their centroids, again and again; ``kmeans`` makes as many
    groups of centroids as there are workers, which are not even.
    """
    plan = front.plan(10, 0.95)
    assert plan is not None
    leaves = front.leaves(front.turned(queries), plan)
    centres, weight = front.nodes.leaf_centroids, weights(front.nodes.count[front.nodes.leaves])
    owners = {
        "subtree": Placement.of(weight, workers, 1).holders[:, 0],
        "hash": Placement.of(weight, workers, 1, Placing.HASH).holders[:, 0],
        "axes": _halved(centres, weight, workers),
        "kmeans": nearest(centres, kmeans(centres, workers, 0, iterations=30)),
    }
    return {
        name: {"fan_out": _fan_out(leaves, owner), "heaviest": _heaviest(weight, owner)}
        for name, owner in owners.items()
    }


def counted(front: Front, queries: Float32, crews: tuple[int, ...]) -> list[dict[str, float]]:
    """Fan-out by subtree for numbers of workers that nobody has to start, and the leaves that a query needs."""
    plan = front.plan(10, 0.95)
    assert plan is not None
    leaves, weight = front.leaves(front.turned(queries), plan), weights(front.nodes.count[front.nodes.leaves])
    mean = float((leaves >= 0).sum(axis=1).mean())
    owners = {workers: Placement.of(weight, workers, 1).holders[:, 0] for workers in crews}
    return [{"workers": w, "leaves": mean, "fan_out": _fan_out(leaves, owner)} for w, owner in owners.items()]


def _fan_out(leaves: Int64, owner: Int64) -> float:
    asked = np.zeros((len(leaves), int(owner.max()) + 2), np.bool_)
    np.put_along_axis(asked, np.append(owner, asked.shape[1] - 1)[leaves], values=True, axis=1)
    return float(asked[:, :-1].sum(axis=1).mean())


def _heaviest(weight: NDArray[np.float64], owner: Int64) -> float:
    held = np.bincount(owner, weights=weight)
    return float(held.max() / held.mean())


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
