"""A mixed load for as long as one likes: does memory stay flat, do files stay few, is the recall held?"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.updating.speed import vectors
from hierindex import BuildConfig, HierIndex
from hierindex.learning.config import HeadConfig, LearnConfig
from hierindex.vectors import Ids

__all__ = ["soak"]

N, DIM, BATCH, K = 50_000, 64, 200, 10
TIDY = 60.0  # seconds between two rounds of compact and vacuum, and between two looks


@dataclass
class _Load:
    """Who writes and reads, and what they have done."""

    index: HierIndex
    rng: np.random.Generator
    stop: threading.Event = field(default_factory=threading.Event)
    changes: int = 0
    searches: int = 0
    failed: list[str] = field(default_factory=list)

    def write(self) -> None:
        """Points come and the oldest go, some are replaced, some get another payload; the number stays."""
        while not self.stop.is_set():
            new = vectors(BATCH, DIM, int(self.rng.integers(2**31)))
            old = self.index.ids
            kind = self.changes % 4
            if kind == 0:
                self.index.add(new, payload={"shelf": self.rng.integers(0, 9, BATCH)})
            elif kind == 1:
                self.index.delete(old[:BATCH])
            elif kind == 2:
                names = self.rng.choice(old, BATCH, replace=False)
                self.index.upsert(new, names, payload={"shelf": self.rng.integers(0, 9, BATCH)})
            else:
                self.index.update_payload(self.rng.choice(old, 20, replace=False), {"shelf": np.full(20, 10)})
            self.changes += 1
            if self.changes % 25 == 0:
                self.index.maintain(steps=1)

    def read(self) -> None:
        """Single searches without a pause."""
        queries = vectors(500, DIM, 7)
        while not self.stop.is_set():
            hits = self.index.search(queries[self.searches % len(queries)], K)
            if (hits.ids < 0).any() or (np.diff(hits.distances) < 0).any():
                self.failed.append(f"search {self.searches}: {hits.ids.tolist()}")
            self.searches += 1


def soak(seconds: float, seed: int) -> dict[str, Any]:
    """The load, and a look at it once a minute."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "soak.index"
        config = BuildConfig(learn=LearnConfig(head=HeadConfig(steps=2)))
        shelf = {"shelf": np.random.default_rng(seed).integers(0, 9, N)}
        index = HierIndex.from_vectors(vectors(N, DIM, seed), metric="l2", payload=shelf, config=config, path=path)
        load = _Load(index, np.random.default_rng(seed))
        threads = [threading.Thread(target=load.write), threading.Thread(target=load.read)]
        looks, began = [_look(load, path, 0.0)], time.perf_counter()
        for thread in threads:
            thread.start()
        while (spent := time.perf_counter() - began) < seconds:
            time.sleep(min(TIDY, seconds - spent))
            index.compact()
            index.vacuum(retain=1)
            looks.append(_look(load, path, time.perf_counter() - began))
            if not all(thread.is_alive() for thread in threads):
                raise RuntimeError("a thread of the load ended before its time")
        load.stop.set()
        for thread in threads:
            thread.join()
        again = HierIndex.open(path)
        same = sorted(again.ids.tolist()) == sorted(index.ids.tolist())
        return {
            "seconds": seconds,
            "points": N,
            "dim": DIM,
            "batch": BATCH,
            "changes": load.changes,
            "searches": load.searches,
            "wrong": load.failed[:5],
            "reopened_the_same": same,
            "looks": looks,
        }


def _look(load: _Load, path: Path, at: float) -> dict[str, Any]:
    files = [file for file in path.rglob("*") if file.is_file()]
    queries = vectors(300, DIM, 11)
    found, true = (load.index.search(queries, K, recall=recall).ids for recall in (0.95, 1.0))
    look = {
        "minute": at / 60,
        "points": len(load.index),
        "leaves": len(load.index.leaf_sizes()),
        "rss_mib": _resident() / 2**20,
        "files": len(files),
        "mib": sum(file.stat().st_size for file in files) / 2**20,
        "recall": _recall(found, true),
        "changes": load.changes,
        "searches": load.searches,
        "load_average": os.getloadavg()[0],
    }
    print({key: round(value, 3) if isinstance(value, float) else value for key, value in look.items()}, flush=True)
    return look


def _recall(found: Ids, true: Ids) -> float:
    """Of two searches a moment apart, so that a change in between counts as a miss."""
    return float(np.mean([len(np.intersect1d(a, b)) / K for a, b in zip(found, true, strict=True)]))


def _resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
