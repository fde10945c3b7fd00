"""Workers killed while queries come: are answers wrong, do any fail, and how long until all is as before."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.spreading.spread import differing
from hierindex import HierIndex
from hierindex.cluster import ClusterConfig, ClusterHits, ClusterIndex
from hierindex.errors import HierIndexError
from hierindex.results import Hits
from hierindex.vectors import Float32, Int64

__all__ = ["deaths"]

_BATCH = 10
_CALLERS = 2
_SECONDS = 5.0  # of queries before the first death and after each recovery


def deaths(path: Path, queries: Float32, kills: int, replicas: int, workers: int = 4) -> dict[str, Any]:
    """Kill workers one after another under load; what became of the queries."""
    local = HierIndex.open(path)
    batches = [queries[at : at + _BATCH] for at in range(0, len(queries) - _BATCH + 1, _BATCH)]
    right = [local.search(batch, 10) for batch in batches]
    del local
    config = ClusterConfig(workers=workers, replicas=replicas, cpus=0.1, timeout=60)
    counts = {"queries": 0, "wrong": 0, "partial": 0, "failed": 0}
    slowest, lock, over = [0.0], threading.Lock(), threading.Event()

    def ask(first: int) -> None:
        at = first
        while not over.is_set():
            begun = time.perf_counter()
            try:
                found: ClusterHits | None = index.search(batches[at], 10)
            except HierIndexError:
                found = None
            took = time.perf_counter() - begun
            with lock:
                slowest[0] = max(slowest[0], took)
                counts["queries"] += _BATCH
                counts["failed"] += _BATCH if found is None else 0
                if found is not None:
                    whole = np.flatnonzero(~found.partial)
                    counts["partial"] += _BATCH - len(whole)
                    counts["wrong"] += differing(_some(right[at], whole), _some(found, whole))
            at = (at + _CALLERS) % len(batches)

    with ClusterIndex.open(path, cluster=config) as index:
        callers = [threading.Thread(target=ask, args=(number,)) for number in range(_CALLERS)]
        for caller in callers:
            caller.start()
        for kill in range(kills):
            time.sleep(_SECONDS)
            victim = index.workers()[kill % workers]
            if victim is not None:
                os.kill(victim["pid"], signal.SIGKILL)
            while len(index.recoveries) <= kill:
                time.sleep(0.05)
        time.sleep(_SECONDS)
        over.set()
        for caller in callers:
            caller.join()
        recoveries = [each.seconds for each in index.recoveries]
    return {
        "workers": workers,
        "replicas": replicas,
        "kills": kills,
        **counts,
        "recovery_seconds": recoveries,
        "slowest_batch_seconds": slowest[0],
    }


def _some(hits: Hits, rows: Int64) -> Hits:
    return Hits(hits.ids[rows], hits.distances[rows], hits.leaves[rows])
