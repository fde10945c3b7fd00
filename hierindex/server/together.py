"""Single queries that come while searches run, searched together.

Nothing waits for company: a query that finds a thread free is searched at once, alone. Those that come while all are
busy are one batch for the next thread that is free: one handing over for all of them, and the library's batch search in
place of as many single ones. Their answers are the same to the last bit. `benchmarks/serving.py` measures both ways.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hierindex.errors import HierIndexError
from hierindex.server.arrays import ids_array
from hierindex.server.asking import own_of, queries_of
from hierindex.server.bodies import SearchRequest
from hierindex.server.finding import check, nearest, payload_of, with_payload
from hierindex.server.problems import Problem
from hierindex.server.replies import as_json
from hierindex.vectors import Float32

if TYPE_CHECKING:
    from hierindex.server.service import Service

__all__ = ["Together", "shared"]

_MOST = 64  # queries in one batch, so that the first of them does not wait long for the last
Terms = tuple[int, float, bool]
Answer = bytes | Exception


def shared(asked: SearchRequest) -> Terms | None:
    """What queries have to have in common to be one batch; None for a request that goes by itself.

    Example:
        >>> shared(SearchRequest(vector=[1.0, 2.0], k=5)), shared(SearchRequest(vector=[1.0, 2.0], radius=0.5))
        ((5, 0.95, False), None)
    """
    one = asked.vector is not None or asked.id is not None
    plain = asked.filter is None and asked.radius is None and asked.nprobe is None and not asked.explain
    return (asked.k or 10, asked.recall, own_of(asked) is not None) if one and plain else None


@dataclass(frozen=True, eq=False)
class _Waiting:
    asked: SearchRequest
    terms: Terms
    answer: asyncio.Future[bytes]


class Together:
    """The queue of single queries of one server."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._queue: deque[_Waiting] = deque()
        self._running: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """How many queries wait for a thread."""
        return len(self._queue)

    async def ask(self, asked: SearchRequest) -> bytes:
        """The JSON answer to one query for which `shared` has terms.

        Raises:
            HierIndexError: as for any search. Problem: 503, the queue is full, or it took too long.
        """
        terms, limits = shared(asked), self._service.settings.limits
        if terms is None:
            raise ValueError("only single queries without filter, radius, nprobe or explain are searched together")
        if len(self._queue) >= limits.waiting:
            raise Problem(503, f"the server has {limits.waiting} queries waiting already; try again soon", wait=1)
        waiting = _Waiting(asked, terms, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._start()
        alarm = asyncio.get_running_loop().call_later(limits.seconds, _late, waiting.answer, limits.seconds)
        try:
            return await waiting.answer
        finally:
            alarm.cancel()

    def _start(self) -> None:
        while self._queue and len(self._running) < self._service.settings.searchers:
            task = asyncio.create_task(self._search(self._next()))
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._start()

    def _next(self) -> list[_Waiting]:
        """The first in the queue and those behind it with the same terms, in the order in which they came."""
        terms = self._queue[0].terms
        taken: list[_Waiting] = []
        left: deque[_Waiting] = deque()
        for each in self._queue:
            (taken if each.terms == terms and len(taken) < _MOST else left).append(each)
        self._queue = left
        return [each for each in taken if not each.answer.done()]

    async def _search(self, batch: list[_Waiting]) -> None:
        try:
            answers = await self._service.read(lambda: _answers(self._service, [each.asked for each in batch]))
        except Exception as error:  # noqa: BLE001 - each caller hears it
            answers = [error] * len(batch)  # one error is raised to many, and says the same to each
        for each, answer in zip(batch, answers, strict=True):
            if each.answer.done():
                continue
            if isinstance(answer, bytes):
                each.answer.set_result(answer)
            else:
                each.answer.set_exception(answer)


def _late(answer: asyncio.Future[bytes], seconds: float) -> None:
    if not answer.done():
        says = f"the answer should take at most {seconds:g} seconds; it took longer"
        answer.set_exception(Problem(503, says, wait=1))


def _answers(service: Service, asked: list[SearchRequest]) -> list[Answer]:
    """The answer to each of some queries with the same terms; what is wrong with one is no matter to the others."""
    now, limits = service.index.pinned(), service.settings.limits
    answers: list[Answer] = [b""] * len(asked)
    fit: list[tuple[int, Float32, list[str]]] = []
    for at, each in enumerate(asked):
        try:
            check(each, 1, limits)
            fit.append((at, queries_of(now, each, limits), payload_of(now, each)))
        except HierIndexError as error:
            answers[at] = error
    if fit:
        queries, first = np.concatenate([q for _, q, _ in fit]), asked[fit[0][0]]
        points = [point for at, _, _ in fit if (point := asked[at].id) is not None]
        own = None if own_of(first) is None else ids_array(points)
        rows = nearest(now, first, queries, own, limits.hits)
        service.metrics.queries.inc(len(queries))
        for (at, _, names), found in zip(fit, rows, strict=True):
            answers[at] = as_json({"results": with_payload(now, [found], names)})
    return answers
