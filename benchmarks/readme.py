"""Make README's tables from ``benchmarks/results/*.json``, so that no number in it is typed by hand.

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
from benchmarks.searching.verdict import TITLES
from benchmarks.sections.cifar100 import MEASURES, PUBLISHED
from benchmarks.sections.memory import NAMES
from benchmarks.sections.search import readme_table

__all__ = ["filled", "main"]

_SEARCHED = """**Search beside the best of others**, on unseen queries: the recall is asked for and nothing else is set,
while rivals are swept and the cheapest of their settings is taken. "x" is the rival's time over ours in the same
rounds (above 1: ours is faster); best FAISS is its fastest index here. [All of it](docs/results.md).

"""
_INDEX = "the tree of an index"


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
    parts = {"rivals": _rivals(), "trees": _trees(json.loads((RESULTS / "cifar100.json").read_text()))}
    for name, body in parts.items():
        pattern = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
        found = pattern.search(text)
        if found is None:
            raise SystemExit(f"README.md should have a part '{name}' to fill; found none")
        text = text[: found.end(1)] + body + text[found.start(2) :]
    return text


def _rivals() -> str:
    """The table beside other indexes; nothing until it was measured."""
    measured = RESULTS / "search.json"
    if not measured.exists():
        return ""
    result = json.loads(measured.read_text())
    runs = "; ".join(dict.fromkeys(_run(one["about"]) for one in result["sets"].values()))
    return f"{_SEARCHED}{readme_table(result)}\nMeasured by `{result['script']}`: {runs}.{_growth(result)}{_memory()}\n"


def _run(about: dict[str, Any]) -> str:
    """When, with which code and where a set was measured."""
    machine = about["machine"]
    where = f"{machine['cores']} shared cores of {machine['cpu']}, {machine['memory_gib']} GiB"
    return f"{about['date']} at {about['commit']} on {where}"


def _growth(result: dict[str, Any]) -> str:
    """How the cost of a query grows, where that was measured."""
    found = []
    for name, grown in result["growth"].items():
        powers = "; ".join(f"{each} {b['batch']:.2f} and {b['single']:.2f}" for each, b in grown["exponents"].items())
        sizes = grown["sizes"]
        found.append(f"From {sizes[0]:,} to {sizes[-1]:,} vectors, {TITLES[name]}: {powers}.")
    asked = " and ".join(sorted({f"{grown['target']:g}" for grown in result["growth"].values()}))
    return f" The cost of a query at {asked} grows as n^b; b in batches and alone. {' '.join(found)}" if found else ""


def _memory() -> str:
    """Bytes of memory a vector, where that was measured."""
    measured = RESULTS / "memory.json"
    if not measured.exists():
        return ""
    result = json.loads(measured.read_text())
    opened = "; ".join(
        f"{NAMES.get(row['system'], row['system'])} {row['bytes_a_row']:.0f}" for row in result["opened"]
    )
    return f" Bytes of memory a vector, {result['facts']['rows']:,} x {result['facts']['d']}: {opened}."


def _trees(result: dict[str, Any]) -> str:
    """The trees that an index has and others on the same features, the contrast alone, and published ones."""
    longer, both, alone = (result["encoders"][name]["trees"] for name in ("longer", "joint", "ssl"))
    rows = {
        "**hierindex: contrast and tree, trained longer; head and tree chosen without labels**": longer[_INDEX],
        "the same features, Ward": longer["ward"],
        "the same features, average linkage": longer["average"],
        "the same features, bisecting k-means": longer["bisecting k-means"],
        "the same features, L2H on k-means": longer["L2H on k-means, K = 20"],
        "contrast and tree, hierindex": both[_INDEX],
        "contrast and tree, Ward": both["ward"],
        "contrast alone, as many epochs, hierindex": alone[_INDEX],
        "contrast alone, as many epochs, Ward": alone["ward"],
        "random tree": result["random"]["tree"],
    }
    columns = [f"{measure}_{k}" for k in (20, 100) for measure in MEASURES]
    names = "".join(f" {column.replace('_', ' ').upper()} |" for column in columns)
    head = f"| tree |{names}\n|---|{'---:|' * len(columns)}\n"
    ours = "".join(
        f"| {name} | " + " | ".join(f"{100 * scores[column]:.1f}" for column in columns) + " |\n"
        for name, scores in rows.items()
    )
    theirs = "".join(
        f"| {name} | {' | '.join(f'{value:.1f}' for half in halves for value in half)} |\n"
        for name, halves in PUBLISHED.items()
    )
    return head + ours + theirs


if __name__ == "__main__":
    main()
