"""One query at a time, with as little as possible around the work itself.

For a batch the calls into NumPy and FAISS cost nothing a query; for one query they cost as much as the search. So all
that does not depend on the query is made once for each thread and way of searching: buffers, their addresses, search
parameters. The steps are those of `through_leaves`, and so are the answers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeAlias

import faiss
import numpy as np

from hierindex.index.effort import leaves_for_one
from hierindex.index.exact import in_order
from hierindex.index.explain import NoWatch
from hierindex.index.leaves import FaissLists
from hierindex.index.native import ivf_parameters
from hierindex.index.packed import Packed
from hierindex.index.router import Router
from hierindex.index.search import Allowed, Plan
from hierindex.vectors import Float32, Int64, Metric

__all__ = ["ByThread", "OneQuery", "OneScan"]

_raw: Any = faiss
_MOST_KEPT = 64
_IN_CACHE = 8 * 2**20  # bytes of codes: more come from memory, whose wait is all that counts


class OneQuery:
    """Searches the leaves for one query at a time. Belongs to one thread: its buffers are written by every call.

    Args:
        packed: the leaves; all rows are in them.
        rows: ``(n, d)``, what they were packed from.
        metric: how rows are compared.
        k: how many neighbours.
        plan: how wide to search.
        allowed: which rows may be found.
    """

    def __init__(self, packed: Packed, rows: Float32, metric: Metric, k: int, plan: Plan, allowed: Allowed) -> None:
        self._packed, self._rows, self._metric, self._plan = packed, rows, metric, plan
        self._only, sp = allowed.packed, _raw.swig_ptr
        dim, width = rows.shape[1], packed.router.dim
        candidates, nprobe = max(k, plan.candidates), min(plan.nprobe, packed.router.widths[-1])
        self._query, self._turned = np.empty((1, dim), np.float32), np.empty((1, width), np.float32)
        self._ids, self._by_code = np.empty((1, candidates), np.int64), np.empty((1, candidates), np.float32)
        self._best, self._values = np.empty((1, k), np.int64), np.empty((1, k), np.float32)
        coder, self._asked = packed.coder, self._query if packed.coder is None else self._turned
        self._turn = None if coder is None else coder.turning(self._query, self._turned)
        lists = packed.lists
        assert isinstance(lists, FaissLists)  # noqa: S101 - where rows are, their lists are
        self._turns, self._in_turn = lists.turns(nprobe), np.empty((1, nprobe), np.int64)
        self._coarse = np.zeros((1, nprobe), np.float32)  # only residual codes would look at it
        asked, coarse, in_turn, ids, by_code = (
            sp(each) for each in (self._asked, self._coarse, self._in_turn, self._ids, self._by_code)
        )
        self._scan_parameters: dict[int, Any] = {}
        self._one_by_one = packed.codes is not None and packed.codes.values.nbytes <= _IN_CACHE
        if packed.router.every(plan.beam):
            self._route = packed.router.centroids.asking(self._asked, nprobe)
        else:
            self._route = self._descending(packed.router, plan.beam, nprobe)
        self._scan: Callable[[Any], object] = lambda parameters: lists.index.search_preassigned_c(
            1, asked, candidates, in_turn, coarse, by_code, ids, False, parameters
        )
        compare = _raw.knn_inner_products_by_idx if metric.by_product else _raw.knn_L2sqr_by_idx
        where = sp(self._query), sp(rows), ids, dim, 1, len(rows), candidates, k, sp(self._values), sp(self._best)
        self._compare: Callable[[], object] = lambda: compare(*where, candidates)

    def search(self, query: Float32, watch: NoWatch) -> tuple[Int64, Float32] | None:
        """As `through_leaves` for one query ``(1, d)``; None where fewer than k rows were found."""
        packed, effort = self._packed, self._plan.effort
        self._query[:] = query
        if self._turn is not None:
            self._turn()
        leaves, distances = self._route()
        probes = leaves_for_one(effort, distances.tolist()) if effort else len(leaves)
        watch.lap("route")
        np.add(leaves, self._turns, out=self._in_turn[0])
        if leaves[probes - 1] < 0:
            self._in_turn[0, leaves < 0] = -1
        if self._one_by_one:
            self._in_turn[0, :probes].sort()  # the order of a batch: of equal codes those that come first are found
        self._scan(self._probing(probes))
        watch.lap("scan")
        self._compare()
        if self._best[0, -1] < 0:
            return None
        watch.probed(packed.nodes, leaves[None, :probes])
        found = _sorted(self._best, self._values, self._metric)
        watch.lap("exact distances")
        return found

    def _descending(self, router: Router, beam: int, nprobe: int) -> Callable[[], tuple[Int64, Float32]]:
        """As `Router.route` for the query in the buffer: leaves ``(nprobe,)``, nearest first, and squared distances."""
        asked, leaves, near = self._asked, np.empty((1, nprobe), np.int64), np.empty((1, nprobe), np.float32)
        (nested, above), (at, out, by) = router.way(beam), (_raw.swig_ptr(each) for each in (asked, leaves, near))

        def call() -> tuple[Int64, Float32]:
            nested.search_c(1, at, nprobe, by, out, above)
            return leaves[0], router.squared(asked, near)[0]

        return call

    def _probing(self, probes: int) -> Any:  # noqa: ANN401 - faiss has no useful types
        parameters = self._scan_parameters.get(probes)
        if parameters is None:
            parameters = ivf_parameters(probes, self._only, one_by_one=self._one_by_one)
            self._scan_parameters[probes] = parameters
        return parameters


class OneScan:
    """Compares one query with all rows. Belongs to one thread.

    Args:
        rows: ``(n, d)``, all of which may be found.
        metric: how rows are compared.
        k: how many neighbours, at most n.
    """

    def __init__(self, rows: Float32, metric: Metric, k: int) -> None:
        (n, dim), sp = rows.shape, _raw.swig_ptr
        self._rows, self._metric = rows, metric
        self._query = np.empty((1, dim), np.float32)
        self._best, self._values = np.empty((1, k), np.int64), np.empty((1, k), np.float32)
        scan = _raw.knn_inner_product if metric.by_product else _raw.knn_L2sqr
        where = sp(self._query), sp(rows), dim, 1, n, k, sp(self._values), sp(self._best)
        self._scan: Callable[[], object] = lambda: scan(*where)

    def search(self, query: Float32, watch: NoWatch) -> tuple[Int64, Float32]:
        """As `exactly` for one query ``(1, d)``."""
        self._query[:] = query
        self._scan()  # of one query every row is compared by itself, as `nearest_among` does
        found = _sorted(self._best, self._values, self._metric)
        watch.lap("exact scan")
        return found


def _sorted(ids: Int64, values: Float32, metric: Metric) -> tuple[Int64, Float32]:
    """As `in_order` where nothing is missing; the buffers are copied."""
    distances = metric.distances(values)
    told = distances.tolist()[0]  # ten numbers: Python is faster than NumPy
    if len(set(told)) < len(told):
        return in_order(ids.copy(), values, metric)
    return ids.copy(), distances


Searcher: TypeAlias = OneQuery | OneScan


class ByThread(threading.local):
    """For each thread, what it has searched single queries with so far."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], tuple[Searcher | None, Plan | None]] = {}

    def of(self, k: int, plan: Plan | None, made: Callable[[int, Plan | None], Searcher | None]) -> Searcher | None:
        """The searcher for these, ``made`` where there is none yet; plans are told apart by their place in memory."""
        known = self._known.get((k, id(plan)))
        if known is None:
            if len(self._known) >= _MOST_KEPT:
                self._known.clear()
            known = self._known[k, id(plan)] = made(k, plan), plan  # held, so that no other plan can come to lie there
        return known[0]
