"""Small sets: what a search costs beside flat FAISS, where every row is compared and where leaves are.

    python -m benchmarks.small_sets --cache DIR [--data bigann10k cifar-latents] [--rounds 9]

The first rows of each set, indexed twice: so that every search compares all rows, and so that it goes through leaves
at a recall asked for. Flat FAISS compares row by row or by matrix products, whichever is faster. All take turns in
every round; the queries are none of the rows. `IndexConfig.flat_below` says from which size on an index goes through
its leaves. Writes ``benchmarks/results/small_sets.json``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import about, write
from benchmarks.searching.clock import many_us, one_us, steps_us
from benchmarks.searching.data import SETS, DataSet, load
from benchmarks.searching.faiss_systems import FaissFlat
from benchmarks.searching.ours import Ours
from benchmarks.searching.system import Params, System, take
from hierindex import BuildConfig, HierIndex
from hierindex.index.config import IndexConfig
from hierindex.index.exact import exact_rows, in_order
from hierindex.index.native import scan_rows
from hierindex.learning import HeadConfig, LearnConfig
from hierindex.vectors import Float32, Int64, Metric

K, THREADS, SINGLES = 10, 2, 300
SIZES = (250, 500, 1_000, 1_500, 2_000, 3_000, 4_000, 6_000)
RECALLS = (0.9, 0.95, 0.99)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--data", nargs="+", choices=[*SETS, "even"], default=["bigann10k", "cifar-latents", "even"])
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    found = []
    for name in args.data:
        known = even() if name == "even" else _of(load(name, args.cache))
        if known is not None:
            found += [measured(name, *known, n, args.rounds) for n in SIZES]
    write(
        "small_sets",
        about(__file__, seed=0, data="benchmarks/searching/data.py; even: uniform in a cube of 32 dimensions")
        | {"rounds": args.rounds, "k": K, "threads": THREADS, "sets": found},
    )


def even() -> tuple[Float32, Float32, str]:
    """Rows and queries spread evenly in a cube."""
    rng = np.random.default_rng(0)
    return rng.random((max(SIZES), 32), dtype=np.float32), rng.random((2_000, 32), dtype=np.float32), "l2"


def _of(data: DataSet | None) -> tuple[Float32, Float32, str] | None:
    return None if data is None else (data.base[: max(SIZES)], data.queries[:2_000], data.metric)


def measured(name: str, base: Float32, queries: Float32, metric: str, n: int, rounds: int) -> dict[str, Any]:
    """All systems at one size: microseconds a query in a batch and alone, their ratios to ours, recall."""
    rows = np.ascontiguousarray(base[:n])
    flat, leaves = FaissFlat.build(rows, metric, {}, THREADS), Ours({}, _index(rows, metric, 0))
    ways: dict[str, tuple[System, Params]] = {
        "flat rows": (flat, {"blocks": False}),
        "flat blocks": (flat, {"blocks": True}),
        "all rows": (Ours({}, _index(rows, metric, n)), {"recall": 0.95}),
    }
    ways |= {f"leaves {recall}": (leaves, {"recall": recall}) for recall in RECALLS}
    spent: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, (system, setting) in ways.items():
            system.use(setting, THREADS)
            batch = many_us(system, queries, K)[0]
            system.use(setting, 1)
            system.one(queries[:1], K)
            spent[way].append((batch, float(np.median(one_us(system, queries[:SINGLES], K)))))
    times = {way: np.array(rounds_of) for way, rounds_of in spent.items()}
    # the faster of the two ways of the library, in a batch and alone: which it is, is told once for all rounds
    flat_ways = np.stack([times["flat rows"], times["flat blocks"]])
    medians = np.median(flat_ways, axis=1)
    least, best = medians.min(axis=0), flat_ways[medians.argmin(axis=0), :, [0, 1]].T
    truth = _found(*ways["all rows"], queries)
    take(THREADS)
    line = {
        "data": name,
        "rows": n,
        "dimensions": rows.shape[1],
        "flat_below": IndexConfig().flat_up_to(rows.shape[1]),
        "flat_us": least.tolist(),
        "all_rows_us": _profile(rows, queries, metric, rounds),
        "ours": {
            way: {
                "us": np.median(times[way], axis=0).tolist(),
                "flat_over_ours": np.median(best / times[way], axis=0).tolist(),
                "recall": float((_found(*ways[way], queries)[:, :, None] == truth[:, None, :]).any(axis=2).mean()),
            }
            for way in ways
            if not way.startswith("flat")
        },
    }
    print(
        name, n, {way: np.round(each["flat_over_ours"], 2).tolist() for way, each in line["ours"].items()}, flush=True
    )
    return line


def _index(rows: Float32, metric: str, flat_below: int) -> HierIndex:
    """Which head made the tree does not matter to the time of a search: it is fitted in two steps."""
    config = BuildConfig(learn=LearnConfig(head=HeadConfig(steps=2)), index=IndexConfig(flat_below=flat_below))
    return HierIndex.from_vectors(rows, metric=metric, config=config)


def _profile(rows: Float32, queries: Float32, metric: str, rounds: int) -> dict[str, dict[str, float]]:
    """Where the time of a search that compares all rows goes: FAISS's call, the exact order, and what is around it."""
    index, kind = _index(rows, metric, len(rows)), Metric.parse(metric)
    x, asked = kind.prepare(rows), kind.prepare(np.ascontiguousarray(queries))
    return steps_us(
        {
            "scan": lambda some: scan_rows(asked[some], x, K, kind.by_product),
            "exact": lambda some: in_order(*exact_rows(asked[some], x, K, kind.by_product), kind),
            "search": lambda some: index.search(queries[some], K),
        },
        len(queries),
        rounds,
        SINGLES,
    )


def _found(system: System, setting: Params, queries: Float32) -> Int64:
    system.use(setting, THREADS)
    return system.many(queries, K)


if __name__ == "__main__":
    main()
