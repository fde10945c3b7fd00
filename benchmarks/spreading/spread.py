"""The same answers from 1, 2, 4 and 8 workers, and how many of them a query asks."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from hierindex import HierIndex
from hierindex.cluster import ClusterConfig, ClusterIndex, Placing
from hierindex.results import Hits
from hierindex.vectors import Float32

__all__ = ["differing", "spread"]

_ASKED = ((10, 0.9), (10, 0.95), (10, 0.99), (100, 0.95))
_CREWS = (
    (1, 1, Placing.SUBTREE),
    (2, 1, Placing.PROBED),
    (2, 1, Placing.SUBTREE),
    (2, 1, Placing.HASH),
    (4, 1, Placing.PROBED),
    (4, 1, Placing.SUBTREE),
    (4, 1, Placing.HASH),
    (8, 1, Placing.PROBED),
    (8, 1, Placing.SUBTREE),
    (8, 1, Placing.HASH),
    (8, 2, Placing.PROBED),
    (8, 2, Placing.SUBTREE),
    (8, 2, Placing.HASH),
)


def spread(path: Path, queries: Float32) -> list[dict[str, Any]]:
    """For each number of workers, copies and placing: do answers equal local ones bit for bit, and who was asked."""
    local = HierIndex.open(path)
    wanted = {asked: local.search(queries, asked[0], recall=asked[1]) for asked in _ASKED}
    one_by_one = [local.search(query, 10) for query in queries[:200]]
    del local
    out = []
    for workers, replicas, placing in _CREWS:
        config = ClusterConfig(workers=workers, replicas=replicas, placing=placing, cpus=0.1, timeout=300)
        started = time.perf_counter()
        with ClusterIndex.open(path, cluster=config) as index:
            row: dict[str, Any] = {"workers": workers, "replicas": replicas, "placing": placing.value}
            row["open_seconds"] = time.perf_counter() - started
            told = [worker for worker in index.workers() if worker is not None]
            row["rows"] = [worker["rows"] for worker in told]
            row["bytes"] = [worker["bytes"] for worker in told]
            row["asked"] = []
            for k, recall in _ASKED:
                found = index.found(queries, k, recall=recall)
                row["asked"].append(
                    {
                        "k": k,
                        "recall": recall,
                        "differing": differing(wanted[k, recall], found.hits),
                        "fan_out": float(found.hits.fan_out.mean()),
                        "fan_out_p99": float(np.quantile(found.hits.fan_out, 0.99)),
                        "leaves": float(found.leaves.mean()),
                        "replayed": float(found.replayed.mean()),
                    }
                )
            alone = [differing(a, index.search(q, 10)) for a, q in zip(one_by_one, queries[:200], strict=True)]
            row["single_differing"] = sum(alone)
        print(row, flush=True)
        out.append(row)
    return out


def differing(a: Hits, b: Hits) -> int:
    """How many queries have another id, another bit in a distance, or another leaf."""
    gaps = a.distances.view(np.int32) != b.distances.view(np.int32)
    return int(((a.ids != b.ids) | gaps | (a.leaves != b.leaves)).any(axis=1).sum())
