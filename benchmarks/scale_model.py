"""What clusters larger than ours would do: a cost model of search, and a simulation that it is checked against.

    python -m benchmarks.scale_model --cache FOLDER [--quick]

What a stage costs and how many workers a query asks of 2, 4 and 8 is measured (``benchmarks.cluster --part spread
costs``, which also keeps the index); of 16 to 128 it is counted on the leaves of the same index. How many leaves a
query needs at the recall .95 is measured on 20,000 to 500,000 vectors and continued as a power of their number. The
simulation then takes real vectors as leaves (10,000 for 10^8 rows, 100,000 for 10^10), puts them in the order of a
tree, places them on 10 to 1,000 workers, lets real queries ask for their nearest ones, and sends them to workers that
serve one call at a time. So fan-out, load and waiting are counted; the model has them from formulas.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import RESULTS, about, write
from benchmarks.scaling.model import Costs, Fit, Prices, Setting, reckoned
from benchmarks.scaling.reach import leaves_needed
from benchmarks.scaling.simulate import Leaves, simulated
from benchmarks.spreading.placements import counted
from hierindex.cluster.loading import Source, read_front
from hierindex.storage import Store

_SIZES = (10**8, 10**10)
_COUNTED = (16, 32, 64, 128)
_WORKERS = (10, 32, 100, 320, 1_000)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="the folder of benchmarks.search, with sift1m")
    parser.add_argument("--quick", action="store_true", help="fewer queries, and no index larger than 100,000")
    args = parser.parse_args()
    folder = args.cache / "sift1m"
    known = json.loads((RESULTS / "cluster.json").read_text()) if (RESULTS / "cluster.json").exists() else {}
    if "costs" not in known or "spread" not in known:
        raise SystemExit("this needs what stages cost: run python -m benchmarks.cluster --part spread costs first")
    costs = Costs.of(known["costs"])
    rows = np.load(folder / "base.npy", mmap_mode="r")
    queries = np.load(folder / "query.npy").astype(np.float32)[: 500 if args.quick else 2_000]
    measured = leaves_needed(rows, queries, (20_000, 50_000, 100_000) if args.quick else (20_000, 100_000, 500_000))
    path = folder / "cluster.index"
    front, _ = read_front(Source.of(path, Store.open(path).version, None))
    asked = _asked(known["spread"]["crews"]) + counted(front, queries, _COUNTED)
    fit = Fit.of(measured, asked)
    found = []
    for n in _SIZES:
        leaves = Leaves.of(rows, round(n**0.5), seed=0)
        for workers in _WORKERS:
            setting = Setting(n, costs.dim, workers)
            found.append((setting, simulated(leaves, queries, fit.leaves(n), setting, costs)))
    prices = Prices()
    result: dict[str, Any] = {
        "leaves": {"measured": measured, "power": fit.power, "factor": fit.factor},
        "fan_out": {"measured": asked, "spread": list(fit.spread)},
        "costs": asdict(costs),
        "prices": asdict(prices),
        "rows": [
            {"n": s.n, "workers": s.workers, "model": reckoned(s, fit, costs, prices), "simulated": asdict(c)}
            for s, c in found
        ],
    }
    data = "SIFT vectors of photographs (CIFAR-100) as leaves and as queries; costs from results/cluster.json"
    write("scale_model", about(__file__, seed=0, data=data) | result)


def _asked(crews: list[dict[str, Any]]) -> list[dict[str, float]]:
    """How many workers queries asked of so many, for so many leaves: single copies, placed by subtree."""
    return [
        {"workers": crew["workers"], "leaves": each["leaves"], "fan_out": each["fan_out"]}
        for crew in crews
        for each in crew["asked"]
        if crew["workers"] > 1 and crew["replicas"] == 1 and crew["placing"] == "subtree" and each["k"] == 10
    ]


if __name__ == "__main__":
    main()
