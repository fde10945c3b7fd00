"""What the rows of a leaf should be scanned as: float32, 8-bit or 4-bit codes, by how many dimensions they fill.

    python -m benchmarks.leaf_kinds [--rows 200000] [--cache DIR] [--rounds 5]

Rows spread evenly over a cube of d dimensions, the hardest to code; with ``--cache`` also dense SIFT in its strongest d
principal axes, and the heavy-tailed set. Leaves are k-means cells, as many as the square root of the rows, probed so
that they hold about .95 of the 10 nearest. Each kind gives as few candidates as it needs to lose at most .003 of that
after they are compared exactly; then all kinds are timed, scan and comparison, in interleaved rounds: queries in one
batch on two threads, and one by one on one. 8-bit codes are FAISS's scalar quantizer; 4-bit ones are fast-scan codes of
turned rows, with two dimensions a part, in several lengths, or with one. Writes
``benchmarks/results/leaf_kinds.json``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import faiss
import numpy as np

from benchmarks.common import about, write
from benchmarks.searching.data import load
from hierindex.index.codes import Axes, Coder
from hierindex.index.leaves import FlatLeaves, PqLeaves, fill
from hierindex.index.native import kmeans, nearest, nearest_among, scan_rows, search_lists
from hierindex.index.threads import omp_threads
from hierindex.vectors import Float32, Int64

K, QUERIES, SINGLES, IN_LEAVES, LOSS = 10, 1_000, 200, 0.95, 0.003
CANDIDATES = (10, 15, 20, 30, 40, 60, 80, 120, 160, 240, 400, 700)
CUBES, AXES = (2, 4, 8, 16, 32, 64), (4, 8, 16, 32, 64, 128)


@dataclass(frozen=True, eq=False)
class Kind:
    """A way to scan leaves: FAISS's inverted file, queries as it takes them, bytes a row, candidates it needs."""

    index: Any
    queries: Float32
    row_bytes: int
    candidates: int | None = None


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--cache", type=Path, help="folder of the data of benchmarks.search")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    found = []
    for name, rows, queries in clouds(args.rows, args.cache, args.seed):
        found.append({"data": name, "rows": len(rows), "dimensions": rows.shape[1]} | measured(rows, queries, args))
        print(found[-1], flush=True)
    result = about(
        __file__, seed=args.seed, data="even cubes; dense SIFT in its principal axes; heavy-tailed directions"
    )
    write("leaf_kinds", result | {"in_leaves": IN_LEAVES, "loss": LOSS, "rounds": args.rounds, "sets": found})


def clouds(n: int, cache: Path | None, seed: int) -> Iterator[tuple[str, Float32, Float32]]:
    """Names, rows and queries from elsewhere."""
    rng = np.random.default_rng(seed)
    for dim in CUBES:
        both = rng.random((n + QUERIES, dim), dtype=np.float32)
        yield "even cube", both[:n], both[n:]
    if cache is None:
        return
    for name in ("sift1m", "glove-like"):
        data = load(name, cache, rows=n)
        assert data is not None
        asked = data.halves()[1].queries[:QUERIES]
        if name == "glove-like":
            yield "heavy tails", data.base, asked
            continue
        axes = Axes.of(data.base, np.arange(n), seed).axes
        for dim in AXES:
            kept = axes[:, :dim].astype(np.float32)
            yield "dense SIFT, principal axes", data.base @ kept, asked @ kept


def measured(rows: Float32, queries: Float32, args: argparse.Namespace) -> dict[str, Any]:
    """What each kind needs and takes."""
    n_leaves = round(len(rows) ** 0.5)
    some = np.random.default_rng(args.seed).choice(len(rows), min(len(rows), 50 * n_leaves), replace=False)
    centroids = kmeans(rows[some], n_leaves, args.seed)
    lists = nearest(rows, centroids)
    truth = scan_rows(queries, rows, K, by_product=False)[0]
    order = scan_rows(queries, centroids, n_leaves, by_product=False)[0]
    place = (order[:, :, None] == lists[truth][:, None, :]).argmax(axis=1)
    probed = np.ascontiguousarray(order[:, : int(np.quantile(place, IN_LEAVES)) + 1])
    kinds = enough(dict(all_kinds(rows, lists, n_leaves, queries, args.seed)), rows, queries, probed, truth)
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in kinds}
    for _ in range(args.rounds):
        for name, kind in kinds.items():
            spent[name].append((timed(kind, rows, queries, probed, 2), one_by_one(kind, rows, queries, probed)))
    return {
        "leaves": n_leaves,
        "probed": probed.shape[1],
        "kinds": {
            name: {
                "bytes": kind.row_bytes,
                "candidates": kind.candidates,
                "batch_us": median(batch for batch, _ in spent[name]),
                "single_us": median(single for _, single in spent[name]),
            }
            for name, kind in kinds.items()
        },
    }


