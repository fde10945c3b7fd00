"""How fast an index changes, opens and is searched meanwhile, and how large it is on disk."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.common import ROOT
from hierindex import BuildConfig, HierIndex
from hierindex.learning.config import HeadConfig, LearnConfig
from hierindex.vectors import Float32

__all__ = ["speed", "started"]

BATCHES = {1: 200, 100: 60, 10_000: 10}
"""Points in a durable insert, and how many inserts are timed."""


def speed(n: int, dim: int, seed: int, folder: str | None = None) -> dict[str, Any]:
    """All of it over n vectors; ``folder`` keeps the index for another run (building it takes most of the time)."""
    with started(n, dim, seed, folder) as path, tempfile.TemporaryDirectory() as own:
        work = Path(own) / "work.index"
        subprocess.run(["cp", "-r", str(path), str(work)], check=True)
        found: dict[str, Any] = {"n": n, "dim": dim, "load_average": os.getloadavg()[0]}
        found["open"] = [opened(work) for _ in range(3)]
        found["disk"] = {"bytes": _bytes(work), "raw": 4 * n * dim}
        index = HierIndex.open(work)
        found["beside"] = beside(index, work, dim, seed)
        found["inserts"] = inserts(index, dim, seed)
        found["after"] = {"parts": _parts(work), "open": opened(work), "bytes": _bytes(work)}
        began = time.perf_counter()
        compacted = index.compact()
        found["compact"] = {"seconds": time.perf_counter() - began, "parts": compacted.parts_after}
        began = time.perf_counter()
        freed = index.vacuum(retain=1)
        found["vacuum"] = {"seconds": time.perf_counter() - began, "freed": freed.bytes, "files": freed.files}
        found["tidy"] = {"open": opened(work), "bytes": _bytes(work), "raw": 4 * len(index) * dim}
        found["rival"] = rewritten(vectors(n, dim, seed), vectors(max(BATCHES), dim, seed + 9), Path(own) / "faiss")
        return found


@contextmanager
def started(n: int, dim: int, seed: int, folder: str | None) -> Iterator[Path]:
    """An index of n vectors; in ``folder`` it stays for another run."""
    with tempfile.TemporaryDirectory() as own:
        path = Path(folder or own) / f"{n}x{dim}.index"
        if not path.exists():
            config = BuildConfig(learn=LearnConfig(head=HeadConfig(steps=2)))  # the tree's quality is not asked here
            HierIndex.from_vectors(vectors(n, dim, seed), metric="l2", config=config, path=path)
        yield path


def vectors(n: int, dim: int, seed: int) -> Float32:
    """``(n, dim)`` around 1,000 centres; other seeds, other vectors around the same ones."""
    centres = np.random.default_rng(99).normal(size=(1_000, dim)).astype(np.float32)
    rng = np.random.default_rng(seed)
    out = rng.standard_normal((n, dim), dtype=np.float32)
    out *= 0.5
    out += centres[rng.integers(0, len(centres), n)]
    return out


def opened(path: Path) -> float:
    """Seconds from asking for the index to its first answer, in a process that has just imported the package."""
    code = (
        "import sys, time, numpy as np; from hierindex import HierIndex; HierIndex.open\n"
        "import hierindex.storage, hierindex.index.updates\n"
        "b = time.perf_counter(); i = HierIndex.open(sys.argv[1]); i.search(np.zeros(i.dim, 'f4'), k=1)\n"
        "print(time.perf_counter() - b)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout)


def inserts(index: HierIndex, dim: int, seed: int) -> list[dict[str, Any]]:
    """Durable inserts by size of batch."""
    rows = []
    for size, times in BATCHES.items():
        x = vectors(size * times, dim, seed + size)
        seconds = []
        for at in range(times):
            began = time.perf_counter()
            index.add(x[at * size : (at + 1) * size])
            seconds.append(time.perf_counter() - began)
        total = sum(seconds)
        rows.append(
            {
                "batch": size,
                "times": times,
                "vectors_a_second": size * times / total,
                "ms": 1e3 * median(seconds),
                "p99_ms": 1e3 * float(np.quantile(seconds, 0.99)),
                "worst_ms": 1e3 * max(seconds),
            }
        )
        print(rows[-1])
    return rows


def beside(index: HierIndex, path: Path, dim: int, seed: int, rounds: int = 10, seconds: float = 1.5) -> dict[str, Any]:
    """Milliseconds of single searches: quiet, beside a writer in a thread, beside one in another process; by turns.

    The control is a thread that multiplies matrices for as long as the writer is busy: what it costs, any work would.
    """
    queries = vectors(2_000, dim, seed + 5)
    other = HierIndex.open(path)
    _searched(other, queries, 1)  # caches are warm
    theirs = path.with_name("theirs.index")  # a stopped writer would make the thread wait for its turn
    subprocess.run(["cp", "-r", str(path), str(theirs)], check=True)
    child = multiprocessing.get_context("spawn").Process(target=_write_for, args=(str(theirs), dim, 2_000))
    child.start()
    assert child.pid is not None
    time.sleep(15)  # until it has imported, opened, and written for a while
    taken: dict[str, list[list[float]]] = {"quiet": [], "process": [], "thread": [], "control": []}
    for number in range(rounds):
        for how, work in {"quiet": None, "process": None, "thread": _write_until, "control": _multiply_until}.items():
            os.kill(child.pid, signal.SIGCONT if how == "process" else signal.SIGSTOP)
            stop = threading.Event()
            worker = None if work is None else threading.Thread(target=work, args=(other, dim, 1_000 + number, stop))
            if worker is not None:
                worker.start()
            taken[how].append(_searched(other, queries, seconds))
            stop.set()
            if worker is not None:
                worker.join()
        os.kill(child.pid, signal.SIGCONT)
    child.kill()
    child.join()
    index.refresh()
    found: dict[str, Any] = {"k": 10, "recall": 0.95, "batch": 100, "pause_ms": 50, "rounds": rounds}
    for how, each in taken.items():
        found[how] = {f"p{p}_ms": 1e3 * median(float(np.quantile(one, p / 100)) for one in each) for p in (50, 90, 99)}
    print(json.dumps(found))
    return found


def _searched(index: HierIndex, queries: Float32, seconds: float) -> list[float]:
    """Seconds of each single search."""
    taken: list[float] = []
    until = time.perf_counter() + seconds
    while (began := time.perf_counter()) < until:
        index.search(queries[len(taken) % len(queries)], k=10, recall=0.95)
        taken.append(time.perf_counter() - began)
    return taken


def _write_until(index: HierIndex, dim: int, seed: int, stop: threading.Event) -> None:
    """Durable batches of 100, with a pause of 50 ms after each: 1,000 to 2,000 vectors a second."""
    number = 0
    while not stop.is_set():
        index.add(vectors(100, dim, seed + 7 * number))
        number += 1
        stop.wait(0.05)


def _multiply_until(index: HierIndex, dim: int, seed: int, stop: threading.Event) -> None:  # noqa: ARG001 - as above
    """25 ms of work that has nothing to do with the index, with the same pause."""
    x = np.random.default_rng(seed).normal(size=(300, 300))
    while not stop.is_set():
        until = time.perf_counter() + 0.025
        while time.perf_counter() < until:
            x @ x
        stop.wait(0.05)


def _write_for(path: str, dim: int, seed: int) -> None:
    _write_until(HierIndex.open(path), dim, seed, threading.Event())


def rewritten(x: Float32, more: Float32, path: Path) -> dict[str, Any]:
    """FAISS's way to be durable: the whole file written and synced again after each insert. Its index is not tuned."""
    import faiss

    index = faiss.index_factory(x.shape[1], "IVF1024,PQ64x4fs,RFlat")
    index.train(x[:: max(1, len(x) // 50_000)])
    index.add(x)
    rows = []
    for size in BATCHES:
        began = time.perf_counter()
        index.add(more[:size])
        faiss.write_index(index, str(path))
        with path.open("rb") as file:
            os.fsync(file.fileno())
        rows.append({"batch": size, "seconds": time.perf_counter() - began})
    return {"index": "IVF1024,PQ64x4fs,RFlat", "inserts": rows, "bytes": path.stat().st_size}


def _bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _parts(path: Path) -> int:
    from hierindex.storage import Store

    return Store.open(path).n_parts
