"""The part of docs/results.md about other seeds of the CIFAR-100 encoder."""

from __future__ import annotations

from statistics import mean, stdev
from typing import Any

from benchmarks.sections.cifar100 import MEASURES, PUBLISHED

__all__ = ["section"]

_RIVAL = "TreeVAE (published)"
_INDEX = "the tree of an index"
_FEATURES = {"knn10_coarse": "10-NN, superclasses", "knn10_fine": "10-NN, classes", "mahp_250": "mAHP@250"}


def section(result: dict[str, Any]) -> str:
    """Markdown of ``results/cifar100_seeds.json``."""
    encoders = result["encoders"]
    n_seeds = len(next(iter(encoders.values())))
    return "\n".join(
        [
            "## CIFAR-100 with other seeds",
            "",
            f"The encoders of the section above trained {n_seeds} times from different seeds (weights, batches and "
            f"views), the heads fitted to {result['sample']:,} training latents of each; mean and standard deviation "
            "over the seeds. Columns as above. `python -m benchmarks.cifar100_train --seed S`, then "
            "`python -m benchmarks.cifar100_seeds`.",
            "",
            "| encoder | " + " | ".join(_FEATURES.values()) + " |",
            "|---|" + "---:|" * len(_FEATURES),
            *(f"| {name} | {' | '.join(_spread(_features(seeds)))} |" for name, seeds in encoders.items()),
            "",
            "| encoder | tree | "
            + " | ".join(f"{measure.upper()} {k}" for k in (20, 100) for measure in MEASURES)
            + " |",
            "|---|---|" + "---:|" * 2 * len(MEASURES),
            *(_tree(name, tree, seeds) for name, seeds in encoders.items() for tree in seeds[0]["trees"]),
            f"| {_RIVAL} | | " + " | ".join(f"{value:.1f}" for half in PUBLISHED[_RIVAL] for value in half) + " |",
            "",
            *_against_contrast(encoders),
            *(_verdict(name, seeds) for name, seeds in encoders.items()),
            "",
        ]
    )


def _features(seeds: list[dict[str, Any]]) -> list[list[float]]:
    return [[each["features"][key] for each in seeds] for key in _FEATURES]


def _spread(columns: list[list[float]], digits: int = 3) -> list[str]:
    return [f"{mean(column):.{digits}f} ± {stdev(column):.{digits}f}" for column in columns]


def _tree(encoder: str, name: str, seeds: list[dict[str, Any]]) -> str:
    columns = [[100 * each["trees"][name][key] for each in seeds] for key in _keys()]
    return f"| {encoder} | {name} | " + " | ".join(_spread(columns, 1)) + " |"


def _against_contrast(encoders: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Contrast and tree together, decoded by the index, less the contrast alone followed by Ward, seed by seed."""
    if not {"ssl", "joint"} <= set(encoders):
        return []
    pairs = list(zip(encoders["joint"], encoders["ssl"], strict=True))
    parts = []
    for key in _keys():
        less = [100 * (ours["trees"][_INDEX][key] - theirs["trees"]["ward"][key]) for ours, theirs in pairs]
        parts.append(f"{key.replace('_', ' ').upper()} {', '.join(f'{each:+.1f}' for each in less)}")
    return [
        f"- *joint*, {_INDEX}, less *ssl*, Ward (the same epochs without the tree loss), by seed: "
        + "; ".join(parts)
        + "."
    ]


def _verdict(encoder: str, seeds: list[dict[str, Any]]) -> str:
    """How many of the eight measures lie above the published ones, seed by seed."""
    published = [value for half in PUBLISHED[_RIVAL] for value in half]
    above = [
        sum(100 * each["trees"][_INDEX][key] > value for key, value in zip(_keys(), published, strict=True))
        for each in seeds
    ]
    counts = ", ".join(map(str, above))
    return f"- *{encoder}*, {_INDEX}: above {_RIVAL} in {counts} of {len(published)} measures, by seed."


def _keys() -> list[str]:
    return [f"{measure}_{k}" for k in (20, 100) for measure in MEASURES]
