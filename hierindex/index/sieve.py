"""How many leaves a search needs where only some rows may be found.

The k nearest of the rows that a filter lets through are about the k/s nearest of all rows, where s is the share of rows
that it lets through around the query. How many leaves hold so many neighbours is what tuning has measured, for 1, 10
and 100 of them. So leaves are taken, nearest first, until they are as many as a search for k/s neighbours needs, with
the s of just these leaves: a filter that has nothing to do with nearness has the same s everywhere, one that goes by
what lies near is narrow for some queries and lets everything through for others. Leaves without a row that may be found
are passed by, and how hard a query is is told from the distances to the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hierindex.index.codes import Coder
from hierindex.index.cost import ScanCost, Work
from hierindex.index.effort import leaves_needed
from hierindex.index.nodes import Nodes
from hierindex.index.points import OperatingPoint, OperatingPoints
from hierindex.index.router import Router
from hierindex.index.search import Plan
from hierindex.vectors import Float32, Int64

__all__ = ["Counted", "Matching", "Sieve", "narrowed"]

Float64 = NDArray[np.float64]
_FAR = np.float32(np.finfo(np.float32).max)
_SIFTED = 4  # a search through the leaves with a filter costs about so many times one without


class Counted(Protocol):
    """What a sieve has to know of packed leaves, wherever their rows lie; see `Packed`."""

    @property
    def base(self) -> int:
        """How many rows are in lists."""

    @property
    def nodes(self) -> Nodes:
        """The tree."""

    @property
    def router(self) -> Router:
        """The way to the leaves."""

    @property
    def sizes(self) -> Int64:
        """``(L,)``: rows in each list."""

    @property
    def coder(self) -> Coder | None:
        """What codes rows; None where lists are float32."""

    def turned(self, queries: Float32) -> Float32:
        """Queries as router and lists take them."""


@dataclass(frozen=True)
class Matching:
    """How many rows a filter lets through.

    Attributes:
        stored: how many rows there are, removed ones included.
        share: the share of the points that may be found.
        by_leaf: counts those in each list, ``(L,)``, once somebody needs it.
    """

    stored: int
    share: float
    by_leaf: Callable[[], Int64]


def narrowed(
    queries: Float32,
    plan: Plan,
    k: int,
    wanted: tuple[OperatingPoints, float],
    where: tuple[Counted, Matching],
) -> tuple[Plan | None, Int64 | None]:
    """The plan among those rows only that a filter lets through, with its leaves; None where comparing all costs less.

    Args:
        queries: ``(q, d)`` prepared.
        plan: of a search among all rows.
        k: how many neighbours.
        wanted: the operating points, and the recall.
        where: the leaves, and what the filter lets through.
    """
    (tuned, recall), (packed, matching) = wanted, where
    price = ScanCost(packed.nodes.centroid.shape[1], None).brute(matching.stored, matching.share, len(queries))
    whole = tuned.lookup(k, recall)
    if whole is None or price < _SIFTED * whole.cost:
        return None, None
    sieve = Sieve.over(packed, k, matching.by_leaf(), tuned, recall)
    if sieve is None:
        return None, None
    leaves = sieve.leaves(packed.turned(queries))
    return (None, None) if price < sieve.price(leaves, plan.candidates) else (plan, leaves)


@dataclass(frozen=True, eq=False)
class Sieve:
    """A filter over packed leaves.

    Attributes:
        packed: the leaves. k: neighbours wanted.
        matching: ``(L,)``, how many rows of each leaf may be found.
        points: settings with one recall by rising k, at least one.
    """

    packed: Counted
    k: int
    matching: Int64
    points: tuple[OperatingPoint, ...]

    @classmethod
    def over(cls, packed: Counted, k: int, matching: Int64, tuned: OperatingPoints, recall: float) -> Sieve | None:
        """The sieve of a filter; None where nothing short of comparing all rows gives that recall."""
        points = tuned.at(recall)
        if not points or (points[-1].k < k and tuned.lookup(k, recall) is None):
            return None
        return cls(packed, k, matching, points)

    def leaves(self, queries: Float32) -> Int64:
        """``(q, w)``: positions of the leaves to scan, nearest first, -1 at the row ends.

        Queries are as `Packed.turned` gives them.
        """
        leaves, distances = self.packed.router.route(queries, len(self.matching), self.points[0].beam)
        matching = np.where(leaves >= 0, self.matching[leaves], 0)
        first = np.argsort(matching == 0, axis=1, kind="stable")
        leaves, distances, matching = (np.take_along_axis(x, first, axis=1) for x in (leaves, distances, matching))
        leaves, distances = np.where(matching, leaves, -1), np.where(matching, distances, _FAR)
        rows, let_through = np.cumsum(self.packed.sizes[leaves], axis=1), np.cumsum(matching, axis=1)
        like = self.k * rows / np.maximum(let_through, 1)
        number = np.arange(1, leaves.shape[1] + 1)
        enough = np.log(number) >= self._needed(distances, np.log(np.maximum(like, 1))) + math.log(self.caution)
        enough &= let_through >= self.k
        enough[:, -1] = True
        last = enough.argmax(axis=1) + 1
        widest = max(1, int(np.minimum(last, (matching > 0).sum(axis=1)).max()))
        return np.ascontiguousarray(np.where(number <= last[:, None], leaves, -1)[:, :widest])

    @cached_property
    def caution(self) -> float:
        """How many times as many leaves as the measured settings say.

        Less where a filter has nothing to do with nearness: of fewer rows the codes mistake fewer. More where it keeps
        what lies together: queries outside look from farther than any that was measured. Fitted on two sets;
        benchmarks/filters.py reports other queries and filters.
        """
        share = float(self.matching.sum() / max(self.packed.base, 1))
        beside = (self.matching * np.maximum(self.matching - 1, 0) / np.maximum(self.packed.sizes - 1, 1)).sum()
        together = float(beside / max(self.matching.sum(), 1)) - share  # of a row's leaf-mates, how many match too
        return 0.8 + 0.2 * share**2 + 1.2 * math.sqrt(max(together, 0) * (1 - share))

    def price(self, leaves: Int64, candidates: int) -> float:
        """Nanoseconds a query for scanning these leaves, those for the way to them left out."""
        held = np.where(leaves >= 0, self.packed.sizes[leaves], 0).sum(axis=1)
        lists = float((leaves >= 0).sum(axis=1).mean())
        work = Work(0, True, 0, lists, max(float(held.mean()), 1.0), candidates)
        price = ScanCost.of(self.packed.nodes.centroid.shape[1], self.packed.coder)
        return price.alone(work) if len(leaves) == 1 else price.in_batch(work)

    def _needed(self, distances: Float32, like: Float64) -> Float64:
        """``(q, w)``: the logarithm of the leaves that exp(``like``) neighbours need, by lines between the points."""
        known = np.log([point.k for point in self.points])
        leaves = np.log([_of_point(point, distances) for point in self.points])
        if len(known) == 1:
            return np.asarray(leaves[0][:, None] + np.maximum(like - known[0], 0))
        out = np.full(like.shape, -np.inf)
        for (low, high), (few, many) in zip(pairwise(known), pairwise(leaves), strict=True):
            slope = np.maximum(many - few, 0) / (high - low)
            here = (like >= low) if low > known[0] else np.ones(like.shape, np.bool_)
            out = np.where(here, few[:, None] + slope[:, None] * (like - low), out)
        return out


def _of_point(point: OperatingPoint, distances: Float32) -> Int64:
    """``(q,)``: leaves that each query scans with a setting."""
    if not point.effort:
        return np.full(len(distances), point.nprobe, np.int64)
    return np.minimum(leaves_needed(point.effort, distances), point.nprobe)
