"""Search with filters: recall reached and work done for filters of all widths, random ones and such as go by nearness.

    python -m benchmarks.filters --sets sift1m=l2 cifar-latents=cosine --folder FOLDER

FOLDER/NAME/base.npy and query.npy are the sets of the search benchmark. Queries are unseen by the index and by the rule
that widens the search (fitted on the first 900 queries of each set, and on filters with other seeds).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import about, write
from hierindex.decode import Decode
from hierindex.head import unit
from hierindex.index import updates
from hierindex.index.config import IndexConfig
from hierindex.index.snapshot import Snapshot
from hierindex.vectors import Float32, Metric

SHARES = (0.5, 0.2, 0.1, 0.03)
RECALLS = (0.9, 0.95, 0.99)
SEEN = 900  # queries that the rule was fitted on


def main() -> None:
    """Measure and write ``benchmarks/results/filters.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=["sift1m=l2", "cifar-latents=cosine"])
    parser.add_argument("--rows", type=int, default=200_000, help="at most so many rows of each set")
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--seed", type=int, default=3)
    args = parser.parse_args()
    found = []
    for name, _, metric in (word.partition("=") for word in args.sets):
        base, queries = (np.load(args.folder / name / f"{part}.npy", mmap_mode="r") for part in ("base", "query"))
        measure = Metric.parse(metric)
        rows = measure.prepare(np.array(base[: args.rows], np.float32))
        asked = measure.prepare(np.array(queries[SEEN : SEEN + args.queries], np.float32))
        found.append(
            {"set": name, "metric": metric, "rows": len(rows), "filters": _measured(rows, asked, measure, args.seed)}
        )
    write("filters", about(__file__, seed=args.seed, data=", ".join(args.sets)) | {"k": 10, "sets": found})


def _measured(rows: Float32, queries: Float32, metric: Metric, seed: int) -> list[dict[str, Any]]:
    turn = np.random.default_rng(seed).normal(size=(rows.shape[1], 3)).astype(np.float32)
    snapshot = updates.build(
        rows, np.arange(len(rows)), unit(rows @ turn), decode=Decode.WARD, config=IndexConfig(), metric=metric
    )
    return [
        {"kind": kind, "share": share} | _one(snapshot, queries, mask)
        for share in SHARES
        for kind, mask in _masks(rows, share, seed).items()
    ]


def _masks(rows: Float32, share: float, seed: int) -> dict[str, NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    side = rows @ rng.normal(size=(rows.shape[1],)).astype(np.float32)
    gap = ((rows - rows[rng.integers(len(rows))]) ** 2).sum(axis=1)
    return {
        "random": rng.random(len(rows)) < share,
        "half-space": side <= np.quantile(side, share),
        "ball": gap <= np.quantile(gap, share),
    }


def _one(snapshot: Snapshot, queries: Float32, mask: NDArray[np.bool_]) -> dict[str, Any]:
    start = time.perf_counter()
    truth, _ = snapshot.search(queries, 10, recall=1.0, mask=mask)
    exact = time.perf_counter() - start
    reached = {}
    for recall in RECALLS:
        start = time.perf_counter()
        found, _ = snapshot.search(queries, 10, recall=recall, mask=mask)
        seconds = time.perf_counter() - start
        hit = np.mean([np.isin(a, b).mean() for a, b in zip(found, truth, strict=True)])
        full = bool((found >= 0).all())
        reached[str(recall)] = {"recall": float(hit), "full": full, "of_exact_time": seconds / exact}
    return {"reached": reached}


if __name__ == "__main__":
    main()
