"""Which leaves the searches touch, and what that says about where to keep them.

A search through the leaves touches the leaves that it scans. One that compares all rows (a small set, recall 1, a
filter that few rows pass) touches all leaves alike, which says nothing: there the leaves of its results count, each
once a query, for they are what a search through the leaves would have had to read. Rows added since the leaves were
packed are in no list yet and count nowhere.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hierindex.errors import InputError
from hierindex.index.explain import NoWatch
from hierindex.index.nodes import Nodes
from hierindex.vectors import Ids, Int64

__all__ = ["Heat", "HeatCounter", "Tier"]


@dataclass(frozen=True, eq=False)
class Heat:
    """How often searches touched each leaf.

    Attributes:
        leaves: ``(L,)`` int64, the leaves' node numbers, from left to right in the tree.
        counts: ``(L,)`` int64, how many queries touched each.
        sizes: ``(L,)`` int64, how many points each holds.
        queries: how many queries were counted, wherever they went.
    """

    leaves: Int64
    counts: Int64
    sizes: Int64
    queries: int

    def tiers(self, shares: Sequence[float] = (0.8, 0.95)) -> list[Int64]:
        """Leaves for the fastest storage first: node numbers of each of ``len(shares) + 1`` tiers.

        The leaves with most touches a point come first, so that each tier holds about as few points as can serve its
        share (the greedy solution of the fractional knapsack: G. B. Dantzig, Operations Research 5, 1957).

        Args:
            shares: rising, above 0 and below 1: the share of the touches that the first tier serves, that the first two
                serve together, and so on; the last tier takes the rest.

        Raises:
            InputError: shares that are none, or nothing was counted.

        Example:
            >>> heat = Heat(np.array([4, 7, 9]), np.array([1, 90, 9]), np.array([10, 10, 10]), 50)
            >>> [tier.tolist() for tier in heat.tiers((0.8, 0.95))]
            [[7], [9], [4]]
        """
        wanted = np.asarray(shares, dtype=np.float64)
        if wanted.ndim != 1 or not ((wanted > 0) & (wanted < 1)).all() or (np.diff(wanted) <= 0).any():
            raise InputError(f"shares should be rising numbers above 0 and below 1; found {shares!r}")
        if not self.counts.any():
            raise InputError("tiers should come after searches that touched these leaves; found none counted")
        order = np.argsort(-self.counts / np.maximum(self.sizes, 1), kind="stable")
        served = np.cumsum(self.counts[order]) / self.counts.sum()
        stops = np.searchsorted(served, wanted - 1e-12) + 1  # the first leaf with which the share is reached
        return np.split(self.leaves[order], stops)


@dataclass(frozen=True, eq=False)
class Tier:
    """Leaves that belong on one kind of storage.

    Attributes:
        leaves: ``(t,)`` int64, node numbers, most touched a point first.
        ids: ``(n,)``, the points in them.
        traffic: the share of the counted touches that went to them; of later searches too, as far as they ask for the
            same things.
    """

    leaves: Int64
    ids: Ids
    traffic: float


class HeatCounter(NoWatch):
    """Counts touches by node number; any number of threads may search with it.

    A search pays for one addition a probed leaf, under a lock. Counts follow the index as it grows: what a leaf got
    before it split is shared among the leaves that it became, by their points. Another tree starts at zero.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._nodes: Nodes | None = None
        self._counts: Int64 = np.zeros(0, np.int64)
        self._queries = 0

    def probed(self, nodes: Nodes, positions: Int64) -> None:
        """Queries scanned the leaves ``nodes.leaves[positions]``, ``(q, nprobe)``; -1 for none."""
        self._add(nodes, nodes.leaves[positions[positions >= 0]], len(positions))

    def compared(self, nodes: Nodes, leaf: Int64, rows: Int64) -> None:
        """Queries compared all rows and found ``rows`` ``(q, k)``, -1 for none; ``leaf[row]`` is a row's leaf."""
        touched = np.sort(np.where(rows >= 0, leaf[rows], -1), axis=1)
        first = touched >= 0
        first[:, 1:] &= touched[:, 1:] != touched[:, :-1]
        self._add(nodes, touched[first], len(rows))

    def heat(self, nodes: Nodes, sizes: Int64) -> Heat:
        """The counts as leaves of ``nodes``, which hold ``sizes`` ``(m,)`` points."""
        counts, queries = self._read(nodes)
        for node in nodes.preorder[~nodes.is_leaf[nodes.preorder]].tolist():
            if counts[node]:
                left, right = nodes.children[node]
                below = max(int(sizes[left] + sizes[right]), 1)
                share = round(int(counts[node]) * int(sizes[left]) / below)
                counts[left] += share
                counts[right] += counts[node] - share
        return Heat(nodes.leaves, counts[nodes.leaves], sizes[nodes.leaves], queries)

    def _add(self, nodes: Nodes, leaves: Int64, queries: int) -> None:
        with self._lock:
            if nodes is not self._nodes:
                self._follow(nodes)
            np.add.at(self._counts, leaves, 1)
            self._queries += queries

    def _follow(self, nodes: Nodes) -> None:
        """Make room for the nodes of a tree that has grown."""
        if self._nodes is None or len(nodes) > len(self._nodes):
            grown = np.zeros(len(nodes), np.int64)
            grown[: len(self._counts)] = self._counts
            self._nodes, self._counts = nodes, grown

    def _read(self, nodes: Nodes) -> tuple[Int64, int]:
        """``(m,)`` counts of these nodes and the number of queries; what came to leaves made later goes up to them."""
        with self._lock:
            known, counts, queries = self._nodes, self._counts.copy(), self._queries
        if known is not None and len(known) > len(nodes):
            for node in known.preorder[::-1].tolist():
                if node >= len(nodes) and known.parent[node] >= 0:
                    counts[known.parent[node]] += counts[node]
        grown = np.zeros(len(nodes), np.int64)
        grown[: len(counts)] = counts[: len(nodes)]
        return grown, queries
