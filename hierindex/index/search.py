"""The stages of a search through the leaves: route, scan, late rows, exact order, and what is still missing."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hierindex.index.effort import Effort, harder, only_needed
from hierindex.index.exact import exact_rows, exact_rows_where, in_order, joined, ranked
from hierindex.index.explain import NoWatch
from hierindex.index.native import Selector
from hierindex.index.packed import Packed
from hierindex.index.points import OperatingPoint
from hierindex.vectors import Float32, Int64, Metric

__all__ = ["Allowed", "Plan", "allow", "exactly", "leaves_of", "through_leaves"]

Found = tuple[Int64, Float32]


@dataclass(frozen=True)
class Plan:
    """How wide a search goes: nodes kept above the leaves, leaves scanned at most, rows compared exactly.

    With an ``effort`` (see `leaves_needed`) each query scans as many of the ``nprobe`` leaves as it needs.
    """

    beam: int
    nprobe: int
    candidates: int
    effort: Effort = ()

    @classmethod
    def of(cls, point: OperatingPoint) -> Plan:
        """The plan of a tuned setting."""
        return cls(point.beam, point.nprobe, point.candidates, point.effort)

    def widened(self, share: float) -> Plan:
        """The plan where only a ``share`` of the rows may be found: as many leaves more."""
        if share >= 1:
            return self
        return Plan(self.beam, math.ceil(self.nprobe / share), self.candidates, harder(self.effort, 1 / share))


@dataclass(frozen=True, eq=False)
class Allowed:
    """Which rows a search may find.

    Attributes:
        mask: ``(n,)`` bool, or None for all. count: how many.
        packed, tail: the same for the rows in lists and for the late ones, as FAISS asks; None for all.
    """

    mask: NDArray[np.bool_] | None
    count: int
    packed: Selector | None = None
    tail: Selector | None = None


def allow(mask: NDArray[np.bool_], base: int) -> Allowed:
    """The rows of a mask ``(n,)``, the first ``base`` of which lie in lists."""
    count = int(np.count_nonzero(mask))
    if count == len(mask):
        return Allowed(None, count)
    return Allowed(mask, count, Selector(mask[:base]), Selector(mask[base:]))


def exactly(queries: Float32, rows: Float32, k: int, metric: Metric, allowed: Allowed) -> Found:
    """The k nearest allowed rows, by comparing all."""
    if allowed.mask is None:
        found = exact_rows(queries, rows, k, metric.by_product)
    else:
        found = exact_rows_where(queries, rows, k, metric.by_product, allowed.mask)
    return in_order(*found, metric)


def leaves_of(packed: Packed, plan: Plan, queries: Float32) -> Int64:
    """``(q, up to nprobe)``: positions of the leaves that the plan scans for each query, nearest first, then -1.

    Queries are as `Packed.turned` gives them.
    """
    leaves, distances = packed.router.route(queries, plan.nprobe, plan.beam)
    return only_needed(plan.effort, leaves, distances)


def through_leaves(
    queries: Float32,
    rows: Float32,
    k: int,
    metric: Metric,
    where: tuple[Packed, Plan, Allowed],
    watch: NoWatch,
    leaves: Int64 | None = None,
) -> Found:
    """The k nearest of the allowed rows in the leaves that the plan probes; k of them whenever k rows are allowed.

    Somebody may have chosen other ``leaves`` already.
    """
    packed, plan, allowed = where
    turned = packed.turned(queries)
    if leaves is None:
        leaves = leaves_of(packed, plan, turned)
    watch.probed(packed.nodes, leaves)
    watch.lap("route")
    candidates = packed.lists.scan(turned, leaves, max(k, plan.candidates), allowed.packed)
    watch.lap("scan")
    if packed.base < len(rows):
        late = exact_rows(queries, rows[packed.base :], k, metric.by_product, allowed.tail)[0]
        candidates = joined(candidates, np.where(late >= 0, late + packed.base, -1))
        watch.lap("late rows")
    ids, distances = ranked(queries, rows, candidates, k, metric)
    watch.lap("exact distances")
    missing = ids[:, min(k, allowed.count) - 1] < 0
    if missing.any():
        short = np.flatnonzero(missing)
        ids[short], distances[short] = exactly(queries[short], rows, k, metric, allowed)
        watch.lap("missing results")
    return ids, distances
