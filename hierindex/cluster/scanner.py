"""Who scans the leaves: one protocol, with the whole index in one place as its null case.

`searching` decides which leaves a query needs and what is made of the answers; a `LeafScanner` brings these answers.
`LocalLeaves` has one shard with all leaves. `SpreadLeaves` has a placement and a way to ask workers: in this process
(`InProcess`), or elsewhere (`workers.RayWorkers`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hierindex.cluster.messages import Ask, Entries, Held
from hierindex.cluster.only import Only
from hierindex.cluster.placement import Placement
from hierindex.cluster.pool import Pool, merged, nearest_of
from hierindex.cluster.shard import Shard
from hierindex.vectors import Float32, Ids, Int64

__all__ = ["Answers", "InProcess", "LeafScanner", "LocalLeaves", "Scanned", "SpreadLeaves", "Transport"]

Call = tuple[str, tuple[object, ...]]
Points = tuple[Int64, Float32, Ids, Int64]
_PAUSE = 0.05  # seconds between two looks for a worker that comes back


@dataclass(frozen=True, eq=False)
class Scanned:
    """The k nearest of the rows in the leaves that were asked for.

    Attributes:
        pool: ``(q, k)``.
        unsure: ``(q,)`` bool: which of equal rows a local search would take cannot be told from this.
        partial: ``(q,)`` bool: some leaves were held by nobody alive.
        fan_out: ``(q,)``, how many workers each query asked.
    """

    pool: Pool
    unsure: NDArray[np.bool_]
    partial: NDArray[np.bool_]
    fan_out: Int64


@dataclass(frozen=True, eq=False)
class Answers:
    """What was said of all leaves, each of them by one worker.

    Attributes:
        given: by whom it was, in no order.
        partial: some leaves were held by nobody alive.
    """

    given: list[object]
    partial: bool


class LeafScanner(Protocol):
    """Whoever holds the rows of the leaves."""

    def scan(self, ask: Ask) -> Scanned:
        """The k nearest rows of each query in its leaves, as a local scan of these lists finds them."""

    def exact(self, queries: Float32, k: int, only: Only | None) -> Scanned:
        """The k nearest of all rows that may be found, by comparing all."""

    def every(self, method: str, *arguments: object) -> Answers:
        """What a method of `Shard` says of all leaves, which are its last argument."""

    def entries(self, lists: Int64, only: Only | None) -> list[Entries] | None:
        """What is in these lists, from everybody who has some of it; None where somebody is missing."""

    def vectors(self, seq: Int64) -> list[Points] | None:
        """Points by number: numbers, vectors, ids and leaves from everybody; None where somebody is missing."""


class Transport(Protocol):
    """A way to ask workers."""

    @property
    def alive(self) -> NDArray[np.bool_]:
        """``(workers,)``: who answers, as far as is known."""

    def ask(self, calls: Mapping[int, Call]) -> dict[int, object]:
        """The answers of the workers that gave one; a method of `Shard` and its arguments for each."""


@dataclass(frozen=True, eq=False)
class LocalLeaves:
    """All leaves in one shard, in this process."""

    shard: Shard

    def scan(self, ask: Ask) -> Scanned:
        """See `LeafScanner`."""
        pool, _ = self.shard.scan(replace(ask, alone=np.ones(len(ask.queries), np.bool_)))
        return _whole(pool)

    def exact(self, queries: Float32, k: int, only: Only | None) -> Scanned:
        """See `LeafScanner`."""
        return _whole(self.shard.exact(queries, k, only, self.shard.held))

    def every(self, method: str, *arguments: object) -> Answers:
        """See `LeafScanner`."""
        return Answers([getattr(self.shard, method)(*arguments, self.shard.held)], partial=False)

    def entries(self, lists: Int64, only: Only | None) -> list[Entries] | None:
        """See `LeafScanner`."""
        return [self.shard.entries(lists, only)]

    def vectors(self, seq: Int64) -> list[Points] | None:
        """See `LeafScanner`."""
        return [self.shard.vectors(seq)]


@dataclass(frozen=True, eq=False)
class InProcess:
    """Shards of this process as workers; one that is None is dead."""

    shards: tuple[Shard | None, ...]

    @property
    def alive(self) -> NDArray[np.bool_]:
        """See `Transport`."""
        return np.array([shard is not None for shard in self.shards])

    def ask(self, calls: Mapping[int, Call]) -> dict[int, object]:
        """See `Transport`."""
        return {
            worker: getattr(shard, method)(*arguments)
            for worker, (method, arguments) in calls.items()
            if (shard := self.shards[worker]) is not None
        }


@dataclass(frozen=True, eq=False)
class SpreadLeaves:
    """Leaves on several workers.

    Attributes:
        placement: who holds what.
        transport: how they are asked.
        of_strings: whether ids are strings.
        patience: seconds to wait for leaves that nobody holds now.
    """

    placement: Placement
    transport: Transport
    of_strings: bool
    patience: float = 0.0

    def scan(self, ask: Ask) -> Scanned:
        """See `LeafScanner`. Queries whose worker did not answer are asked again of those that are left."""
        n = len(ask.queries)
        pool = Pool.empty(n, ask.k, self.of_strings)
        unsure, fan_out = np.zeros(n, np.bool_), np.zeros(n, np.int64)
        partial: NDArray[np.bool_] = np.zeros(n, np.bool_)
        todo, deadline = np.arange(n, dtype=np.int64), time.monotonic() + self.patience
        while len(todo):
            asked = self._asked(ask.lists[todo], deadline)
            lost = np.asarray(((asked < 0) & (ask.lists[todo] >= 0)).any(axis=1))
            done, failed = self._round(ask.of(todo), asked)
            kept = ~failed
            pool.put(todo[kept], done.pool.of(kept))
            unsure[todo[kept]], fan_out[todo[kept]] = done.unsure[kept], done.fan_out[kept]
            partial[todo[kept]] = lost[kept]
            todo = todo[failed]
        return Scanned(pool, unsure, partial, fan_out)

    def exact(self, queries: Float32, k: int, only: Only | None) -> Scanned:
        """See `LeafScanner`."""
        answers = self.every("exact", queries, k, only)
        pools = [answer for answer in answers.given if isinstance(answer, Pool)]
        # of rows equally near the first are taken, as a scan in their order does
        pool, _ = nearest_of([Pool.empty(len(queries), k, self.of_strings), *pools], k)
        n = len(queries)
        return Scanned(pool, np.zeros(n, np.bool_), np.full(n, answers.partial), np.full(n, len(pools), np.int64))

    def every(self, method: str, *arguments: object) -> Answers:
        """See `LeafScanner`. Leaves whose worker did not answer are asked of those that are left."""
        todo, deadline = np.arange(len(self.placement.holders), dtype=np.int64), time.monotonic() + self.patience
        given, partial = list[object](), False
        while len(todo):
            worker = self._asked(todo[None], deadline)[0]
            partial |= bool((worker < 0).any())
            calls: dict[int, Call] = {
                int(w): (method, (*arguments, todo[worker == w])) for w in np.unique(worker[worker >= 0])
            }
            answers = self.transport.ask(calls)
            given += answers.values()
            todo = todo[np.isin(worker, [w for w in calls if w not in answers])]
        return Answers(given, partial)

    def entries(self, lists: Int64, only: Only | None) -> list[Entries] | None:
        """See `LeafScanner`."""
        worker = self.placement.serving(self.transport.alive)[lists]
        calls: dict[int, Call] = {int(w): ("entries", (lists[worker == w], only)) for w in np.unique(worker)}
        answers = {} if (worker < 0).any() else self.transport.ask(calls)
        found = [answer for answer in answers.values() if isinstance(answer, Entries)]
        return found if len(found) == len(calls) else None

    def vectors(self, seq: Int64) -> list[Points] | None:
        """See `LeafScanner`."""
        found = self._of_all("vectors", seq)
        return None if found is None else [each for each in found if isinstance(each, tuple)]

    def present(self, ids: Ids) -> Ids | None:
        """Those of the ids that are in the index's lists; None where somebody is missing."""
        found = self._of_all("present", ids)
        return None if found is None else np.unique(np.concatenate([np.asarray(each) for each in found]))

    def sample(self, n: int, seed: int, without: Ids | None = None) -> Held | None:
        """About n rows at random, as many from each worker as it has of all; None where somebody is missing."""
        share = -(-n // self.placement.workers)
        found = self._of_all("sample", share, seed, without)
        drawn = [each for each in found or [] if isinstance(each, Held)]
        if not drawn:
            return None
        seq, first = np.unique(np.concatenate([each.seq for each in drawn]), return_index=True)
        rows, ids, leaf = (np.concatenate([getattr(e, name) for e in drawn])[first] for name in ("rows", "ids", "leaf"))
        return Held(rows, seq, ids, leaf)

    def by_code(self, turned: Float32, lists: Int64, k: int) -> Int64 | None:
        """The numbers ``(q, k)`` of the rows in the lists whose codes promise most; None where somebody is missing."""
        worker = self.placement.serving(self.transport.alive)
        asked = np.where(lists >= 0, worker[lists], -1)
        calls: dict[int, Call] = {
            int(w): ("by_code", (turned, np.where(asked == w, lists, -1), k)) for w in np.unique(worker)
        }
        answers = {} if (worker < 0).any() else self.transport.ask(calls)
        found = [answer for answer in answers.values() if isinstance(answer, tuple)]
        if not found or len(found) < len(calls):
            return None
        seq, keys = (np.concatenate([each[i] for each in found], axis=1) for i in (0, 1))
        return np.take_along_axis(seq, np.lexsort((seq, keys), axis=-1)[:, :k], axis=1)

    def _of_all(self, method: str, *arguments: object) -> list[object] | None:
        """The answers of everybody alive; None where that leaves out a leaf, or somebody did not answer."""
        alive = np.flatnonzero(self.transport.alive)
        if (self.placement.serving(self.transport.alive) < 0).any():
            return None
        answers = self.transport.ask({int(w): (method, arguments) for w in alive})
        return list(answers.values()) if len(answers) == len(alive) else None

    def _asked(self, lists: Int64, deadline: float) -> Int64:
        """Whom to ask for each leaf; waits, as long as there is patience, where nobody has one."""
        while True:
            asked = self.placement.asked(lists, self.transport.alive)
            if time.monotonic() >= deadline or not ((asked < 0) & (lists >= 0)).any():
                return asked
            time.sleep(_PAUSE)

    def _round(self, ask: Ask, asked: Int64) -> tuple[Scanned, NDArray[np.bool_]]:
        """One round of questions; which queries missed an answer."""
        n = len(ask.queries)
        touched = {int(w): np.asarray((asked == w).any(axis=1)) for w in np.unique(asked[asked >= 0])}
        fan_out = np.zeros(n, np.int64)
        for hit in touched.values():
            fan_out += hit
        calls: dict[int, Call] = {}
        for worker, hit in touched.items():
            own = _packed(np.where(asked == worker, ask.lists, -1)[hit])
            calls[worker] = ("scan", (replace(ask.of(np.flatnonzero(hit)), lists=own, alone=fan_out[hit] == 1),))
        answers = self.transport.ask(calls)
        pool, unsure = self._put_together(ask, touched, fan_out, answers)
        failed = np.zeros(n, np.bool_)
        for worker, hit in touched.items():
            failed |= hit & (worker not in answers)
        return Scanned(pool, unsure, np.zeros(n, np.bool_), fan_out), failed

    def _put_together(
        self, ask: Ask, touched: Mapping[int, NDArray[np.bool_]], fan_out: Int64, answers: Mapping[int, object]
    ) -> tuple[Pool, NDArray[np.bool_]]:
        """The k nearest ``(q, k)`` from what each worker said, and for which queries that is unsure."""
        n, width = len(ask.queries), max(ask.k, ask.candidates) + ask.spare
        pool, unsure = Pool.empty(n, ask.k, self.of_strings), np.zeros(n, np.bool_)
        shared, slot = np.flatnonzero(fan_out > 1), np.zeros(n, np.int64)
        many = Pool.empty(len(shared), int(fan_out.max(initial=1)) * width, self.of_strings, promised=True)
        for worker, hit in touched.items():
            answer = answers.get(worker)
            if isinstance(answer, tuple):
                nearest, candidates = answer
                pool.put(np.flatnonzero(hit & (fan_out == 1)), nearest)
                queries = np.flatnonzero(hit & (fan_out > 1))
                columns = slot[queries, None] * width + np.arange(width)
                many.put(np.searchsorted(shared, queries), candidates, columns)
                slot[queries] += 1
        if len(shared):
            full = np.zeros(many.keys.shape, np.bool_)
            full[:, width - 1 :: width] = many.seq[:, width - 1 :: width] >= 0
            best, unsure[shared] = merged(many, max(ask.k, ask.candidates), ask.k, full)
            pool.put(shared, best)
        return pool, unsure


def _packed(lists: Int64) -> Int64:
    """The lists ``(q, p)`` with what is missing at the row ends, and as narrow as that allows."""
    order = np.argsort(lists < 0, axis=1, kind="stable")
    width = max(1, int((lists >= 0).sum(axis=1).max(initial=1)))
    return np.ascontiguousarray(np.take_along_axis(lists, order, axis=1)[:, :width])


def _whole(pool: Pool) -> Scanned:
    n = len(pool)
    no = np.zeros(n, np.bool_)
    return Scanned(pool, no, no.copy(), np.ones(n, np.int64))
