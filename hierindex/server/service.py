"""What all routes share: the index, its settings, and the threads that work on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar, cast

import numpy as np
from fastapi import Request, Response
from pydantic_core import to_json

from hierindex.api import HierIndex
from hierindex.errors import HierIndexError
from hierindex.server.config import ServerConfig
from hierindex.server.lanes import Lane
from hierindex.server.logs import LOG
from hierindex.server.metrics import Metrics
from hierindex.server.thumbnails import Thumbnails

__all__ = ["Service", "as_json", "service_of"]

Result = TypeVar("Result")


class Service:
    """An index that is being served; every route finds it by `service_of`.

    Attributes:
        index: the index. Take ``index.pinned()`` where several calls should see one state.
        settings: what the server was told.
        thumbnails: small pictures of points.
        metrics: what ``/metrics`` shows.
        ready: whether searches are warm; False again once the server is about to end.
    """

    def __init__(self, index: HierIndex, settings: ServerConfig) -> None:
        limits = settings.limits
        self.index, self.settings = index, settings
        self.thumbnails = Thumbnails(settings)
        self._searches = Lane("search", settings.searchers, limits.waiting, limits.seconds, finish=False)
        self._changes = Lane("change", 1, limits.waiting, limits.seconds, finish=True)
        self.metrics = Metrics(index, self._searches, self._changes)
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
        """Load what the first search and the first image would have to wait for."""
        await self.read(lambda: _warmed(self.index))
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


def as_json(value: object) -> bytes:
    """JSON of plain values, arrays and dates; what has no number there (NaN, infinity) is null, bytes are base64."""
    return to_json(value, inf_nan_mode="null", bytes_mode="base64", fallback=_plain)


def _plain(value: object) -> object:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    return str(value)


def _warmed(index: HierIndex) -> None:
    if len(index):
        index.search(index.vectors(index.ids[:1]), k=1, num_threads=1)
    learned = index.info()["learned"]
    if learned["from"] == "images":
        with suppress(HierIndexError):  # the caller's own module, which this server was not given
            index.encode(np.zeros(learned["shape"], np.uint8))
