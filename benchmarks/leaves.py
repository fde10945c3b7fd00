"""How many leaves an index should be cut into, and what should route to them.

    python -m benchmarks.leaves --data sift1m glove-like cifar-latents --cache DIR [--rows N]

One learned model a data set; under it leaves are cut in several numbers, from a quarter of the square root of the rows
to four times that. Timed in interleaved rounds at recalls asked for, on queries that tuned nothing. Then, at each
number, three ways from a query to its leaves: every centroid compared (a flat coarse quantizer), down the levels of the
learned tree, and down a two-level k-means tree over the same leaves; counted is what share of the true neighbours lies
in the leaves found, and how many centroids are compared for that. Writes ``benchmarks/results/leaves.json``.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.common import about, write
from benchmarks.searching.data import SETS, DataSet, load
from benchmarks.searching.routes import ways
from hierindex.api import build
from hierindex.api.config import BuildConfig
from hierindex.api.model import Model
from hierindex.index import updates
from hierindex.index.config import IndexConfig
from hierindex.index.router import ALL
from hierindex.index.snapshot import Snapshot
from hierindex.progress import Silent
from hierindex.vectors import Float32, Metric, as_ids

K, RECALLS, SINGLES, THREADS = 10, (0.9, 0.95, 0.99), 300, 2
SHARES = (0.25, 0.5, 1.0, 2.0, 4.0)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=SETS, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--rows", type=int, help="only the first so many rows")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    found = {}
    for name in args.data:
        data = load(name, args.cache, rows=args.rows)
        if data is not None:
            found[name] = measured(data, args.rounds)
    write("leaves", about(__file__, seed=0, data="benchmarks/searching/data.py") | {"sets": found})


def measured(data: DataSet, rounds: int) -> dict[str, Any]:
    """All numbers of leaves of one set."""
    metric, report = Metric.parse(data.metric), data.halves()[1]
    view = build.from_vectors(data.base, metric, None, None, BuildConfig(), Silent())
    rows, points = view.snapshot.rows, view.model.points(view.snapshot.rows)
    cuts = {}
    for share in SHARES:
        began = time.perf_counter()
        cuts[share] = _cut(rows, points, view.model, metric, round(share * len(rows) ** 0.5))
        print(f"{data.name}: {len(cuts[share].nodes.leaves)} leaves in {time.perf_counter() - began:.0f} s", flush=True)
    queries = metric.prepare(report.queries)
    return {
        "rows": len(rows),
        "dimensions": rows.shape[1],
        "rounds": rounds,
        "cuts": _timed(cuts, queries, report, rounds),
        "routes": {str(share): _routed(cut, queries, report) for share, cut in cuts.items()},
    }


def _cut(rows: Float32, points: Float32, model: Model, metric: Metric, n_leaves: int) -> Snapshot:
    ids = as_ids(None, len(rows))
    return updates.build(rows, ids, points, decode=model.decode, config=IndexConfig(n_leaves=n_leaves), metric=metric)


def _timed(cuts: dict[float, Snapshot], queries: Float32, report: DataSet, rounds: int) -> list[dict[str, Any]]:
    spent: dict[tuple[float, float], tuple[list[float], list[float]]] = {}
    for _ in range(rounds):
        for recall in RECALLS:
            for share, cut in cuts.items():
                batch, alone = spent.setdefault((share, recall), ([], []))
                began = time.perf_counter()
                cut.search(queries, K, recall, num_threads=THREADS)
                batch.append((time.perf_counter() - began) / len(queries) * 1e6)
                alone.append(median(_one(cut, queries[i : i + 1], recall) for i in range(min(SINGLES, len(queries)))))
    lines = []
    for (share, recall), (batch, alone) in spent.items():
        cut = cuts[share]
        seen = cut.search(queries, K, recall, num_threads=THREADS)[0]
        hits = (seen[:, :, None] == report.truth[:, None, :K]).any(axis=2).mean()
        point = None if cut.tuned is None else cut.tuned.lookup(K, recall)
        lines.append(
            {
                "share": share,
                "leaves": len(cut.nodes.leaves),
                "asked": recall,
                "recall": float(hits),
                "batch_us": median(batch),
                "single_us": median(alone),
                "beam": 0 if point is None else point.beam,
                "nprobe": 0 if point is None else point.nprobe,
                "candidates": 0 if point is None else point.candidates,
                "cost": 0.0 if point is None else point.cost,
                "parts": 0 if cut.packed is None or cut.packed.coder is None else cut.packed.coder.n_parts,
            }
        )
    return lines


def _one(cut: Snapshot, query: Float32, recall: float) -> float:
    began = time.perf_counter()
    cut.search(query, K, recall)
    return (time.perf_counter() - began) * 1e6


def _routed(cut: Snapshot, queries: Float32, report: DataSet) -> list[dict[str, Any]]:
    """What each way finds within as many leaves as recall .95 takes where every centroid is compared."""
    packed = cut.packed
    if packed is None:
        return []
    turned, home = packed.turned(queries), packed.list_of[report.truth[:, :K]]
    flat = packed.router.route(turned, len(cut.nodes.leaves), ALL)[0]
    nprobe = _needed(flat, home, 0.97)
    lines = []
    for way in ways(packed, seed=0):
        began = time.perf_counter()
        leaves = way.route(turned, nprobe)
        seconds = time.perf_counter() - began
        reached = (leaves[:, :, None] == home[:, None, :]).any(axis=1).mean()
        lines.append(
            {
                "way": way.name,
                "beam": way.beam,
                "nprobe": nprobe,
                "compared": way.compared,
                "reached": float(reached),
                "batch_us": seconds / len(queries) * 1e6,
            }
        )
    return lines


def _needed(order: np.ndarray[Any, np.dtype[np.int64]], home: np.ndarray[Any, Any], share: float) -> int:
    """The least number of nearest leaves that hold such a share of the neighbours, the same for every query."""
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.arange(order.shape[1])[None], axis=1)
    return int(np.quantile(np.take_along_axis(place, home.astype(np.int64), axis=1), share)) + 1


if __name__ == "__main__":
    main()
