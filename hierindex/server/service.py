"""What all routes share: the index, its settings, and the threads that work on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar, cast

import numpy as np
from fastapi import Request, Response

from hierindex.api import HierIndex
from hierindex.errors import HierIndexError
from hierindex.server.config import ServerConfig
from hierindex.server.lanes import Lane
from hierindex.server.logs import LOG
from hierindex.server.metrics import Metrics
from hierindex.server.replies import as_json
from hierindex.server.thumbnails import Thumbnails
from hierindex.server.together import Together

__all__ = ["Service", "service_of"]

Result = TypeVar("Result")


class Service:
    """An index that is being served; every route finds it by `service_of`.

    Attributes:
        index: the index. Take ``index.pinned()`` where several calls should see one state.
        settings: what the server was told.
        thumbnails: small pictures of points.
        together: the queue of single queries.
        metrics: what ``/metrics`` shows.
        ready: whether searches are warm; False again once the server is about to end.
    """

    def __init__(self, index: HierIndex, settings: ServerConfig) -> None:
        limits = settings.limits
        self.index, self.settings = index, settings
        self.thumbnails = Thumbnails(settings)
        self._searches = Lane("search", settings.searchers, limits.waiting, limits.seconds, finish=False)
        self._changes = Lane("change", 1, limits.waiting, limits.seconds, finish=True)
        self.together = Together(self)
        self.metrics = Metrics(
            index, lambda: self._searches.inside + self.together.waiting, lambda: self._changes.inside
        )
        self.ready = False
        self._tasks: list[asyncio.Task[None]] = []

    async def read(self, work: Callable[[], Result]) -> Result:
        """What ``work`` gives back; it runs in a thread, beside others, so that the event loop never waits."""
        return await self._searches.run(work)

    async def change(self, work: Callable[[], Result]) -> Result:
        """The same for work that changes the index: one after the other, and to its end once it has begun."""
        return await self._changes.run(work)

    async def reply(self, work: Callable[[], object]) -> Response:
        """What ``work`` gives back, as JSON, made in the thread too."""
        return Response(await self.read(lambda: as_json(work())), media_type="application/json")

    async def start(self) -> None:
        """Warm up, and begin to look for what other processes commit."""
        self._tasks.append(asyncio.create_task(self._warm_up()))
        if self.settings.refresh_seconds is not None:
            self._tasks.append(asyncio.create_task(self._refresh_every(self.settings.refresh_seconds)))

    async def stop(self) -> None:
        """Finish the changes that have begun, and end."""
        self.ready = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await asyncio.to_thread(self._changes.drain)
        await asyncio.to_thread(self._searches.drain)
        LOG.info("stopped", version=self.index.version, points=len(self.index))

    async def _warm_up(self) -> None:
        """Load what the first search and the first image would have to wait for, however long that takes."""
        try:
            await asyncio.to_thread(_warmed, self.index)
        except Exception:  # noqa: BLE001 - the process goes on, as not ready, and the log says why
            LOG.exception("not ready")
            return
        self.ready = True
        LOG.info("ready", version=self.index.version, points=len(self.index))

    async def _refresh_every(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                if await self.change(self.index.refresh):
                    LOG.info("refreshed", version=self.index.version, points=len(self.index))
            except Exception:  # noqa: BLE001 - whatever it was, what is in memory goes on being served
                self.metrics.refresh_failures.inc()
                LOG.exception("refresh failed")


async def service_of(request: Request) -> Service:
    """The service behind a request; for ``Depends`` (which would take a thread to call what is not async)."""
    return cast("Service", request.app.state.service)


def _warmed(index: HierIndex) -> None:
    if len(index):
        index.search(index.vectors(index.ids[:1]), k=1, num_threads=1)
    learned = index.info()["learned"]
    if learned["from"] == "images":
        with suppress(HierIndexError):  # the caller's own module, which this server was not given
            index.encode(np.zeros(learned["shape"], np.uint8))
