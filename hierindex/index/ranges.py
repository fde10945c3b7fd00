"""All rows within a distance of each query, none missed.

Rows are looked for where they can be: in the rings of the leaves (see `Rings`) where these leave out enough, among all
rows where they do not. Either way each pair is compared once more by itself, as everywhere, so the answer does not
depend on the way.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hierindex.errors import InputError
from hierindex.index.cost import ScanCost
from hierindex.index.explain import NoWatch
from hierindex.index.native import compared, within
from hierindex.index.nodes import Nodes
from hierindex.index.rings import Rings, rounding
from hierindex.vectors import Float32, Int64, Metric

__all__ = ["Near", "Searched", "all_within", "checked_radius", "near_pairs", "touched"]

_PAIRS_AT_ONCE = 4_000_000
_QUERIES_AT_ONCE = 1_024
_GATHER_BELOW = 0.5  # with a smaller share of rows allowed, these are copied out once for all queries
_GATHER_MOST = 64 * 2**20  # bytes copied out at once
_ENUMERATED = 12.0  # nanoseconds for naming a row of a ring and asking whether it may be found
_LARGEST = float(np.finfo(np.float32).max)

Pairs: TypeAlias = tuple[Int64, Int64]  # numbers of queries and of rows, (p,) each


@dataclass(frozen=True, eq=False)
class Near:
    """The rows near each of q queries, nearest first.

    Attributes:
        lims: ``(q + 1,)``: query i has ``rows[lims[i]:lims[i + 1]]``.
        rows: ``(t,)`` row numbers. distances: ``(t,)`` float32.
    """

    lims: Int64
    rows: Int64
    distances: Float32


@dataclass(frozen=True, eq=False)
class Searched:
    """What is searched.

    Attributes:
        rows: ``(n, d)``. metric: how they are compared.
        allowed: ``(n,)`` bool, the rows that may be found; None for all.
        rings, base: where the first ``base`` rows lie; None for no such knowledge.
    """

    rows: Float32
    metric: Metric
    allowed: NDArray[np.bool_] | None = None
    rings: Rings | None = None
    base: int = 0

    def allowed_of(self, query: Int64, row: Int64) -> Pairs:
        """Those of some pairs ``(p,)`` whose row may be found."""
        if self.allowed is None:
            return query, row
        kept = self.allowed[row]
        return query[kept], row[kept]

    def price_in_rings(self, n_queries: int) -> float:
        """Nanoseconds for each row in a ring, of which only those that may be found are compared."""
        return _ENUMERATED + ScanCost(self.rows.shape[1], None).scattered(self.share, n_queries)

    def price_of_all(self, n_queries: int) -> float:
        """Nanoseconds a query for comparing with all rows that may be found, copied out first where these are few."""
        dim, share = self.rows.shape[1], self.share
        gathered = share < _GATHER_BELOW
        n = len(self.rows) * (share if gathered else 1)
        return ScanCost(dim, None).whole(n, n_queries) + (dim * n / n_queries if gathered else 0)

    @cached_property
    def share(self) -> float:
        """How many of the rows may be found."""
        return 1.0 if self.allowed is None else float(self.allowed.mean())

    @cached_property
    def longest(self) -> float:
        """At least as long as the longest row."""
        if self.rings is None:
            return _longest(self.rows)
        return max(self.rings.longest, _longest(self.rows[self.base :]))


def checked_radius(radius: float, metric: Metric) -> float:
    """A radius that a metric can have.

    Raises:
        InputError: a radius that is no finite number, or below 0 for cosine or l2.
    """
    number = isinstance(radius, (int, float, np.integer, np.floating)) and not isinstance(radius, bool)
    if not number or not math.isfinite(radius):
        raise InputError(f"radius should be a finite number; found {radius!r}")
    if radius < 0 and metric is not Metric.IP:
        raise InputError(f"radius should be 0 or above for {metric.value} distances; found {radius!r}")
    return float(radius)


def all_within(queries: Float32, radius: float, searched: Searched, where: tuple[Nodes, Int64], watch: NoWatch) -> Near:
    """All allowed rows whose distance to a query, in float32, is at most ``radius``, nearest first.

    Args:
        queries: ``(q, d)`` prepared.
        radius: see `checked_radius`.
        searched: among what.
        where: the tree, and the leaf ``(n,)`` of each row.
        watch: told of the leaves of what was found.
    """
    query, row, distances = near_pairs(queries, radius, searched, watch)
    order = np.lexsort((row, distances, query))
    lims = np.searchsorted(query[order], np.arange(len(queries) + 1)).astype(np.int64)
    watch.probed(where[0], touched(where, query, row, len(queries)))
    watch.lap("exact distances")
    return Near(lims, row[order], distances[order])


def near_pairs(queries: Float32, radius: float, searched: Searched, watch: NoWatch) -> tuple[Int64, Int64, Float32]:
    """Numbers of queries and of allowed rows ``(p,)``, and their distances, of all pairs that are near; in no order."""
    radius = float(np.float32(min(max(radius, -_LARGEST), _LARGEST)))  # distances are float32 too
    nothing = np.empty(0, np.int64)
    found: list[tuple[Int64, Int64, Float32]] = [(nothing, nothing, np.empty(0, np.float32))]
    for start in range(0, len(queries), _QUERIES_AT_ONCE):
        part = queries[start : start + _QUERIES_AT_ONCE]
        for pairs in _candidates(part, radius, searched, watch):
            query, row, distances = _kept(part, radius, searched, *pairs)
            found.append((query + start, row, distances))
    query, row, distances = (np.concatenate(values) for values in zip(*found, strict=True))
    return query, row, distances


def _candidates(queries: Float32, radius: float, searched: Searched, watch: NoWatch) -> Iterator[Pairs]:
    """Pairs of a query and a row, among which are all that are near."""
    everyone = np.arange(len(queries))
    if searched.rings is None:
        yield from _by_all(queries, everyone, radius, searched, 0)
    else:
        runs = searched.rings.runs(queries, radius, searched.metric)
        few = runs.counts * searched.price_in_rings(len(queries)) < searched.price_of_all(len(queries))
        ringed = np.flatnonzero(few)
        watch.lap("route")
        for some in np.split(ringed, _cuts(runs.counts[ringed])):
            yield searched.allowed_of(*runs.pairs(some, searched.rings.order))
        watch.lap("rings")
        yield from _by_all(queries, ringed, radius, searched, searched.base)
        yield from _by_all(queries, everyone[~few], radius, searched, 0)
    watch.lap("exact scan")


def _cuts(counts: Int64) -> Int64:
    """Where to cut queries with so many pairs each into groups of not too many pairs."""
    return np.flatnonzero(np.diff(np.cumsum(counts) // _PAIRS_AT_ONCE)) + 1


def _by_all(queries: Float32, some: Int64, radius: float, searched: Searched, first: int) -> Iterator[Pairs]:
    """Pairs of ``some`` of the queries with the allowed rows from the ``first`` on, by comparing all of these."""
    numbers = np.arange(first, len(searched.rows))
    if searched.allowed is None or searched.share >= _GATHER_BELOW:
        yield from _by_these(queries, some, radius, searched, searched.rows[first:], numbers)
        return
    numbers = numbers[searched.allowed[first:]]
    step = max(1, _GATHER_MOST // (4 * searched.rows.shape[1]))
    for at in range(0, len(numbers), step):
        part = numbers[at : at + step]
        yield from _by_these(queries, some, radius, searched, searched.rows[part], part)


def _by_these(
    queries: Float32, some: Int64, radius: float, searched: Searched, rows: Float32, numbers: Int64
) -> Iterator[Pairs]:
    """Pairs of ``some`` of the queries with these rows ``(m, d)`` of these numbers ``(m,)``, by comparing all."""
    if not len(numbers) or not len(some):
        return
    bound = _bound(queries[some], radius, searched)
    if bound is not None:
        query, at = within(queries[some], rows, bound, searched.metric.by_product)
        yield searched.allowed_of(some[query], numbers[at])
        return
    step = max(1, _PAIRS_AT_ONCE // len(rows))
    for part in np.split(some, range(step, len(some), step)):
        yield searched.allowed_of(np.repeat(part, len(numbers)), np.tile(numbers, len(part)))


def _bound(queries: Float32, radius: float, searched: Searched) -> float | None:
    """What FAISS is asked for so that rounding loses no row; None where that would let too many through.

    FAISS may compute |q|^2 - 2 q.x + |x|^2, off by a share of |q|^2 + |x|^2; a row that is near has |x| <= |q| + r.
    """
    norm = float(np.sqrt(np.einsum("qd,qd->q", queries, queries, dtype=np.float64).max()))
    off = rounding(queries.shape[1])
    if searched.metric is Metric.L2:
        error = off * (norm**2 + (norm + radius) ** 2)
        return None if error > radius**2 else min((radius**2 + error) * (1 + 1e-6), _LARGEST)
    if searched.metric is Metric.COSINE:
        return 1 - radius - 2 * off - 1e-6
    bound = -radius - off * norm * searched.longest - 1e-6 * abs(radius) - 1e-30
    return min(max(bound, -_LARGEST), _LARGEST)


def _longest(rows: Float32) -> float:
    return float(np.sqrt(np.einsum("nd,nd->n", rows, rows, dtype=np.float64).max(initial=0)))


def _kept(
    queries: Float32, radius: float, searched: Searched, query: Int64, row: Int64
) -> tuple[Int64, Int64, Float32]:
    """Those of some pairs that are near, and how near."""
    metric = searched.metric
    distances = metric.distances(compared(queries, searched.rows, query, row, metric.by_product))
    near = distances <= np.float32(radius)
    return query[near], row[near], distances[near]


def touched(where: tuple[Nodes, Int64], query: Int64, row: Int64, n_queries: int) -> Int64:
    """``(n_queries, w)``: positions of the leaves of what was found, each once a query, -1 for none.

    Args:
        where: the tree, and the leaf ``(n,)`` of each row.
        query: ``(p,)``, who found.
        row: ``(p,)``, what.
        n_queries: how many.
    """
    nodes, leaf = where
    n_leaves = len(nodes.leaves)
    touched = np.unique(query * n_leaves + nodes.leaf_position[leaf[row]]) % n_leaves
    padded = np.full((n_queries, -(-len(touched) // max(n_queries, 1))), -1, np.int64)
    padded.ravel()[: len(touched)] = touched
    return padded
