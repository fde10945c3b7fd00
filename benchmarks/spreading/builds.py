"""An index of a million vectors built through Ray, and built by one process: seconds by stage, and memory."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.spreading.watch import watching
from hierindex import HierIndex
from hierindex.cluster import ClusterConfig, build
from hierindex.metrics import recall
from hierindex.vectors import Float32

__all__ = ["builds", "built_here"]

_HERE = """
import json, resource, sys, time
import numpy as np
from hierindex import HierIndex
rows = np.load(sys.argv[1])
begun = time.perf_counter()
index = HierIndex.from_vectors(rows, metric="l2", path=sys.argv[2])
seconds = time.perf_counter() - begun
peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"seconds": seconds, "stages": index.info()["built"]["seconds"], "peak_bytes": peak}))
"""


def built_here(base: Path, path: Path) -> dict[str, Any]:
    """Build by one process of its own, which is not this one; seconds, and the most memory it had."""
    done = subprocess.run(
        [sys.executable, "-c", _HERE, str(base), str(path)], capture_output=True, text=True, check=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def builds(base: Path, folder: Path, queries: Float32, truth: Any, workers: int = 2) -> dict[str, Any]:  # noqa: ANN401
    """Both builds of the same rows, and what each index then finds of the 10 true neighbours ``(q, 10)``."""
    here, there = folder / "built-here.index", folder / "built-there.index"
    for path in (here, there):
        shutil.rmtree(path, ignore_errors=True)
    local = built_here(base, here)
    config = ClusterConfig(workers=workers, cpus=0.5, timeout=300)
    begun = time.perf_counter()
    with watching() as peaks:
        made = build(base, there, metric="l2", cluster=config)
    seconds = time.perf_counter() - begun
    names = ("Reader", "Tally", "Sampler", "HashShuffle", "LeafWorker")
    found = {
        "rows": int(np.load(base, mmap_mode="r").shape[0]),
        "bytes": int(np.load(base, mmap_mode="r").nbytes),
        "here": local | _finds(here, queries, truth),
        "there": {
            "workers": workers,
            "seconds": seconds,
            "stages": made.seconds,
            "parts": made.parts,
            "peak_bytes": {name: (peaks.of(name) or [0])[0] for name in names},
            "largest_worker_bytes": max(peaks.by_process.values(), default=0),
        }
        | _finds(there, queries, truth),
    }
    for path in (here, there):
        shutil.rmtree(path, ignore_errors=True)
    return found


def _finds(path: Path, queries: Float32, truth: Any) -> dict[str, Any]:  # noqa: ANN401
    index = HierIndex.open(path)
    asked = (0.9, 0.95, 0.99)
    return {"recall": {str(r): recall(index.search(queries, 10, recall=r).ids, truth) for r in asked}}
