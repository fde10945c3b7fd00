"""Make docs/results.md from ``benchmarks/results/*.json``, so that no number in it is typed by hand.

python -m benchmarks.results_page [--check]
"""

from __future__ import annotations

import argparse
import json
import sys

from benchmarks.common import RESULTS, ROOT
from benchmarks.sections import (
    bbbc013,
    cifar100,
    cifar100_seeds,
    cluster,
    filters,
    first_cifar100,
    imbalanced,
    leads,
    leaf_kinds,
    leaves,
    memory,
    recommender,
    scale_model,
    search,
    search_leads,
    selection,
    serving,
    small_sets,
    steps,
    training,
    tree_time,
    uci,
    updates,
)

__all__ = ["main", "page"]

_SECTIONS = {
    "search": search.section,
    "small_sets": small_sets.section,
    "leaves": leaves.section,
    "memory": memory.section,
    "search_leads": search_leads.section,
    "leaf_kinds": leaf_kinds.section,
    "steps": steps.section,
    "filters": filters.section,
    "updates": updates.section,
    "serving": serving.section,
    "cluster": cluster.section,
    "scale_model": scale_model.section,
    "recommender": recommender.section,
    "first-cifar100": first_cifar100.section,
    "cifar100": cifar100.section,
    "cifar100_seeds": cifar100_seeds.section,
    "uci": uci.section,
    "bbbc013": bbbc013.section,
    "imbalanced": imbalanced.section,
    "selection": selection.section,
    "leads": leads.section,
    "tree_time": tree_time.section,
    "training": training.section,
}
_HEAD = """# Results

What was measured, by committed scripts: search, the learning and its trees. This page is generated from
`benchmarks/results/*.json` by `python -m benchmarks.results_page`. Every section says on which machine and day.
Published numbers of others are theirs, not measured again here.
"""


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if something would change")
    target, text = ROOT / "docs" / "results.md", page()
    if parser.parse_args().check:
        sys.exit(target.read_text() != text and "docs/results.md should be made anew: run make readme")
    target.write_text(text)


def page() -> str:
    """The page: one section for each result that is there."""
    parts = [_HEAD]
    for name, section in _SECTIONS.items():
        if not (RESULTS / f"{name}.json").exists():
            continue  # not measured
        result = json.loads((RESULTS / f"{name}.json").read_text())
        parts.append(section(result).strip() + "\n\n" + _circumstances(result))
    return "\n".join(parts)


def _circumstances(result: dict[str, object]) -> str:
    machine = result["machine"]
    assert isinstance(machine, dict)
    return (
        f"*`{result['script']}`, {result['date']}, commit {result['commit']}, {machine['cores']} shared cores of "
        f"{machine['cpu']}, {machine['memory_gib']} GiB, Python {machine['python']}.*\n"
    )


if __name__ == "__main__":
    main()