def all_kinds(rows: Float32, lists: Int64, n_leaves: int, queries: Float32, seed: int) -> Iterator[tuple[str, Kind]]:
    """Every kind that is worth a look; 4-bit codes of two dimensions a part in several lengths."""
    dim = rows.shape[1]
    yield "float32", Kind(FlatLeaves.pack(rows, lists, n_leaves, by_product=False).index, queries, 4 * dim)
    yield "8 bits", Kind(eight_bits(rows, lists, n_leaves), queries, dim)
    axes = Axes.of(rows, np.arange(len(rows)), seed)
    half = -(-dim // 2)
    for parts in sorted({max(1, dim // 4), max(1, dim // 3), half, dim}):
        coder = axes.coder(parts, seed)
        name = "4 bits, one dimension a part" if parts > half else f"4 bits, two a part, {parts} parts"
        yield name, Kind(coded(coder, rows, lists, n_leaves), coder.turned(queries), -(-parts // 2))


def coded(coder: Coder, rows: Float32, lists: Int64, n_leaves: int) -> Any:  # noqa: ANN401 - faiss has no useful types
    """Fast-scan lists."""
    return PqLeaves.pack(coder, coder.encode(rows), lists, n_leaves, by_product=False).index


def eight_bits(rows: Float32, lists: Int64, n_leaves: int) -> Any:  # noqa: ANN401
    """FAISS's inverted file of 8-bit scalars, not relative to centroids, with the rows in given lists."""
    dim = rows.shape[1]
    cells = faiss.IndexFlatL2(dim)
    index: Any = faiss.IndexIVFScalarQuantizer(
        cells, dim, n_leaves, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_L2, False
    )
    index.parallel_mode, index.by_residual = 3, False
    index.sq.train(rows)
    index.is_trained = True
    fill(index, index.sq.compute_codes(rows), lists, n_leaves)
    return index


def enough(kinds: dict[str, Kind], rows: Float32, queries: Float32, probed: Int64, truth: Int64) -> dict[str, Kind]:
    """The kinds with the fewest candidates that lose next to nothing; those that always lose more are left out."""
    wanted = share(kinds["float32"], rows, queries, probed, truth, K) - LOSS
    found: dict[str, Kind] = {}
    for name, kind in kinds.items():
        fits = (c for c in CANDIDATES if share(kind, rows, queries, probed, truth, c) >= wanted)
        candidates = K if name == "float32" else next(fits, None)
        if candidates is not None:
            found[name] = replace(kind, candidates=candidates)
    return found


def share(kind: Kind, rows: Float32, queries: Float32, probed: Int64, truth: Int64, candidates: int) -> float:
    """Recall with so many candidates."""
    found = search(kind, slice(None), rows, queries, probed, candidates)
    return float((found[:, :, None] == truth[:, None, :]).any(axis=1).mean())


def search(kind: Kind, some: slice, rows: Float32, queries: Float32, probed: Int64, candidates: int) -> Int64:
    """Scan the leaves, compare the candidates exactly."""
    ids = search_lists(kind.index, kind.queries[some], probed[some], candidates, None)[0]
    return nearest_among(queries[some], rows, ids, K, by_product=False)[0]


def timed(kind: Kind, rows: Float32, queries: Float32, probed: Int64, threads: int) -> float:
    """Microseconds a query, all at once."""
    assert kind.candidates is not None
    with omp_threads(threads):
        began = time.perf_counter()
        search(kind, slice(None), rows, queries, probed, kind.candidates)
        return (time.perf_counter() - began) / len(queries) * 1e6


def one_by_one(kind: Kind, rows: Float32, queries: Float32, probed: Int64) -> float:
    """Median microseconds of a query alone."""
    assert kind.candidates is not None
    spent = []
    with omp_threads(1):
        for at in range(SINGLES):
            began = time.perf_counter()
            search(kind, slice(at, at + 1), rows, queries, probed, kind.candidates)
            spent.append(time.perf_counter() - began)
    return median(spent) * 1e6


if __name__ == "__main__":
    main()
