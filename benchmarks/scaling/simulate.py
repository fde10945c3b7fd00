"""A cluster, simulated: real vectors as leaves, a tree above them, workers that serve one call after another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.scaling.model import Costs, Setting, scan_seconds
from hierindex.cluster.config import Placing
from hierindex.cluster.placement import Placement
from hierindex.index.native import scan_rows
from hierindex.vectors import Float32, Int64

__all__ = ["Leaves", "Simulated", "simulated"]

_ARRIVALS = 20_000
_LOAD = 0.6
_OTHERS = 30_000


@dataclass(frozen=True, eq=False)
class Leaves:
    """Leaves in the order of a tree: ``(L, d)`` centroids and ``(L,)`` shares of the rows."""

    centres: Float32
    weight: NDArray[np.float64]

    @classmethod
    def of(cls, rows: Any, n_leaves: int, seed: int) -> Leaves:  # noqa: ANN401
        """Random rows as centroids, weighted by how many of some other rows are nearest to each.

        The order is that of a tree which halves them along their principal axis, down to single ones.
        """
        rng = np.random.default_rng(seed)
        chosen = rng.choice(len(rows), n_leaves + _OTHERS, replace=False)
        centres = np.ascontiguousarray(rows[np.sort(chosen[:n_leaves])], np.float32)
        others = np.ascontiguousarray(rows[np.sort(chosen[n_leaves:])], np.float32)
        centres = centres[_in_order(centres)]
        count = np.bincount(scan_rows(others, centres, 1, by_product=False)[0][:, 0], minlength=n_leaves)
        return cls(centres, (count + 1) / (count + 1).sum())


@dataclass(frozen=True)
class Simulated:
    """What was counted.

    Attributes:
        fan_out: workers a query asks; by subtree, and fan_out_hash by hash.
        busiest: the busiest worker's share of all work, as a multiple of an even share.
        queries_a_second: at which the busiest worker is busy for 0.6 of its time.
        latency_p50, latency_p99: seconds at that rate, without the caller's own.
    """

    fan_out: float
    fan_out_hash: float
    busiest: float
    queries_a_second: float
    latency_p50: float
    latency_p99: float


def simulated(leaves: Leaves, queries: Float32, wanted: int, setting: Setting, costs: Costs) -> Simulated:
    """Let queries that each need the nearest ``wanted`` leaves come to the workers of a setting."""
    near, _ = scan_rows(queries, leaves.centres, min(wanted, len(leaves.centres)), by_product=False)
    rows = setting.n * leaves.weight
    placement = Placement.of(leaves.weight, setting.workers, 1)
    work = _work(near, placement.holders[:, 0], rows, setting.workers, costs)
    hashed = Placement.of(leaves.weight, setting.workers, 1, Placing.HASH).holders[:, 0]
    share = work.mean(axis=0)
    rate = _LOAD / share.max()
    times = _answered(work, rate, costs)
    return Simulated(
        fan_out=float((work > 0).sum(axis=1).mean()),
        fan_out_hash=float((_work(near, hashed, rows, setting.workers, costs) > 0).sum(axis=1).mean()),
        busiest=float(share.max() / share.mean()),
        queries_a_second=float(rate),
        latency_p50=float(np.quantile(times, 0.5)),
        latency_p99=float(np.quantile(times, 0.99)),
    )


def _work(near: Int64, owner: Int64, rows: NDArray[np.float64], workers: int, costs: Costs) -> NDArray[np.float64]:
    """``(q, workers)``: seconds that each query costs each worker; 0 where it asks nothing."""
    scanned = np.zeros((len(near), workers))
    np.add.at(scanned, (np.arange(len(near))[:, None], owner[near]), rows[near])
    seconds = scan_seconds(costs, 0) + costs.row * scanned + costs.candidate * np.minimum(124, scanned)
    return np.where(scanned > 0, seconds, 0)


def _answered(work: NDArray[np.float64], rate: float, costs: Costs) -> NDArray[np.float64]:
    """Seconds from each query's arrival to its last answer; workers serve calls in the order in which they come."""
    rng = np.random.default_rng(0)
    arrivals = np.cumsum(rng.exponential(1 / rate, _ARRIVALS))
    which = rng.integers(0, len(work), _ARRIVALS)
    free, times = np.zeros(work.shape[1]), np.empty(_ARRIVALS)
    for number, (at, query) in enumerate(zip(arrivals.tolist(), which.tolist(), strict=True)):
        asked = np.flatnonzero(work[query])
        free[asked] = np.maximum(free[asked], at) + work[query, asked]
        times[number] = free[asked].max() - at + costs.call
    return times[_ARRIVALS // 10 :]  # the first find empty queues


def _in_order(centres: Float32) -> Int64:
    """``(L,)``: the leaves of the tree that halves the centroids along their principal axis, from left to right."""
    done, todo = [], [np.arange(len(centres), dtype=np.int64)]
    while todo:
        some = todo.pop()
        if len(some) <= 2:
            done.append(some)
            continue
        x = centres[some] - centres[some].mean(axis=0)
        axis = np.ones(x.shape[1])
        for _ in range(8):  # the power method is exact enough to halve by
            axis = x.T @ (x @ axis)
            axis /= max(float(np.linalg.norm(axis)), 1e-30)
        order = some[np.argsort(x @ axis, kind="stable")]
        todo += [order[len(order) // 2 :], order[: len(order) // 2]]
    return np.concatenate(done)
