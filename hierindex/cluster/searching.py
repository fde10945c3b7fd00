"""A search whose leaves are scanned elsewhere: bit for bit what a local one finds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hierindex.cluster.front import Front
from hierindex.cluster.pool import NO_KEY, nearest_of
from hierindex.cluster.replay import late_of, replayed
from hierindex.cluster.results import ClusterHits
from hierindex.cluster.scanner import LeafScanner, Scanned
from hierindex.cluster.shard import Ask
from hierindex.index.explain import NoWatch
from hierindex.index.search import Plan
from hierindex.index.threads import omp_threads
from hierindex.vectors import Float32, Int64

__all__ = ["Found", "exact", "search"]

_SPARE = 16  # candidates more than a local search takes, so that those at its last place can be told


@dataclass(frozen=True, eq=False)
class Found:
    """The k nearest of each query and how they came about.

    Attributes:
        hits: what the caller gets. replayed: ``(q,)``, whose leaves had to be scanned once more in one place.
        leaves: ``(q,)``, how many leaves each query needed; 0 where all rows were compared.
    """

    hits: ClusterHits
    replayed: NDArray[np.bool_]
    leaves: Int64


def search(
    front: Front,
    scanner: LeafScanner,
    queries: Float32,
    k: int,
    recall: float = 0.95,
    watch: NoWatch | None = None,
    num_threads: int | None = None,
) -> Found:
    """The k nearest points of each query.

    Args:
        front: the version to search.
        scanner: who has its rows.
        queries: ``(q, d)`` prepared.
        k: how many, at least 1.
        recall: the share of the true k nearest to find; 1 is exact.
        watch: told of the leaves that were scanned.
        num_threads: of routing a batch.

    Raises:
        InputError: as `Front.plan`.
    """
    queries = np.ascontiguousarray(queries)
    plan = front.plan(k, recall)
    threads = 1 if len(queries) == 1 else (front.config.num_threads if num_threads is None else num_threads)
    with omp_threads(threads):
        if plan is None:
            scanned = exact(front, scanner, queries, k)
            none = np.zeros(len(queries), np.int64)
            return Found(_hits(front, scanned), none.astype(np.bool_), none)
        return _through_leaves(front, scanner, queries, k, plan, watch or NoWatch())


def _through_leaves(front: Front, scanner: LeafScanner, queries: Float32, k: int, plan: Plan, watch: NoWatch) -> Found:
    turned = front.turned(queries)
    leaves = front.leaves(turned, plan)
    watch.probed(front.nodes, leaves)
    ask = Ask(queries, turned, leaves, k, max(k, plan.candidates), _SPARE, np.zeros(len(queries), np.bool_))
    scanned = scanner.scan(ask)
    pool, tied = nearest_of([scanned.pool, late_of(front, queries, k)], k) if len(front.late) else (scanned.pool, False)
    unsure, partial = scanned.unsure | tied, scanned.partial.copy()
    again = np.flatnonzero(unsure & ~partial)
    if len(again):
        better = replayed(front, scanner, ask.of(again))
        if better is None:  # somebody died meanwhile
            partial[again] = True
        else:
            pool.put(again, better)
    fan_out = scanned.fan_out.copy()
    short = np.flatnonzero((pool.seq[:, min(k, front.n) - 1] < 0) & ~partial)
    if len(short):
        rest = exact(front, scanner, queries[short], k)
        pool.put(short, rest.pool)
        partial[short], fan_out[short] = rest.partial, rest.fan_out
    whole = Scanned(pool, unsure, partial, fan_out)
    return Found(_hits(front, whole), unsure & ~scanned.partial, np.asarray((leaves >= 0).sum(axis=1), np.int64))


def exact(front: Front, scanner: LeafScanner, queries: Float32, k: int) -> Scanned:
    """The k nearest of all rows, by comparing all."""
    scanned = scanner.exact(queries, k)
    if not len(front.late):
        return scanned
    pool, _ = nearest_of([scanned.pool, late_of(front, queries, k)], k)
    return Scanned(pool, scanned.unsure, scanned.partial, scanned.fan_out)


def _hits(front: Front, scanned: Scanned) -> ClusterHits:
    """Distances in the terms of the metric; of equal ones the row that came first stands first."""
    pool = scanned.pool
    missing = pool.seq < 0
    keys = np.where(missing, np.float32(0), pool.keys)
    distances = front.metric.distances(-keys if front.metric.by_product else keys)
    distances[missing] = NO_KEY
    order = np.lexsort((pool.seq, missing, distances), axis=-1)
    pool, distances = pool.take(order), np.take_along_axis(distances, order, axis=1)
    missing = pool.seq < 0
    ids = pool.ids.copy()
    ids[missing] = np.array(None if front.of_strings else -1, ids.dtype)
    leaves = np.where(missing, -1, front.nodes.leaves[np.where(missing, 0, pool.leaf)])
    return ClusterHits(ids, distances, leaves, scanned.partial, scanned.fan_out)
