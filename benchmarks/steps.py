"""Two steps of a search beside FAISS's own way: which leaves a query scans, and in which order.

    python -m benchmarks.steps --data sift1m glove-like --cache DIR [--rows N] [--rounds 7]

A query's leaves are the nearest of all centroids: from `IndexFlat` with its heaps, or from one matrix product and
NumPy's partition. They are scanned by rising number, or the nearest few before the others (see `PqLeaves`). Each on one
thread, with the settings of an index for each recall, in interleaved rounds, on queries that tuned nothing; a batch of
them and one by one. Writes ``benchmarks/results/steps.json``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from benchmarks.common import about, write
from benchmarks.searching.clock import steps_us
from benchmarks.searching.data import SETS, DataSet, load
from hierindex.api import build
from hierindex.api.config import BuildConfig
from hierindex.index.leaves import PqLeaves
from hierindex.index.native import search_lists
from hierindex.index.packed import Packed
from hierindex.index.search import Plan, leaves_of
from hierindex.index.snapshot import Snapshot
from hierindex.index.threads import omp_threads
from hierindex.progress import Silent
from hierindex.vectors import Float32, Int64, Metric

K, RECALLS, BATCH, SINGLES, FIRST = 10, (0.9, 0.95, 0.99), 2_500, 300, (0, 1, 2, 4, 8)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=SETS, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--rows", type=int, help="only the first so many rows")
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    found = []
    for name in args.data:
        data = load(name, args.cache, rows=args.rows)
        if data is not None:
            found.append(measured(data, args.rounds))
            print(found[-1], flush=True)
    write(
        "steps", about(__file__, seed=0, data="benchmarks/searching/data.py") | {"rounds": args.rounds, "sets": found}
    )


def measured(data: DataSet, rounds: int) -> dict[str, Any]:
    """Microseconds a query of both steps at each recall."""
    metric = Metric.parse(data.metric)
    snapshot = build.from_vectors(data.base, metric, None, None, BuildConfig(), Silent()).snapshot
    packed = snapshot.packed
    assert packed is not None
    assert isinstance(packed.lists, PqLeaves), "the set should be scanned by codes"
    queries = packed.turned(metric.prepare(data.halves()[1].queries[:BATCH]))
    with omp_threads(1):
        steps = [_at(snapshot, packed, queries, recall, rounds) for recall in RECALLS]
    return {
        "data": data.name,
        "rows": len(data.base),
        "dimensions": data.base.shape[1],
        "leaves": len(packed.sizes),
        "compared_in": queries.shape[1],
        "recalls": steps,
    }


def _at(snapshot: Snapshot, packed: Packed, queries: Float32, recall: float, rounds: int) -> dict[str, Any]:
    assert snapshot.tuned is not None
    point = snapshot.tuned.lookup(K, recall)
    assert point is not None
    plan = Plan.of(point)
    leaves = leaves_of(packed, plan, queries)
    flat: Any = faiss.IndexFlat(queries.shape[1], faiss.METRIC_L2)
    flat.add(packed.router.centroids.values)
    choose: dict[str, Callable[[slice], object]] = {
        "heaps": lambda some: flat.search(queries[some], plan.nprobe),
        "partition": lambda some: packed.router.centroids.nearest(queries[some], plan.nprobe),
    }
    scan = {str(first): _scan(packed, queries, leaves, max(K, plan.candidates), first) for first in FIRST}
    return {
        "asked": recall,
        "nprobe": plan.nprobe,
        "scanned": float((leaves >= 0).sum(axis=1).mean()),
        "candidates": plan.candidates,
        "choose": steps_us(choose, len(queries), rounds, SINGLES),
        "scan": steps_us(scan, len(queries), rounds, SINGLES),
    }


def _scan(packed: Packed, queries: Float32, leaves: Int64, candidates: int, first: int) -> Callable[[slice], object]:
    """A scan of the ``first`` nearest leaves before the others."""
    assert isinstance(packed.lists, PqLeaves)
    index, later = packed.lists.index, np.where(np.arange(leaves.shape[1]) < first, 0, packed.lists.n_lists)
    in_turn = np.where(leaves >= 0, leaves + later, -1)

    def some(part: slice) -> object:
        own = in_turn[part]
        return search_lists(index, queries[part], own[:, (own >= 0).any(axis=0)].copy(), candidates, None)

    return some


if __name__ == "__main__":
    main()
