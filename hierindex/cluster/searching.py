"""A search whose leaves are scanned elsewhere: bit for bit what a local one finds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hierindex.cluster.front import Front, Lists
from hierindex.cluster.messages import Ask, Counts
from hierindex.cluster.only import Only
from hierindex.cluster.pool import NO_KEY, Pool, nearest_of
from hierindex.cluster.replay import late_of, replayed
from hierindex.cluster.results import ClusterHits
from hierindex.cluster.scanner import LeafScanner, Scanned
from hierindex.index.explain import NoWatch
from hierindex.index.search import Plan
from hierindex.index.sieve import Matching, narrowed
from hierindex.index.threads import omp_threads
from hierindex.vectors import Float32, Int64

__all__ = ["Found", "exact", "search"]

_SPARE = 16  # candidates more than a local search takes, so that those at its last place can be told


@dataclass(frozen=True, eq=False)
class Found:
    """The k nearest of each query and how they came about.

    Attributes:
        hits: what the caller gets. seq: ``(q, k)``, the numbers of these rows, -1 for none.
        replayed: ``(q,)``, whose leaves had to be scanned once more in one place.
        leaves: ``(q,)``, how many leaves each query needed; 0 where all rows were compared.
    """

    hits: ClusterHits
    seq: Int64
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
    nprobe: int | None = None,
    only: Only | None = None,
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
        nprobe: scan so many leaves instead, as `Snapshot.search` does.
        only: which rows may be found; None for all.

    Raises:
        InputError: as `Front.plan`, or a filter that does not fit the columns.
    """
    queries = np.ascontiguousarray(queries)
    plan = front.plan(k, recall, nprobe)
    threads = 1 if len(queries) == 1 else (front.config.num_threads if num_threads is None else num_threads)
    with omp_threads(threads):
        among = None if only is None else _Among.of(front, scanner, only)
        if among is None:
            return _searched(front, scanner, queries, k, (plan, None, None), watch)
        leaves = None
        if plan is not None and among.count:
            plan, leaves = among.narrowed(queries, plan, k, recall if nprobe is None else None)
        found = _searched(front, scanner, queries, k, (plan, leaves, among), watch)
        found.hits.partial[:] |= among.partial
        return found


@dataclass(frozen=True, eq=False)
class _Among:
    """The rows that a filter lets through.

    Attributes:
        only: which; None where these are all.
        count: how many, late ones included. matching: ``(L,)``, how many of each list.
        lists: how full the lists are. partial: some could not be asked.
    """

    only: Only | None
    count: int
    matching: Int64
    lists: Lists
    partial: bool

    @classmethod
    def of(cls, front: Front, scanner: LeafScanner, only: Only) -> _Among:
        late = front.late
        count = int(np.count_nonzero(only.mask(late.seq, late.leaf, late.payload)))  # refuses what does not fit
        answers = scanner.every("matching", only)
        sizes, matching = (np.zeros(len(front.nodes.leaves), np.int64) for _ in range(2))
        for counts in answers.given:
            if isinstance(counts, Counts):
                sizes[counts.lists], matching[counts.lists] = counts.sizes, counts.matching
        count += int(matching.sum())
        return cls(None if count == front.n else only, count, matching, Lists(front, sizes), answers.partial)

    def narrowed(self, queries: Float32, plan: Plan, k: int, recall: float | None) -> tuple[Plan | None, Int64 | None]:
        """As a local search with a filter: the plan and its leaves; no plan where comparing all costs less."""
        front = self.lists.front
        share = self.count / front.n
        if recall is None or front.tuned is None or self.only is None:
            return plan.widened(share), None
        matching = Matching(front.n, share, lambda: self.matching)
        return narrowed(queries, plan, k, (front.tuned, recall), (self.lists, matching))


def _searched(
    front: Front,
    scanner: LeafScanner,
    queries: Float32,
    k: int,
    how: tuple[Plan | None, Int64 | None, _Among | None],
    watch: NoWatch | None,
) -> Found:
    """The k nearest by a plan (none: compare all), in leaves that somebody chose (none: those of the plan)."""
    plan, leaves, among = how
    only = None if among is None else among.only
    if among is not None and not among.count:
        no = np.zeros(len(queries), np.bool_)
        none = Scanned(Pool.empty(len(queries), k, front.of_strings), no, no.copy(), np.zeros(len(queries), np.int64))
        return _found(front, none, no, np.zeros(len(queries), np.int64))
    if plan is None:
        nothing = np.zeros(len(queries), np.int64)
        return _found(front, exact(front, scanner, queries, k, only), nothing.astype(np.bool_), nothing)
    turned = front.turned(queries)
    if leaves is None:
        leaves = front.leaves(turned, plan, filtered=among is not None)
    (watch or NoWatch()).probed(front.nodes, leaves)
    ask = Ask(queries, turned, leaves, k, max(k, plan.candidates), _SPARE, np.zeros(len(queries), np.bool_), only)
    return _through_leaves(front, scanner, ask, front.n if among is None else among.count)


def _through_leaves(front: Front, scanner: LeafScanner, ask: Ask, count: int) -> Found:
    """The k nearest in the leaves that are asked for; as many as there are where ``count`` rows may be found at all."""
    queries, k = ask.queries, ask.k
    scanned = scanner.scan(ask)
    pool, tied = scanned.pool, np.zeros(len(queries), np.bool_)
    if len(front.late):
        pool, tied = nearest_of([pool, late_of(front, queries, k, ask.only)], k)
    unsure, partial = scanned.unsure | tied, scanned.partial.copy()
    again = np.flatnonzero(unsure & ~partial)
    if len(again):
        better = replayed(front, scanner, ask.of(again))
        if better is None:  # somebody died meanwhile
            partial[again] = True
        else:
            pool.put(again, better)
    fan_out = scanned.fan_out.copy()
    short = np.flatnonzero((pool.seq[:, min(k, count) - 1] < 0) & ~partial)
    if len(short):
        rest = exact(front, scanner, queries[short], k, ask.only)
        pool.put(short, rest.pool)
        partial[short], fan_out[short] = rest.partial, rest.fan_out
    whole = Scanned(pool, unsure, partial, fan_out)
    return _found(front, whole, unsure & ~scanned.partial, np.asarray((ask.lists >= 0).sum(axis=1), np.int64))


def exact(front: Front, scanner: LeafScanner, queries: Float32, k: int, only: Only | None = None) -> Scanned:
    """The k nearest of all rows that may be found, by comparing all."""
    scanned = scanner.exact(queries, k, only)
    if not len(front.late):
        return scanned
    pool, _ = nearest_of([scanned.pool, late_of(front, queries, k, only)], k)
    return Scanned(pool, scanned.unsure, scanned.partial, scanned.fan_out)


def _found(front: Front, scanned: Scanned, replayed: NDArray[np.bool_], needed: Int64) -> Found:
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
    hits = ClusterHits(ids, distances, leaves, scanned.partial, scanned.fan_out)
    return Found(hits, pool.seq, replayed, needed)
