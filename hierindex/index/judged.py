"""Held-out rows as queries: their true neighbours, and at which leaf on a query's way each of these lies.

The held-out rows are in the index like all others, but shaped neither its cells nor its codes, and each is left out of
its own answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hierindex.index.exact import exact_rows_where, in_order
from hierindex.index.router import Router
from hierindex.index.tables import Table
from hierindex.vectors import Float32, Int64, Metric

__all__ = ["TUNED_K", "Judged", "Routed", "held_out", "nearest_others", "without_own"]

TUNED_K = (1, 10, 100)
_FOUND = 0.9995
_MOST_LEAVES = 2_048


def held_out(live_rows: Int64, tune_queries: int, seed: int) -> Int64:
    """Rows to measure with: ``tune_queries`` of them, at most a tenth of all."""
    count = min(tune_queries, len(live_rows) // 10)
    return np.sort(np.random.default_rng(seed).choice(live_rows, count, replace=False))


@dataclass(frozen=True, eq=False)
class Judged:
    """Queries and what they should find.

    Attributes:
        rows: ``(q,)`` row numbers of the queries. queries: ``(q, d)``, the rows themselves.
        truth: ``(q, t)``, the nearest live rows of each, without itself; t is 100, or what there is.
    """

    rows: Int64
    queries: Float32
    truth: Int64

    @classmethod
    def of(cls, table: Table, metric: Metric, rows: Int64) -> Self:
        """The queries of these row numbers, judged by comparing all live rows."""
        most, all_rows = min(TUNED_K[-1], table.ids.n_live - 1), table.rows.values
        return cls(rows, all_rows[rows], nearest_others(all_rows, rows, most, metric, table.ids.alive))

    @property
    def measured_k(self) -> list[int]:
        """The numbers of neighbours that can be judged."""
        return [k for k in TUNED_K if k <= self.truth.shape[1]]


@dataclass(frozen=True, eq=False)
class Routed:
    """The way of each query through the leaves, for one beam.

    Attributes:
        beam: see `Router.route`.
        lists: ``(q, w)`` leaves, nearest first. distances: ``(q, w)`` to their centroids.
        rank: ``(q, t)``: at which place of ``lists`` the leaf of each true neighbour stands; w where it is absent.
        rows_up_to: ``(q, w + 1)``: how many rows the first 0, 1, .. w leaves hold.
    """

    beam: int
    lists: Int64
    distances: Float32
    rank: Int64
    rows_up_to: Int64

    @classmethod
    def of(
        cls,
        router: Router,
        queries: Float32,
        judged: Judged,
        leaf_of: NDArray[np.integer[Any]],
        sizes: Int64,
        beam: int,
    ) -> Self:
        """The ways as far as they find neighbours.

        Args:
            router: over the leaves.
            queries: of ``judged``, as the router takes them.
            judged: queries and neighbours.
            leaf_of: ``(n,)``, the leaf (its position from left to right) of each row.
            sizes: ``(L,)``, rows in each leaf.
            beam: see `Router.route`.
        """
        n_leaves, n_queries = len(sizes), len(judged.queries)
        lists, distances = router.route(queries, min(n_leaves, _MOST_LEAVES), beam)
        width = lists.shape[1]
        place = np.full((n_queries, n_leaves + 1), width, np.int32)
        np.put_along_axis(place, lists, np.arange(width, dtype=np.int32)[None], axis=1)  # -1 writes behind the leaves
        place[:, -1] = width
        rank = np.take_along_axis(place, leaf_of[judged.truth], axis=1).astype(np.int64)
        width = _wide_enough(rank, width)
        held = np.where(lists[:, :width] >= 0, sizes[lists[:, :width]], 0)
        rows_up_to = np.concatenate([np.zeros((n_queries, 1), np.int64), np.cumsum(held, axis=1)], axis=1)
        return cls(beam, lists[:, :width], distances[:, :width], np.minimum(rank, width), rows_up_to)

    @property
    def width(self) -> int:
        """w, after which leaves hold hardly any more neighbours."""
        return int(self.lists.shape[1])

    @cached_property
    def widths(self) -> Int64:
        """Numbers of leaves to measure at: 1, 2, 3, 4, 6, 8, 11, 16, 23 .. w."""
        grid = {round(2 ** (i / 2)) for i in range(2 * self.width.bit_length())}
        return np.array(sorted({number for number in grid if number < self.width} | {self.width}), np.int64)


def nearest_others(rows: Float32, own: Int64, k: int, metric: Metric, allowed: NDArray[np.bool_]) -> Int64:
    """``(q, k)``: the nearest of the allowed rows ``(n, d)`` to each of ``own`` ``(q,)``, without itself; k below n."""
    queries = rows[own]
    found = exact_rows_where(queries, rows, k + 1, metric.by_product, allowed)
    return without_own(in_order(*found, metric)[0], own)


def without_own(found: Int64, own: Int64) -> Int64:
    """``(q, c - 1)``: each row without its own number, or without its last where that is absent."""
    drop = found == own[:, None]
    drop[~drop.any(axis=1), -1] = True
    return np.asarray(found[~drop].reshape(len(found), found.shape[1] - 1))


def _wide_enough(rank: Int64, width: int) -> int:
    """The least number of leaves that hold all but 0.05 % of the neighbours that ``width`` leaves hold."""
    reached = np.sort(rank[rank < width])
    return width if not len(reached) else int(reached[min(len(reached) - 1, int(_FOUND * len(reached)))]) + 1
