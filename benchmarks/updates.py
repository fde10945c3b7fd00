"""A living index: how fast it changes, and that nothing is lost.

    python -m benchmarks.updates speed [--n 1000000] [--dim 128] [--keep FOLDER]
    python -m benchmarks.updates crash [--kills 300]
    python -m benchmarks.updates long [--examples 200]

``speed``: durable inserts in batches of 1, 100 and 10,000, one insert's milliseconds, search beside a writer against
quiet, open time, bytes on disk. ``crash``: a writer killed at random moments, and a disk that is full. ``long``: random
changes beside a dict and brute force (``tests/updates_machine.py``). Each writes its part of
``benchmarks/results/updates.json``.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from benchmarks.common import RESULTS, about, write
from benchmarks.updating import proofs


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "crash", "long"])
    parser.add_argument("--n", type=int, default=1_000_000, help="speed: vectors that are there before")
    parser.add_argument("--dim", type=int, default=128, help="speed: their dimension")
    parser.add_argument("--keep", help="speed: a folder where the index that it begins with stays for another run")
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--examples", type=int, default=200, help="long: histories of up to 50 changes")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.what == "crash":
        found: dict[str, Any] = {
            "kills": proofs.crash(args.kills, args.seed),
            "full_disk": proofs.full_disk(2, args.seed),
        }
    elif args.what == "long":
        found = proofs.long(args.examples, 50)
    else:
        from benchmarks.updating.speed import speed

        found = speed(args.n, args.dim, args.seed, args.keep)
    path = RESULTS / "updates.json"
    old = json.loads(path.read_text()) if path.exists() else {}
    kept = {name: old[name] for name in ("speed", "crash", "long") if name in old}
    data = "random vectors around centres"
    write("updates", about(__file__, seed=args.seed, data=data) | kept | {args.what: found})


if __name__ == "__main__":
    main()
