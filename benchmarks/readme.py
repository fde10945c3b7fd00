"""Make README's tables and picture from ``benchmarks/results/*.json``, so that no number in it is typed by hand.

    python -m benchmarks.readme [--check]

Between ``<!-- begin NAME -->`` and ``<!-- end NAME -->`` the text is replaced; ``--check`` only says whether it would.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from typing import Any

from benchmarks.common import RESULTS, ROOT

__all__ = ["filled", "main"]


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if something would change")
    check = parser.parse_args().check
    readme = ROOT / "README.md"
    old = readme.read_text()
    new = filled(old)
    if check:
        sys.exit(old != new and "README.md should be made anew: run make readme")
    readme.write_text(new)


def filled(text: str) -> str:
    """The text with every generated part made from the results."""
    result = json.loads((RESULTS / "first-cifar100.json").read_text())
    parts = {"search": _search(result), "trees": _trees(result), "circumstances": _circumstances(result)}
    for name, body in parts.items():
        pattern = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
        found = pattern.search(text)
        if found is None:
            raise SystemExit(f"README.md should have a part '{name}' to fill; found none")
        text = text[: found.end(1)] + body + text[found.start(2) :]
    return text


def _search(result: dict[str, Any]) -> str:
    rows = []
    sets = (
        ("10,000 CIFAR-100 images, our encoder, d = 256, cosine", result["search"]),
        ("9,900 BIGANN (SIFT) vectors, d = 128, L2", {k: v["measured"] for k, v in result["bigann10k"].items()}),
    )
    for name, measured in sets:
        for way, label in (("default", "default (scans all)"), ("through_leaves", "through the leaves")):
            for one in measured[way]:
                if way == "default" and one["asked"] < 1:
                    continue
                rows.append(
                    f"| {name} | {label} | {one['asked']:g} | {one['recall']:.3f} | {one['batch_us']:.0f} / "
                    f"{one['flat_batch_us']:.0f} | {one['batch_speedup']:.2f}x | {one['single_us']:.0f} / "
                    f"{one['flat_single_us']:.0f} | {one['single_speedup']:.2f}x |\n"
                )
    head = (
        "| data | how | recall asked | recall@10 | batch us: ours / flat FAISS | | single us: ours / flat FAISS | |\n"
        "|---|---|---|---|---|---|---|---|\n"
    )
    return head + "".join(rows)


def _trees(result: dict[str, Any]) -> str:
    head = (
        "| features | tree | purity, 20 superclasses | purity, 100 classes | accuracy, 20 leaves | NMI, 20 leaves |\n"
        "|---|---|---|---|---|---|\n"
    )
    return head + "".join(
        f"| {row['features']} | {row['tree']} | {row['dendrogram_purity_coarse']:.4f} | "
        f"{row['dendrogram_purity_fine']:.4f} | {row['accuracy_20']:.4f} | {row['nmi_20']:.4f} |\n"
        for row in result["trees"]
    )


def _circumstances(result: dict[str, Any]) -> str:
    built, machine, features = result["built"], result["machine"], result["features"]
    total = sum(built["built"]["seconds"].values())
    seconds = ", ".join(f"{name} {value:.0f} s" for name, value in built["built"]["seconds"].items() if value >= 1)
    knn = "; ".join(
        f"{name}: {scores['knn10_coarse']:.3f} (20 superclasses), {scores['knn10_fine']:.3f} (100 classes)"
        for name, scores in features.items()
    )
    return (
        f"Measured {result['date']} at commit {result['commit']} by `{result['script']}` on {machine['cores']} shared "
        f"cores of {machine['cpu']}, {machine['memory_gib']} GiB; seed {result['seed']}; {result['data']}. Building "
        f"took {total:.0f} s ({seconds}). 10-NN accuracy on unseen images: {knn}.\n"
    )


if __name__ == "__main__":
    main()
