"""A living index: how fast it changes, and that nothing is lost.

    python -m benchmarks.updates speed [--n 1000000] [--dim 128] [--keep FOLDER]
    python -m benchmarks.updates removals [--n 1000000] [--dim 128] [--keep FOLDER] [--before CHECKOUT]
    python -m benchmarks.updates crash [--kills 300]
    python -m benchmarks.updates long [--examples 200]
    python -m benchmarks.updates drift --cache FOLDER [--data cifar-latents sift1m] [--rows N] [--no-graphs]
    python -m benchmarks.updates soak [--minutes 30]

``speed``: durable inserts in batches of 1, 100 and 10,000, one insert's milliseconds, search beside a writer against
quiet, open time, bytes on disk. ``removals``: durable deletes and upserts of points that are there, the bytes they
leave, and what a reader's `refresh` takes then; ``--before`` does the same with an older checkout (``git archive
54c87f2 | tar x -C CHECKOUT``). ``crash``: a writer killed at random moments, and a disk that is full. ``long``: random
changes beside a dict and brute force (``tests/updates_machine.py``). ``drift``: an index that grew from a tenth, or
lost half, beside one built anew and beside FAISS and hnswlib; sets as `benchmarks.search` keeps them. ``soak``: a mixed
load for half an hour. Each writes its part of ``benchmarks/results/updates.json``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.common import RESULTS, about, write
from benchmarks.updating import proofs


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "removals", "crash", "long", "drift", "soak"])
    parser.add_argument("--n", type=int, default=1_000_000, help="speed, removals: vectors that are there before")
    parser.add_argument("--dim", type=int, default=128, help="speed, removals: their dimension")
    parser.add_argument("--keep", help="speed, removals: a folder where the first index stays for another run")
    parser.add_argument("--before", help="removals: a checkout of an older hierindex, to be measured as well")
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--examples", type=int, default=200, help="long: histories of up to 50 changes")
    parser.add_argument("--data", nargs="+", default=["cifar-latents", "sift1m"], help="drift: which sets")
    parser.add_argument("--cache", type=Path, help="drift: where benchmarks.search keeps its sets")
    parser.add_argument("--rows", type=int, help="drift: only the first so many rows of a set")
    parser.add_argument("--no-graphs", action="store_true", help="drift: without hnswlib, which takes minutes")
    parser.add_argument("--minutes", type=float, default=30, help="soak")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.what == "crash":
        found: dict[str, Any] = {
            "kills": proofs.crash(args.kills, args.seed),
            "full_disk": proofs.full_disk(2, args.seed),
        }
    elif args.what == "long":
        found = proofs.long(args.examples, 50)
    elif args.what == "drift":
        from benchmarks.updating.drift import drift

        if args.cache is None:
            parser.error("drift needs --cache")
        found = {name: drift(name, args.cache, args.rows, not args.no_graphs) for name in args.data}
        found = _known("drift") | found
    elif args.what == "soak":
        from benchmarks.updating.soak import soak

        found = soak(60 * args.minutes, args.seed)
    elif args.what == "removals":
        from benchmarks.updating.removing import beside
        from benchmarks.updating.speed import started

        with started(args.n, args.dim, args.seed, args.keep) as path:
            found = beside(path, args.seed, {"before": args.before} if args.before else {})
    else:
        from benchmarks.updating.speed import speed

        found = speed(args.n, args.dim, args.seed, args.keep)
    kept = {name: known for name in ("speed", "removals", "crash", "long", "drift", "soak") if (known := _known(name))}
    data = "random vectors around centres; drift: CIFAR-100 by our encoder, and SIFT of its photographs"
    write("updates", about(__file__, seed=args.seed, data=data) | kept | {args.what: found})


def _known(part: str) -> dict[str, Any]:
    """What was measured before."""
    path = RESULTS / "updates.json"
    return dict(json.loads(path.read_text()).get(part, {})) if path.exists() else {}


if __name__ == "__main__":
    main()
