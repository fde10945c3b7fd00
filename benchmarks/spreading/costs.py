"""What each stage of a search on several workers costs, one thread, so that larger clusters can be reckoned.

Everything here is measured in one process but the call, which is one to a Ray actor and back.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hierindex import HierIndex
from hierindex.cluster import ClusterConfig, ClusterIndex
from hierindex.cluster.loading import Source, read_front, read_shard
from hierindex.cluster.messages import Ask
from hierindex.cluster.placement import Placement, weights
from hierindex.cluster.scanner import InProcess, LocalLeaves, SpreadLeaves
from hierindex.index.threads import omp_threads
from hierindex.storage import Store
from hierindex.vectors import Float32

__all__ = ["costs"]

_ROUNDS = 5
_WORKERS = 8
_ASKED = ((1, 0.9), (10, 0.9), (10, 0.99), (100, 0.9), (100, 0.99))


def costs(path: Path, queries: Float32) -> dict[str, Any]:
    """Seconds of each stage; medians of several rounds."""
    source = Source.of(path, Store.open(path).version, None)
    front, _ = read_front(source)
    n_leaves = len(front.nodes.leaves)
    begun = time.perf_counter()
    whole = read_shard(source, np.arange(n_leaves)).shard
    load = time.perf_counter() - begun
    turned = front.turned(queries)
    plan = front.plan(10, 0.95)
    assert plan is not None
    route = _seconds(lambda: front.leaves(front.turned(queries), plan)) / len(queries)
    rows, times = [], []
    for k, recall in _ASKED:
        wide = front.plan(k, recall)
        assert wide is not None
        leaves = front.leaves(turned, wide)
        ask = Ask(queries, turned, leaves, k, max(k, wide.candidates), 0, np.ones(len(queries), np.bool_))
        scanned = float(np.where(leaves >= 0, whole.sizes[leaves], 0).sum(axis=1).mean())
        rows.append([scanned, max(k, wide.candidates), 1.0])
        times.append(_seconds(lambda ask=ask: LocalLeaves(whole).scan(ask)) / len(queries))  # type: ignore[misc]
    fit = np.linalg.lstsq(np.array(rows), np.array(times), rcond=None)[0]
    return {
        "seconds_to_load": load,
        "bytes_of_shard": whole.n_bytes,
        "rows": len(whole.data),
        "dim": int(queries.shape[1]),
        "code_bytes": 0 if whole.codes is None else int(whole.codes.shape[1]),
        "route_seconds": route,
        "scan": {
            "measured": [[*row, seconds] for row, seconds in zip(rows, times, strict=True)],
            "seconds_a_row": float(fit[0]),
            "seconds_a_candidate": float(fit[1]),
            "seconds_a_query": float(fit[2]),
        },
        "gather_seconds_a_worker": _gathering(source, front, queries),
        "call_seconds": _calls(path, queries),
    }


def _gathering(source: Source, front: Any, queries: Float32) -> float:  # noqa: ANN401 - Front
    """Seconds of the caller for each worker that a query asks: what to ask, and what is made of the answers."""
    placement = Placement.of(weights(front.nodes.count[front.nodes.leaves]), _WORKERS, 1)
    shards = tuple(read_shard(source, placement.held_by(worker)).shard for worker in range(_WORKERS))
    transport = _Timed(InProcess(shards))
    spread = SpreadLeaves(placement, transport, front.of_strings)
    turned, plan = front.turned(queries), front.plan(10, 0.95)
    ask = Ask(queries, turned, front.leaves(turned, plan), 10, plan.candidates, 16, np.zeros(len(queries), np.bool_))
    taken = []
    for _ in range(_ROUNDS):
        transport.seconds, begun = 0.0, time.perf_counter()
        found = spread.scan(replace(ask))
        taken.append((time.perf_counter() - begun - transport.seconds) / float(found.fan_out.sum()))
    return float(np.median(taken))


class _Timed:
    """A transport that knows how long its workers took."""

    def __init__(self, inner: InProcess) -> None:
        self._inner, self.seconds = inner, 0.0

    @property
    def alive(self) -> Any:  # noqa: ANN401 - a mask
        return self._inner.alive

    def ask(self, calls: Any) -> dict[int, object]:  # noqa: ANN401 - as of Transport
        begun = time.perf_counter()
        answers = self._inner.ask(calls)
        self.seconds += time.perf_counter() - begun
        return answers


def _calls(path: Path, queries: Float32) -> dict[str, float]:
    """Seconds from a call to its answer: one query through one worker, less the same query here."""
    local = HierIndex.open(path)
    with ClusterIndex.open(path, cluster=ClusterConfig(workers=1, cpus=0.1)) as index:
        away, here = [], []
        for query in queries[:500]:
            begun = time.perf_counter()
            index.search(query)
            away.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            local.search(query)
            here.append(time.perf_counter() - begun)
    gap = np.array(away) - np.array(here)
    return {"median": float(np.median(gap)), "p99": float(np.quantile(gap, 0.99))}


def _seconds(run: Callable[[], object]) -> float:
    taken = []
    with omp_threads(1):
        for _ in range(_ROUNDS):
            begun = time.perf_counter()
            run()
            taken.append(time.perf_counter() - begun)
    return float(np.median(taken))
