"""What a change of points that are there costs, beside the same by an older hierindex; and what a reader then reads.

Only the public face of hierindex is used, so that this file runs as a script against another checkout too:

    PYTHONPATH=OTHER python benchmarks/updating/removing.py INDEX SEED
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from hierindex.vectors import Ids

__all__ = ["beside", "removals"]

BATCHES = {1: 10, 1_000: 3}
"""Points in a change, and how many changes are timed."""


def beside(path: Path, seed: int, others: dict[str, str]) -> dict[str, Any]:
    """The figures of this code and of other checkouts, each over a copy of the index at ``path``, in an own process."""
    root = str(Path(__file__).resolve().parents[2])
    found: dict[str, Any] = {"load_average": os.getloadavg()[0]}
    for name, code in {"now": root, **others}.items():
        with tempfile.TemporaryDirectory() as own:
            work = Path(own) / "work.index"
            subprocess.run(["cp", "-r", str(path), str(work)], check=True)
            done = subprocess.run(
                [sys.executable, __file__, str(work), str(seed)],
                cwd=own,
                env={**os.environ, "PYTHONPATH": code},
                capture_output=True,
                text=True,
                check=True,
            )
        found[name] = json.loads(done.stdout.splitlines()[-1])
        print(name, json.dumps(found[name]))
    return found


def removals(path: Path, seed: int) -> dict[str, Any]:
    """Milliseconds and bytes of durable changes of the index at ``path``, and a reader's seconds to see them."""
    from hierindex import HierIndex

    index, reader = HierIndex.open(path), HierIndex.open(path)
    rng = np.random.default_rng(seed)
    ids = rng.permutation(index.ids)
    found: dict[str, Any] = {"n": len(index), "dim": index.dim, "changes": []}
    at = 0
    index.delete(ids[-1:])  # the first one says for ever that there are such: it writes the tree again
    for size, times in BATCHES.items():
        for what in ("delete", "upsert"):
            seconds, written = [], []
            for _ in range(times):
                some, at = ids[at : at + size], at + size
                rows = index.vectors(some) + np.float32(0.01) * rng.normal(size=(size, index.dim)).astype(np.float32)
                before, began = _bytes(path), time.perf_counter()
                if what == "delete":
                    index.delete(some)
                else:
                    index.upsert(rows, some)
                seconds.append(time.perf_counter() - began)
                written.append(_bytes(path) - before)
            found["changes"].append(
                {
                    "what": what,
                    "points": size,
                    "ms": 1e3 * median(seconds),
                    "worst_ms": 1e3 * max(seconds),
                    "bytes": int(median(written)),
                }
            )
    found["refreshes"] = {}
    ways: dict[str, Callable[[Ids], object]] = {
        "100 added": lambda _: index.add(rng.normal(size=(100, index.dim)).astype(np.float32)),
        "100 deleted": index.delete,
        "100 upserted": lambda some: index.upsert(index.vectors(some), some),
    }
    for what, change in ways.items():
        seconds = []
        for _ in range(3):
            reader.refresh()
            some, at = ids[at : at + 100], at + 100
            change(some)
            began = time.perf_counter()
            reader.refresh()
            seconds.append(time.perf_counter() - began)
        found["refreshes"][what] = median(seconds)
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        HierIndex.open(path)
        seconds.append(time.perf_counter() - began)
    found["open"] = median(seconds)
    return found


def _bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


if __name__ == "__main__":
    print(json.dumps(removals(Path(sys.argv[1]), int(sys.argv[2]))))
