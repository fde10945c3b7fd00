"""An index on several workers beside the same index on one machine: answers, fan-out, deaths, builds.

    python -m benchmarks.cluster --cache FOLDER [--part spread deaths builds costs trainers] [--quick]

The folder is that of ``benchmarks.search`` (``sift1m`` in it is made by ``python -m benchmarks.search --make --data
sift1m --cache FOLDER``); the index of a million vectors is built once and kept there as ``cluster.index``. All workers
are processes of this machine, so what is judged are counts; seconds are stated with the load under which they passed.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import RESULTS, about, write

_PARTS = ("spread", "deaths", "builds", "costs", "trainers")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--part", nargs="+", choices=_PARTS, default=list(_PARTS))
    parser.add_argument("--quick", action="store_true", help="1,000 queries, and one death")
    args = parser.parse_args()
    folder = args.cache / "sift1m"
    path, base = folder / "cluster.index", folder / "base.npy"
    queries = np.load(folder / "query.npy")[: 1_000 if args.quick else None].astype(np.float32)
    if not path.exists():
        from benchmarks.spreading.builds import built_here

        built_here(base, path)
    _start()
    found: dict[str, Any] = {}
    if "spread" in args.part:
        from benchmarks.spreading.placements import homes_of, placements
        from benchmarks.spreading.spread import spread
        from hierindex.cluster.loading import Source, read_front
        from hierindex.storage import Store

        front, _ = read_front(Source.of(path, Store.open(path).version, None))
        homes = homes_of(front, np.load(base, mmap_mode="r"), np.load(folder / "truth.npy")[: len(queries), :10])
        found["spread"] = {"queries": len(queries), "others": placements(front, queries, 8, homes)}
        found["spread"]["crews"] = spread(path, queries)
    if "deaths" in args.part:
        from benchmarks.spreading.deaths import deaths

        kills = 1 if args.quick else 5
        found["deaths"] = [deaths(path, queries[:1_000], kills, replicas) for replicas in (2, 1)]
    if "builds" in args.part:
        from benchmarks.spreading.builds import builds

        truth = np.load(folder / "truth.npy")[: len(queries), :10]
        found["builds"] = builds(base, folder, queries, truth)
    if "costs" in args.part:
        from benchmarks.spreading.costs import costs

        found["costs"] = costs(path, queries)
    if "trainers" in args.part:
        from benchmarks.spreading.trainers import trainers

        found["trainers"] = trainers()
    data = "1,000,000 SIFT vectors of photographs (CIFAR-100), d = 128, L2; unseen queries"
    load = {"load_average": os.getloadavg()[1]}
    known = json.loads((RESULTS / "cluster.json").read_text()) if (RESULTS / "cluster.json").exists() else {}
    kept = {part: known[part] for part in _PARTS if part in known}
    write("cluster", about(__file__, seed=0, data=data) | load | kept | found)


def _start() -> None:
    """A Ray of this machine's own, without a dashboard."""
    import ray

    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=1_500 * 2**20,
        log_to_driver=False,
        logging_level=logging.ERROR,
        runtime_env={"env_vars": {"OMP_NUM_THREADS": "1"}},
    )


if __name__ == "__main__":
    main()
