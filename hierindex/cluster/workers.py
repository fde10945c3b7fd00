"""Workers as Ray actors: started, asked, found dead, replaced.

An actor that does not answer in time, or whose process is gone, counts as dead at once; queries go to whoever else
holds its leaves, while a new one reads them from the index's files in the background and takes its number.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hierindex.cluster.actor import LeafWorker
from hierindex.cluster.config import ClusterConfig
from hierindex.cluster.loading import Source
from hierindex.cluster.placement import Placement
from hierindex.cluster.ray import ray
from hierindex.cluster.scanner import Call
from hierindex.errors import HierIndexError, ProcessError

__all__ = ["AtVersion", "Crew", "Recovery"]

_log = logging.getLogger(__name__)
_POLL = 0.2
_PAUSE = 1.0  # seconds before a worker that could not be replaced is tried again


@dataclass(frozen=True)
class Recovery:
    """A worker that came back.

    Attributes:
        worker: its number. seconds: from when it was missed to when its successor answered. bytes: what that one holds.
    """

    worker: int
    seconds: float
    bytes: int


@dataclass
class _Member:
    actor: Any
    alive: bool = True
    since: float = field(default_factory=time.monotonic)


class Crew:
    """The workers of one index.

    Args:
        config: how many, and how they are run.
        source: the version that they hold first.
        placement: which of them holds what.

    Raises:
        HierIndexError: a worker cannot read its leaves. ProcessError: it cannot be started.
    """

    def __init__(self, config: ClusterConfig, source: Source, placement: Placement) -> None:
        self._config, self._lock = config, threading.Lock()
        self._held = {source.version: (source, placement)}
        self._members = [_Member(_started(config)) for _ in range(config.workers)]
        self._recoveries: list[Recovery] = []
        self._mending: set[int] = set()
        self._over = threading.Event()
        try:
            self._all_hold(source, placement)
        except BaseException:
            self.close()
            raise
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def alive(self) -> NDArray[np.bool_]:
        """``(workers,)``: who answered when last asked."""
        with self._lock:
            return np.array([member.alive for member in self._members])

    @property
    def recoveries(self) -> tuple[Recovery, ...]:
        """Who was replaced so far."""
        with self._lock:
            return tuple(self._recoveries)

    def hold(self, source: Source, placement: Placement) -> None:
        """All living workers read another version and hold it beside the one before.

        Raises:
            HierIndexError: one of them cannot; those before stay what is searched.
        """
        with self._lock:
            self._held[source.version] = (source, placement)
        try:
            self._all_hold(source, placement)
        except BaseException:
            with self._lock:
                del self._held[source.version]
            raise

    def retire(self, keep: int) -> None:
        """Let go of all versions before one."""
        with self._lock:
            self._held = {version: what for version, what in self._held.items() if version >= keep}
            actors = [member.actor for member in self._members if member.alive]
        for actor in actors:
            actor.retire.remote(keep)

    def ask(self, version: int, calls: Mapping[int, Call]) -> dict[int, object]:
        """The answers of those that gave one in time; the others are dead from now on, and are replaced.

        Raises:
            HierIndexError: a worker answered that something cannot be done.
        """
        with self._lock:
            actors = {worker: self._members[worker] for worker in calls if self._members[worker].alive}
        asked = {
            worker: member.actor.call.remote(version, calls[worker][0], *calls[worker][1])
            for worker, member in actors.items()
        }
        if asked:
            ray().wait(list(asked.values()), num_returns=len(asked), timeout=self._config.timeout)
        answers: dict[int, object] = {}
        for worker, reference in asked.items():
            try:
                answers[worker] = ray().get(reference, timeout=_POLL)
            except (ray().exceptions.RayActorError, ray().exceptions.GetTimeoutError) as error:
                self._missed(worker, actors[worker], error)
            except ray().exceptions.RayTaskError as error:
                raise _cause(error) from error
        return answers

    def told(self) -> list[dict[str, Any] | None]:
        """What each worker says of itself: rows, bytes, leaves, process, memory; None for the dead."""
        with self._lock:
            actors = [member.actor if member.alive else None for member in self._members]
        out: list[dict[str, Any] | None] = []
        for actor in actors:
            try:
                out.append(None if actor is None else ray().get(actor.about.remote(), timeout=self._config.timeout))
            except (ray().exceptions.RayActorError, ray().exceptions.GetTimeoutError):
                out.append(None)
        return out

    def close(self) -> None:
        """End the workers; they hold nothing that is not on disk."""
        with self._lock:
            self._over.set()
            actors = [member.actor for member in self._members]
        for actor in actors:
            ray().kill(actor)

    # ---- inside

    def _all_hold(self, source: Source, placement: Placement) -> None:
        with self._lock:
            actors = {w: member for w, member in enumerate(self._members) if member.alive}
        asked = {w: m.actor.hold.remote(source, placement.held_by(w)) for w, m in actors.items()}
        for worker, reference in asked.items():
            try:
                ray().get(reference)
            except ray().exceptions.RayActorError as error:
                self._missed(worker, actors[worker], error)
            except ray().exceptions.RayTaskError as error:
                raise _cause(error) from error

    def _watch(self) -> None:
        """Ask every worker now and then whether it is there, for it may be that no query asks it."""
        sent: dict[int, tuple[_Member, Any, float]] = {}
        while not self._over.wait(self._config.beat):
            with self._lock:
                members = {w: member for w, member in enumerate(self._members) if member.alive}
            for worker, member in members.items():
                known, ping, since = sent.get(worker, (None, None, 0.0))
                if known is not member:
                    sent[worker] = (member, member.actor.ping.remote(), time.monotonic())
                elif ray().wait([ping], timeout=0)[0]:
                    del sent[worker]
                    try:
                        ray().get(ping)
                    except ray().exceptions.RayActorError as error:
                        self._missed(worker, member, error)
                elif time.monotonic() - since > self._config.timeout:
                    self._missed(worker, member, TimeoutError())

    def _missed(self, worker: int, member: _Member, error: Exception) -> None:
        """A worker did not answer: from now on it is dead, and somebody starts its successor."""
        with self._lock:
            if self._members[worker] is not member or worker in self._mending or self._over.is_set():
                return
            member.alive, member.since = False, time.monotonic()
            self._mending.add(worker)
        _log.warning("worker %d does not answer (%s); another one reads its leaves", worker, type(error).__name__)
        threading.Thread(target=self._mend, args=(worker, member), daemon=True).start()

    def _mend(self, worker: int, member: _Member) -> None:
        """A new worker in the place of a dead one, tried until it answers or the crew is closed."""
        ray().kill(member.actor)  # it may be slow rather than dead
        while not self._over.is_set():
            actor = _started(self._config)
            try:
                held = self._caught_up(worker, actor, member)
            except (ray().exceptions.RayError, HierIndexError) as error:
                _log.warning("no successor of worker %d yet: %s", worker, error)
                ray().kill(actor)
                self._over.wait(_PAUSE)
            else:
                _log.info("worker %d is back with %d bytes", worker, held)
                return

    def _caught_up(self, worker: int, actor: Any, member: _Member) -> int:  # noqa: ANN401 - a Ray actor handle
        """Let a new worker read all versions that are searched, then give it the number of the old one."""
        known, held = set[int](), 0
        while True:
            with self._lock:
                missing = sorted(set(self._held) - known)
                if not missing:
                    self._mending.discard(worker)
                    self._members[worker] = _Member(actor)
                    self._recoveries.append(Recovery(worker, time.monotonic() - member.since, held))
                    break
                source, placement = self._held[missing[0]]
            held = ray().get(actor.hold.remote(source, placement.held_by(worker)))
            known.add(source.version)
        if self._over.is_set():
            ray().kill(actor)
        return held


@dataclass(frozen=True, eq=False)
class AtVersion:
    """A crew, asked about one version: the `Transport` of `SpreadLeaves`."""

    crew: Crew
    version: int

    @property
    def alive(self) -> NDArray[np.bool_]:
        """See `Transport`."""
        return self.crew.alive

    def ask(self, calls: Mapping[int, Call]) -> dict[int, object]:
        """See `Transport`."""
        return self.crew.ask(self.version, calls)


def _started(config: ClusterConfig) -> Any:  # noqa: ANN401 - a Ray actor handle
    kind = ray().remote(LeafWorker).options(num_cpus=config.cpus, max_concurrency=config.threads + 2, max_restarts=0)
    return kind.remote()


def _cause(error: Any) -> Exception:  # noqa: ANN401 - ray.exceptions.RayTaskError
    """What went wrong in a worker, as it would have been raised here."""
    cause = error.cause
    if isinstance(cause, HierIndexError):
        return cause
    return ProcessError(f"a worker should answer; found {cause!r}")
