"""One state of an index: immutable, so that any number of threads may search it while a writer makes the next."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hierindex.decode import Decode
from hierindex.errors import InputError
from hierindex.index.config import IndexConfig
from hierindex.index.explain import Explanation, NoWatch, StopWatch
from hierindex.index.filters import Filter, mask_of
from hierindex.index.ids import IdTable
from hierindex.index.nodes import Nodes
from hierindex.index.packed import Packed, pack
from hierindex.index.points import OperatingPoints
from hierindex.index.ranges import Near, Searched, all_within, checked_radius
from hierindex.index.search import Allowed, Plan, allow, exactly, leaves_of, through_leaves
from hierindex.index.sieve import Matching, narrowed
from hierindex.index.single import ByThread, OneQuery, OneScan
from hierindex.index.tables import Table
from hierindex.index.threads import omp_threads
from hierindex.vectors import Float32, Int64, Metric, positive

__all__ = ["Snapshot"]

_MOST_PLANS = 1_024  # kept; who asks for more different ones waits a few microseconds


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Points, tree, and what is needed to search them; made by `updates`.

    Attributes:
        table: the stored points, see `Table`. nodes: the tree down to the leaves.
        metric, config, decode: how rows are compared, laid out, and made into a tree.
        tuned: operating points, or None as long as the set is small.
        packed: leaves ready for scanning, or None as long as the set is small.
        drawn: how many leaves there were when the tree above them was last decoded whole.
        worked: how many leaves upkeep has worked on since points last came or went.
    """

    table: Table
    nodes: Nodes
    metric: Metric
    config: IndexConfig
    decode: Decode
    tuned: OperatingPoints | None = None
    packed: Packed | None = None
    drawn: int = 0
    worked: int = 0

    def __len__(self) -> int:
        """How many points there are."""
        return self.table.ids.n_live

    @property
    def bound(self) -> int:
        """Up to so many points every search compares them all."""
        return self.config.flat_up_to(self.rows.shape[1])

    @property
    def small(self) -> bool:
        """Whether it does."""
        return len(self) <= self.bound

    @property
    def ids(self) -> IdTable:
        """Ids by row and rows by id."""
        return self.table.ids

    @property
    def rows(self) -> Float32:
        """``(n, d)`` prepared vectors of all rows, removed ones included."""
        return self.table.rows.values

    @property
    def leaf(self) -> Int64:
        """``(n,)``: the leaf that each row is in."""
        return self.table.leaf.values

    @property
    def home(self) -> Int64:
        """``(n,)``: the leaf that each row was put into, which may have split since."""
        return self.table.home.values

    @property
    def seq(self) -> Int64:
        """``(n,)``: strictly rising numbers that rows keep for ever."""
        return self.table.seq.values

    @property
    def live_rows(self) -> Int64:
        """Row numbers of the points that are there, in the order in which they came."""
        return self.table.ids.live_rows

    @property
    def payload(self) -> pa.Table | None:
        """Payload columns of all rows, removed ones included; None without."""
        return self.table.payload

    def mask(self, filter: Filter) -> NDArray[np.bool_]:  # noqa: A002 - what callers call it
        """``(n,)`` mask for `search` of an expression over payload columns, or of a boolean array ``(len(self),)``.

        Raises:
            InputError: see `mask_of`.
        """
        if isinstance(filter, np.ndarray | list):
            mask = np.zeros(len(self.table), np.bool_)
            mask[self.live_rows] = mask_of(None, np.asarray(filter), len(self))
            return mask
        return mask_of(self.payload, filter, len(self.table))

    def search(
        self,
        queries: Float32,
        k: int,
        recall: float = 0.95,
        nprobe: int | None = None,
        mask: NDArray[np.bool_] | None = None,
        watch: NoWatch | None = None,
        num_threads: int | None = None,
    ) -> tuple[Int64, Float32]:
        """The k nearest rows of each query.

        Args:
            queries: ``(q, d)`` float32, prepared (see `Metric.prepare`).
            k: how many, at least 1.
            recall: the share of the true k nearest to find, on average over queries like the stored rows; 1 is exact.
            nprobe: scan so many leaves instead, of a small set too, with as many candidates as tuning ever wanted.
            mask: ``(n,)`` bool, the rows that may be found; None for all.
            watch: told of what the search does, such as a `HeatCounter`.
            num_threads: of a batch; None takes the config's. One query takes one thread.

        Returns:
            row numbers ``(q, k)`` int64, sorted by distance and then row, and true distances ``(q, k)`` float32; -1
            and inf where fewer than k rows match.

        Raises:
            InputError: recall outside (0, 1], k or nprobe below 1, or a mask of another length.
        """
        plan, allowed = self._plan(k, recall, nprobe), self._allowed(mask)
        sought = recall if nprobe is None else None
        with self._threads(len(queries), num_threads):
            return self._search(np.ascontiguousarray(queries), plan, k, allowed, watch or NoWatch(), sought)

    def within(
        self,
        queries: Float32,
        radius: float,
        mask: NDArray[np.bool_] | None = None,
        watch: NoWatch | None = None,
        num_threads: int | None = None,
    ) -> Near:
        """All rows within a distance of each query; exact, for leaves are passed over only where no row can be near.

        Args:
            queries: ``(q, d)`` float32, prepared (see `Metric.prepare`).
            radius: the largest distance, in the terms of the metric (for ip: of -<q, x>).
            mask: as for `search`.
            watch: as for `search`.
            num_threads: as for `search`.

        Raises:
            InputError: a radius that is no finite number, or below 0 for cosine or l2; a mask of another length.
        """
        radius = checked_radius(radius, self.metric)
        allowed = self._allowed(mask).mask
        through = self.packed is not None and not self.small
        with self._threads(len(queries), num_threads):
            rings = self.packed.rings_of(self.table) if self.packed is not None and through else None
            searched, where = Searched(self.rows, self.metric, allowed, rings, self._base), (self.nodes, self.leaf)
            return all_within(np.ascontiguousarray(queries), radius, searched, where, watch or NoWatch())

    def explain(self, query: Float32, k: int, recall: float = 0.95) -> Explanation:
        """What `search` does for one query ``(1, d)``.

        Raises:
            InputError: as for `search`.
        """
        plan, allowed, watch = self._plan(k, recall, None), self._allowed(None), StopWatch()
        with self._threads(1, None):
            self._search(query, plan, k, allowed, watch)
        if plan is None or self.packed is None:
            return Explanation(True, (), (), allowed.count, allowed.count, watch.seconds)
        turned = self.packed.turned(query)
        probed = leaves_of(self.packed, plan, turned)[0]
        probed = probed[probed >= 0]
        return Explanation(
            exact=False,
            levels=tuple(tuple(level.tolist()) for level in self.packed.router.descend(turned, plan.beam)),
            leaves=tuple(self.nodes.leaves[probed].tolist()),
            scanned=int(self.packed.sizes[probed].sum()) + len(self.table) - self.packed.base,
            candidates=plan.candidates,
            seconds=watch.seconds,
        )

    def state(self) -> dict[str, Any]:
        """What a search needs beside the stored points and nodes, as JSON values; `updates.load` takes it back."""
        packed = self.packed
        state = {
            "tuned": None if self.tuned is None else self.tuned.to_json(),
            "packed_seq": None if packed is None or not packed.base else int(self.seq[packed.base - 1]) + 1,
            "coder": None if packed is None or packed.coder is None else packed.coder.to_json(),
            "drawn": self.drawn,
            "worked": self.worked,
            "next_seq": self.table.next_seq,
        }
        return state | {"moves": self.table.moves.to_json()} if len(self.table.moves) else state

    def _search(
        self,
        queries: Float32,
        plan: Plan | None,
        k: int,
        allowed: Allowed,
        watch: NoWatch,
        recall: float | None = None,
    ) -> tuple[Int64, Float32]:
        if not allowed.count:
            return np.full((len(queries), k), -1, np.int64), np.full((len(queries), k), np.inf, np.float32)
        if len(queries) == 1 and allowed is self._live:
            one = self._searchers.of(k, plan, self._prepared)
            found = None if one is None else one.search(queries, watch)
            if found is not None:
                if plan is None:
                    watch.compared(self.nodes, self.leaf, found[0])
                return found
        leaves = None
        if plan is not None and allowed is not self._live:
            plan, leaves = self._sifted(queries, plan, k, allowed, recall)
        if plan is None:
            found = exactly(queries, self.rows, k, self.metric, allowed)
            watch.compared(self.nodes, self.leaf, found[0])
            watch.lap("exact scan")
            return found
        return through_leaves(queries, self.rows, k, self.metric, (self._lists, plan, allowed), watch, leaves)

    def _sifted(
        self, queries: Float32, plan: Plan, k: int, allowed: Allowed, recall: float | None
    ) -> tuple[Plan | None, Int64 | None]:
        """The plan among allowed rows only, with its leaves; None where comparing all of these rows costs less."""
        packed, mask = self._lists, allowed.mask
        share = allowed.count / len(self)
        if recall is None or self.tuned is None or mask is None:
            return plan.widened(share), None
        matching = Matching(len(self.table), share, lambda: packed.matching(mask))
        return narrowed(queries, plan, k, (self.tuned, recall), (packed, matching))

    def _threads(self, n_queries: int, num_threads: int | None) -> AbstractContextManager[None]:
        """FAISS's threads for so many queries.

        Raises:
            InputError: num_threads is no integer of at least 1.
        """
        wanted = self.config.num_threads if num_threads is None else positive(num_threads, "num_threads")
        return omp_threads(1 if n_queries == 1 else wanted)

    def _plan(self, k: int, recall: float, nprobe: int | None) -> Plan | None:
        """How to search; None for comparing all rows."""
        known, asked = self._plans, (k, recall, nprobe)
        found = known.get(asked)
        if found is None:
            if len(known) >= _MOST_PLANS:
                known.clear()
            found = known[asked] = (self._planned(k, recall, nprobe),)
        return found[0]

    @cached_property
    def _plans(self) -> dict[tuple[int, float, int | None], tuple[Plan | None]]:
        return {}

    def _planned(self, k: int, recall: float, nprobe: int | None) -> Plan | None:
        if not 0 < recall <= 1:
            raise InputError(f"recall should be above 0 and at most 1; found {recall!r}")
        if k < 1 or (nprobe is not None and nprobe < 1):
            raise InputError(f"k and nprobe should be at least 1; found k={k!r}, nprobe={nprobe!r}")
        if nprobe is not None:
            return Plan(0, nprobe, self._most_candidates(k))
        if self.packed is None or self.small:
            return None
        point = self.tuned.lookup(k, recall) if self.tuned is not None and recall < 1 else None
        return None if point is None else Plan.of(point)

    def _most_candidates(self, k: int) -> int:
        if self.packed is None or self.packed.lists.exact:
            return k
        return (self.tuned or OperatingPoints((), 0, 0)).most_candidates(k)

    def _allowed(self, mask: NDArray[np.bool_] | None) -> Allowed:
        if mask is None:
            return self._live
        if mask.dtype != np.bool_ or mask.shape != (len(self.table),):
            raise InputError(f"mask should be bool ({len(self.table)},); found {mask.dtype} {mask.shape}")
        return allow(mask & self.ids.alive, self._base)

    def _prepared(self, k: int, plan: Plan | None) -> OneQuery | OneScan | None:
        """What searches one query among all live rows in one thread; None where late or removed rows are in the way."""
        if plan is None:
            return None if self._live.mask is not None or k > len(self) else OneScan(self.rows, self.metric, k)
        if self.packed is None or self.packed.base < len(self.table):
            return None
        return OneQuery(self.packed, self.rows, self.metric, k, plan, self._live)

    @cached_property
    def _searchers(self) -> ByThread:
        return ByThread()

    @cached_property
    def _live(self) -> Allowed:
        return allow(self.ids.alive, self._base)

    @cached_property
    def _lists(self) -> Packed:
        """The packed leaves; those of a small set are packed when somebody first asks for ``nprobe`` of them."""
        if self.packed is not None:
            return self.packed
        return pack(self.table, self.nodes, self.metric, None, None, len(self.table))

    @property
    def _base(self) -> int:
        return len(self.table) if self.packed is None else self.packed.base
