"""The leaves that one worker holds: rows, lists ready for scanning, and what is asked of them. No Ray here.

A shard takes the steps of a local search with the same calls on the same lists in the same order, so what it says of a
leaf is what a local search would say of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hierindex.cluster.messages import Ask, Counts, Entries, Held, Pairs
from hierindex.cluster.only import Chosen, Kept, Only
from hierindex.cluster.pool import NO_KEY, Pool
from hierindex.index.codes import Coder
from hierindex.index.exact import exact_rows_where
from hierindex.index.explain import NoWatch
from hierindex.index.leaves import FaissLists, FlatLeaves, PqLeaves
from hierindex.index.native import Selector, compared, nearest_among
from hierindex.index.ranges import Searched, near_pairs
from hierindex.index.rings import RingsOnce
from hierindex.index.threads import omp_threads
from hierindex.vectors import Float32, Ids, Int64, Metric

__all__ = ["Shard"]


@dataclass(frozen=True, eq=False)
class Shard:
    """The rows of some leaves, ready to be searched. Immutable; any number of threads may ask.

    Attributes:
        held: ``(h,)`` positions of its leaves, rising.
        rows, seq, ids, leaf: as of `Held`, n rows.
        codes: ``(n, bytes)`` what ``coder`` made of the rows; None where lists are float32.
        centres: ``(h, d)``, the centroids of its leaves.
    """

    metric: Metric
    held: Int64
    data: Held
    coder: Coder | None
    codes: NDArray[np.uint8] | None
    centres: Float32
    _chosen: Kept = field(default_factory=Kept)
    _rings: RingsOnce = field(default_factory=RingsOnce)

    @classmethod
    def of(
        cls,
        held: Int64,
        data: Held,
        metric: Metric,
        coder: Coder | None,
        centres: Float32,
        codes: NDArray[np.uint8] | None = None,
    ) -> Self:
        """The shard of these rows, all of which lie in the leaves ``held``.

        Args:
            held: rising positions of leaves.
            data: their rows.
            centres: the leaves' centroids.
            metric: how rows are compared.
            coder: what codes them; None for float32 lists.
            codes: ``(n, bytes)``, where they are made already.
        """
        if coder is not None and codes is None:
            codes = coder.encode(data.rows)
        shard = cls(metric, held, data, coder, codes, centres)
        _ = shard.lists  # made now, not by the first search
        return shard

    @cached_property
    def lists(self) -> FaissLists:
        """The leaves as FAISS lists; list i is leaf ``held[i]``."""
        own, n_lists = self._own(self.data.leaf), max(len(self.held), 1)
        if self.coder is None or self.codes is None:
            return FlatLeaves.pack(self.data.rows, own, n_lists, self.metric.by_product)
        return PqLeaves.pack(self.coder, self.codes, own, n_lists, self.metric.coded_by_product)

    @property
    def _more_is_better(self) -> bool:
        """Whether what its lists say of a row is a product, not a squared distance."""
        return self.metric.by_product if self.coder is None else self.metric.coded_by_product

    @property
    def sizes(self) -> Int64:
        """``(h,)``: rows in each of its leaves."""
        return np.bincount(self._own(self.data.leaf), minlength=len(self.held)).astype(np.int64)

    @property
    def n_bytes(self) -> int:
        """What it keeps in memory: rows, codes (by row and by list), numbers and ids."""
        rows, codes = self.data.rows.nbytes, 0 if self.codes is None else 2 * self.codes.nbytes
        payload = 0 if self.data.payload is None else self.data.payload.nbytes
        return rows + codes + len(self.data) * (8 + 8 + 8) + self.data.ids.nbytes + payload

    @property
    def of_strings(self) -> bool:
        """Whether ids are strings."""
        return self.data.ids.dtype == object

    def scan(self, ask: Ask) -> tuple[Pool, Pool]:
        """The best of the lists: for queries asked of nobody else the k nearest, for the others all candidates.

        Returns:
            for the queries that are alone ``(a, k)``, as a local search ranks them; for the others ``(b, c)`` with c =
            candidates + spare, by falling promise, and ``codes`` that say how good the scan thought each.
        """
        with omp_threads(1):
            return self._nearest(ask), self._candidates(ask)

    def exact(self, queries: Float32, k: int, only: Only | None, lists: Int64) -> Pool:
        """The k nearest ``(q, k)`` of all rows in these leaves that may be found, by comparing all."""
        allowed = self._allowed(only, lists)
        if not allowed.any():
            return Pool.empty(len(queries), k, self.of_strings)
        with omp_threads(1):
            found = exact_rows_where(queries, self.data.rows, k, self.metric.by_product, allowed)
            return self.data.pool(*found, self.metric.by_product)

    def within(self, queries: Float32, radius: float, only: Only | None, lists: Int64) -> Pairs:
        """All rows in these leaves that may be found and are not farther from a query than a radius."""
        allowed, data = self._allowed(only, lists), self.data
        rings = self._rings.of(data.rows, self._own(data.leaf), self.centres) if len(data) else None
        searched = Searched(data.rows, self.metric, None if allowed.all() else allowed, rings, len(data))
        with omp_threads(1):
            query, row, distances = near_pairs(queries, radius, searched, NoWatch())
        return Pairs(query, data.seq[row], data.leaf[row], data.ids[row], distances)

    def matching(self, only: Only, lists: Int64) -> Counts:
        """How many rows these lists have, and how many that may be found.

        Raises:
            InputError: see `Only.mask`.
        """
        n_lists, chosen = len(self.held), self._chosen_by(only)
        matching = np.bincount(self._own(self.data.leaf[chosen.mask]), minlength=n_lists).astype(np.int64)
        own = self._own(lists)
        return Counts(lists, self.sizes[own], matching[own])

    def numbers(self, lists: Int64) -> Int64:
        """The numbers of the rows in some of the lists."""
        return self.data.seq[np.isin(self.data.leaf, lists)]

    def bearing(self, ids: Ids, lists: Int64) -> Held:
        """The rows in some of the lists that bear one of some ids."""
        rows = self.data.bearing(ids)
        return self.data.take(rows[np.isin(self.data.leaf[rows], lists)])

    def entries(self, lists: Int64, only: Only | None) -> Entries:
        """What is in some of the lists."""
        rows = np.flatnonzero(np.isin(self.data.leaf, lists))
        codes = self.data.rows[rows].view(np.uint8) if self.codes is None else self.codes[rows]
        allowed = np.ones(len(rows), np.bool_) if only is None else self._chosen_by(only).mask[rows]
        return Entries(self.data.leaf[rows], self.data.seq[rows], codes, allowed)

    def vectors(self, seq: Int64) -> tuple[Int64, Float32, Ids, Int64]:
        """Those of the points ``seq`` that are here: numbers, vectors, ids, leaves; by rising seq."""
        at = np.searchsorted(self.data.seq, seq)
        at = at[at < len(self.data)]
        rows = np.unique(at[np.isin(self.data.seq[at], seq)]) if len(at) else at
        return self.data.seq[rows], self.data.rows[rows], self.data.ids[rows], self.data.leaf[rows]

    def present(self, ids: Ids) -> Ids:
        """Those of its points' ids that are among these."""
        return self.data.ids[self.data.bearing(ids)]

    def sample(self, n: int, seed: int, without: Ids | None = None) -> Held:
        """Up to n of its rows, drawn at random, none of which bears one of some ids."""
        usable = np.arange(len(self.data)) if without is None else np.flatnonzero(~np.isin(self.data.ids, without))
        rng = np.random.default_rng([seed, int(self.held[0]) if len(self.held) else 0])
        rows = np.sort(rng.choice(usable, min(n, len(usable)), replace=False)).astype(np.int64)
        data = self.data
        return Held(data.rows[rows], data.seq[rows], data.ids[rows], data.leaf[rows])

    def by_code(self, turned: Float32, lists: Int64, k: int) -> tuple[Int64, Float32]:
        """The k rows ``(q, k)`` of the lists whose codes promise most, by number, and what they promise."""
        with omp_threads(1):
            found, promise = self.lists.promising(turned, self._own(lists), k, None)
        there = found >= 0
        seq = np.full(found.shape, -1, np.int64)
        seq[there] = self.data.seq[found[there]]
        keys = np.where(there, -promise if self._more_is_better else promise, NO_KEY)
        return seq, keys.astype(np.float32)

    def _nearest(self, ask: Ask) -> Pool:
        own = np.flatnonzero(ask.alone)
        if not len(own) or not len(self.data):
            return Pool.empty(len(own), ask.k, self.of_strings)
        some = ask.of(own)
        wanted, only = max(ask.k, ask.candidates), self._selector(ask.only)
        found = self.lists.scan(some.turned, self._own(some.lists), wanted, only)
        return self._ranked(some.queries, found, ask.k)

    def _candidates(self, ask: Ask) -> Pool:
        own, wanted = np.flatnonzero(~ask.alone), max(ask.k, ask.candidates) + ask.spare
        if not len(own) or not len(self.data):
            return Pool.empty(len(own), wanted, self.of_strings, promised=True)
        some = ask.of(own)
        only = self._selector(ask.only)
        found, promise = self.lists.promising(some.turned, self._own(some.lists), wanted, only)
        pool = self._ranked(some.queries, found, wanted, in_order=False)
        promise = np.where(found >= 0, -promise if self._more_is_better else promise, NO_KEY)
        return Pool(pool.keys, pool.seq, pool.ids, pool.leaf, np.asarray(promise, np.float32))

    def _ranked(self, queries: Float32, rows: Int64, k: int, in_order: bool = True) -> Pool:
        """The k best of the rows ``(q, c)``; unless in order, all of them as they stand, k = c."""
        rows = np.ascontiguousarray(rows)
        if in_order:
            best, raw = nearest_among(queries, self.data.rows, rows, k, self.metric.by_product)
        else:
            best, raw = rows, _compared(queries, self.data.rows, rows, self.metric.by_product)
        return self.data.pool(best, raw, self.metric.by_product)

    def _chosen_by(self, only: Only) -> Chosen:
        return self._chosen.of(only, self.data.seq, self.data.leaf, self.data.payload)

    def _selector(self, only: Only | None) -> Selector | None:
        return None if only is None else self._chosen_by(only).selector

    def _allowed(self, only: Only | None, lists: Int64) -> NDArray[np.bool_]:
        """``(n,)``: the rows of these lists that may be found."""
        here = np.isin(self.data.leaf, lists)
        return here if only is None else here & self._chosen_by(only).mask

    def _own(self, lists: Int64) -> Int64:
        """Positions in the tree as numbers of its own lists; -1 stays."""
        at = np.searchsorted(self.held, lists).astype(np.int64)
        return np.ascontiguousarray(np.where(lists >= 0, at, -1))


def _compared(queries: Float32, rows: Float32, candidates: Int64, by_product: bool) -> Float32:
    """``(q, c)``: squared distance or product of each query and candidate, as `nearest_among` has it."""
    raw = np.zeros(candidates.shape, np.float32)
    of_query, at = np.nonzero(candidates >= 0)
    raw[of_query, at] = compared(queries, rows, of_query.astype(np.int64), candidates[of_query, at], by_product)
    return raw
