"""Search measured: recall@10 against throughput and latency, beside FAISS, hnswlib, usearch and ScaNN.

    python -m benchmarks.search --data sift1m --cache DIR [--encoder NAME.safetensors] [--quick]
    python -m benchmarks.search --data sift1m --growth 10000 100000 1000000 --cache DIR
    python -m benchmarks.search --make --data glove-like --cache DIR      # only the data and its exact neighbours
    python -m benchmarks.search --build --data glove-like --cache DIR     # and all builds of rivals that are kept

Writes one data set at a time into ``benchmarks/results/search.json``; the others in it stay. Settings are chosen on the
first half of the queries and reported on the other. Batches take ``--threads`` threads, single queries one. Builds of
rivals are kept in the cache with the time and memory they took; ``--again NAME`` builds one anew.
"""

from __future__ import annotations

import argparse
import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import faiss

from benchmarks.common import RESULTS, about, write
from benchmarks.searching.catalogue import SYSTEMS
from benchmarks.searching.data import SETS, load
from benchmarks.searching.drawn import Drawing
from benchmarks.searching.finals import Rounds
from benchmarks.searching.grids import TARGETS
from benchmarks.searching.growth import GROWING, grown
from benchmarks.searching.run import Plan, built, measured
from benchmarks.searching.sweep import Effort

RIVALS = ("faiss-cpu", "hnswlib", "usearch", "scann", "opencv-python-headless")


def main() -> None:
    """Run it."""
    args = _arguments()
    plan = _plan(args)
    for name in args.data:
        data = load(name, args.cache, rows=args.rows, encoder=args.encoder)
        if data is None or args.make:
            continue
        if args.build:
            built(data, plan)
            continue
        key = name if args.rows is None else f"{name}[:{args.rows}]"
        if args.growth:
            add("growth", name, grown(name, sorted(args.growth), plan), args.out)
        else:
            add("sets", key, measured(data, plan), args.out)


def add(part: str, key: str, found: dict[str, Any], out: str) -> None:
    """Put one measurement into the result file, beside what is there."""
    path = RESULTS / f"{out}.json"
    result = json.loads(path.read_text()) if path.exists() else {}
    now = about(__file__, seed=0, data="benchmarks/searching/data.py")
    now["packages"] |= {name: _version(name) for name in RIVALS}
    now["faiss"] = faiss.get_compile_options()
    parts = {"sets": result.get("sets", {}), "growth": result.get("growth", {})}
    parts[part][key] = {"about": now} | found
    write(out, now | parts)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _plan(args: argparse.Namespace) -> Plan:
    systems = tuple(args.systems or (GROWING if args.growth else SYSTEMS))
    quick = {"coarse": 500, "singles": 50, "finalists": 1, "rounds": 1, "builds": 1} if args.quick else {}
    if args.builds:
        quick["builds"] = args.builds
    rounds = Rounds(args.rounds, args.threads, singles=200) if args.quick else Rounds(args.rounds, args.threads)
    effort = Effort(TARGETS, threads=args.threads, **quick)
    drawing = Drawing(points=3, rounds=1, batch=500, singles=50) if args.quick else Drawing()
    return Plan(systems, args.cache, effort, rounds, frozenset(args.again), drawing)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=SETS, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="folder of data, exact neighbours and builds")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, help="default: all; for growth, four of them")
    parser.add_argument("--rows", type=int, help="only the first so many base rows")
    parser.add_argument(
        "--growth", nargs="+", type=int, help="measure how cost grows over these numbers of rows instead"
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2, help="of a batch and of a build")
    parser.add_argument("--again", nargs="+", choices=SYSTEMS, default=[], help="systems to build anew though kept")
    parser.add_argument("--builds", type=int, help="at most so many builds of each system; default: all")
    parser.add_argument("--encoder", type=Path, help="weights of our encoder, for cifar-latents")
    parser.add_argument("--make", action="store_true", help="make the data and stop")
    parser.add_argument("--build", action="store_true", help="make data and builds, measure no search")
    parser.add_argument(
        "--quick", action="store_true", help="one build a system and few settings: a test of the script"
    )
    parser.add_argument("--out", default="search", help="name of the result file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
