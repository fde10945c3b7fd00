"""CIFAR-100 with other seeds: encoders that `benchmarks.cifar100_train --seed S` has trained, and their trees.

    python -m benchmarks.cifar100_seeds --work DIR1 DIR2 [--encoders ssl joint longer] [--sample 20000]

Every DIR holds one seed's training. What the first seed gave is taken from ``benchmarks/results/cifar100.json`` (means
over its fits of the heads); here the heads are fitted once, with the encoder's seed. Writes
``benchmarks/results/cifar100_seeds.json``.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.cifar100 import ENCODERS, Data, Kept, encoded, features, fitted_trees, loaded
from benchmarks.common import RESULTS, about, write
from benchmarks.judging import tree_scores
from hierindex.decode import Decode, decode
from hierindex.learning import LearnConfig

TREES = ("the tree of an index", "learned, p = 32", "walks, p = 32", "ward")
"""What is reported of each seed."""


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, nargs="+", required=True)
    parser.add_argument("--encoders", nargs="+", choices=ENCODERS, default=list(ENCODERS))
    parser.add_argument("--sample", type=int, default=20_000, help="training latents that the heads are fitted to")
    parser.add_argument("--images", type=int, default=10_000, help="test images that are looked at")
    args = parser.parse_args()
    data = Data.of(args.images)
    first = json.loads((RESULTS / "cifar100.json").read_text())
    result = about(__file__, seed=0, data="cifar100: learned from train, measured on test")
    result |= {"sample": args.sample, "encoders": {}}
    for name in args.encoders:
        result["encoders"][name] = [known(first, name)]
        for work in args.work:
            kept = Kept(work / f"seeds-{name}-{args.sample}-{args.images}.json")
            result["encoders"][name].append(kept.get(name, partial(measured, work / name, data, args.sample)))
        write("cifar100_seeds", result)


def known(first: dict[str, Any], name: str) -> dict[str, Any]:
    """What `benchmarks.cifar100` found for its seed."""
    encoder = first["encoders"][name]
    return {
        "seed": encoder["training"]["run"]["seed"],
        "fits": first["seeds"],
        "seconds": encoder["training"]["seconds"],
        "features": encoder["features"],
        "trees": {tree: _scores(encoder["trees"][tree]) for tree in TREES},
    }


def measured(path: Path, data: Data, sample: int) -> dict[str, Any]:
    """The same of another seed."""
    encoder, facts = loaded(path)
    base, latent = (
        encoded(encoder, images, path.with_suffix(f".crops.{part}.npy"))
        for part, images in (("train", data.learned), ("test", data.asked))
    )
    seed = int(facts["run"]["seed"])
    fitted = fitted_trees(base[:sample], latent, data.labels, LearnConfig(seed=seed, device="cpu"))
    trees = fitted["trees"] | {"ward": tree_scores(decode(latent, Decode.WARD), latent, *data.labels)}
    return {
        "seed": seed,
        "fits": 1,
        "seconds": facts["seconds"],
        "features": features(base, data.known, latent, data.labels),
        "trees": {tree: _scores(trees[tree]) for tree in TREES},
        "chosen": fitted["chosen"],
    }


def _scores(found: dict[str, Any]) -> dict[str, float]:
    return {key: value for key, value in found.items() if key != "spread"}


if __name__ == "__main__":
    main()
