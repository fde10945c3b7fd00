"""Threads behind the event loop: searches in one pool, changes one after the other, both with a bounded queue."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from hierindex.server.problems import Problem

__all__ = ["Lane"]

Result = TypeVar("Result")


class Lane:
    """Some threads and the work that waits for them.

    Args:
        name: what its threads are called.
        threads: how many there are.
        waiting: how much work may wait; more is refused.
        seconds: how long a caller waits before work that has not begun is taken back.
        finish: whether work that has begun is waited for however long it takes (a change: its caller hears what became
            of it); otherwise its caller hears 503 and the result is thrown away (a search).
    """

    def __init__(self, name: str, threads: int, waiting: int, seconds: float, *, finish: bool) -> None:
        self._name, self._threads = f"hierindex-{name}", threads
        self._pool = self._idle()
        self._room, self._seconds, self._finish = threads + waiting, seconds, finish
        self._lock = threading.Lock()
        self._inside = 0

    @property
    def inside(self) -> int:
        """How much work is running or waiting."""
        return self._inside

    async def run(self, work: Callable[[], Result]) -> Result:
        """What ``work`` gives back, from one of the threads.

        Raises:
            Problem: 503; the queue is full, or it took too long. Work that has not begun then never will.
        """
        if self._inside >= self._room:
            raise Problem(
                503, f"the server has {self._room} requests like this at hand already; try again soon", wait=1
            )
        future = self._pool.submit(work)
        with self._lock:
            self._inside += 1
        future.add_done_callback(self._left)
        waiter = asyncio.wrap_future(future)
        done, _ = await asyncio.wait([waiter], timeout=self._seconds)
        if not done and (future.cancel() or not self._finish):
            waiter.add_done_callback(_heard)
            raise Problem(503, f"the answer should take at most {self._seconds:g} seconds; it took longer", wait=1)
        return await asyncio.shield(waiter)

    def drain(self) -> None:
        """Wait until all work that was given so far is done; new work starts new threads."""
        before, self._pool = self._pool, self._idle()
        before.shutdown(wait=True)

    def _idle(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._threads, thread_name_prefix=self._name)

    def _left(self, _: Future[Any]) -> None:
        with self._lock:
            self._inside -= 1


def _heard(late: asyncio.Future[Any]) -> None:
    """Nobody waits for this any more: whatever came of it is no news."""
    if not late.cancelled():
        late.exception()
