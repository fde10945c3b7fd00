"""The part of docs/results.md about other seeds of the CIFAR-100 encoder."""

from __future__ import annotations

from statistics import mean, stdev
from typing import Any

from benchmarks.sections.cifar100 import MEASURES, PUBLISHED

__all__ = ["section"]

_RIVAL = "TreeVAE (published)"
_FEATURES = {"knn10_coarse": "10-NN, superclasses", "knn10_fine": "10-NN, classes", "mahp_250": "mAHP@250"}


def section(result: dict[str, Any]) -> str:
    """Markdown of ``results/cifar100_seeds.json``."""
    seeds = result["seeds"]
    return "\n".join(
        [
            "## CIFAR-100 with other seeds",
            "",
            f"The encoder *{result['encoder']}* trained {len(seeds)} times from different seeds (weights, batches and "
            f"views), the heads fitted to {result['sample']:,} training latents of each; mean and standard deviation "
            "over the seeds. Columns as above. `python -m benchmarks.cifar100_train --seed S`, then "
            "`python -m benchmarks.cifar100_seeds`.",
            "",
            "| seed | " + " | ".join(_FEATURES.values()) + " |",
            "|---|" + "---:|" * len(_FEATURES),
            *(
                f"| {each['seed']} | " + " | ".join(f"{each['features'][key]:.3f}" for key in _FEATURES) + " |"
                for each in seeds
            ),
            "",
            "| tree | seed | " + " | ".join(f"{measure.upper()} {k}" for k in (20, 100) for measure in MEASURES) + " |",
            "|---|---|" + "---:|" * 2 * len(MEASURES),
            *(line for tree in seeds[0]["trees"] for line in _tree(tree, seeds)),
            "| " + _RIVAL + " | | " + " | ".join(f"{value:.1f}" for half in PUBLISHED[_RIVAL] for value in half) + " |",
            "",
            *_verdicts(seeds),
            "",
        ]
    )


def _tree(name: str, seeds: list[dict[str, Any]]) -> list[str]:
    columns = [[100 * each["trees"][name][key] for each in seeds] for key in _keys()]
    rows = zip(*columns, strict=True)
    return [
        *(
            f"| {name} | {each['seed']} | " + " | ".join(f"{v:.1f}" for v in row) + " |"
            for each, row in zip(seeds, rows, strict=True)
        ),
        f"| **{name}** | all | " + " | ".join(f"{mean(column):.1f} ± {stdev(column):.1f}" for column in columns) + " |",
    ]


def _verdicts(seeds: list[dict[str, Any]]) -> list[str]:
    """How many of the eight measures lie above the published ones, seed by seed."""
    published = [value for half in PUBLISHED[_RIVAL] for value in half]
    lines = []
    for tree in seeds[0]["trees"]:
        above = [
            sum(100 * each["trees"][tree][key] > value for key, value in zip(_keys(), published, strict=True))
            for each in seeds
        ]
        lines.append(
            f"- *{tree}* is above {_RIVAL} in {', '.join(map(str, above))} of {len(published)} measures, by seed."
        )
    return lines


def _keys() -> list[str]:
    return [f"{measure}_{k}" for k in (20, 100) for measure in MEASURES]
