"""``hierindex bench``: the index beside flat FAISS."""

from __future__ import annotations

from typing import Any

from hierindex.api import HierIndex
from hierindex.cli.output import OUT, table

__all__ = ["compare", "show"]


def compare(index: HierIndex, queries: object, k: int, limit: int) -> dict[str, Any]:
    """Recall and latency by recall asked, as JSON values; without queries, stored points stand in for them."""
    measured = index.compare_with_flat(queries, k=k, limit=limit)
    return {
        "points": len(index),
        "k": k,
        "queries": "stored points, each left out of its own answer" if queries is None else "given",
        "search": index.info()["search"]["mode"],
        "measured": [one.to_json() for one in measured],
    }


def show(result: dict[str, Any]) -> None:
    """The same as a table."""
    columns = [
        "recall asked",
        f"recall@{result['k']}",
        "batch us",
        "flat us",
        "faster",
        "single us",
        "flat us",
        "faster",
    ]
    rows = [
        [
            one["asked"],
            one["recall"],
            one["batch_us"],
            one["flat_batch_us"],
            f"{one['batch_speedup']:.2f}x",
            one["single_us"],
            one["flat_single_us"],
            f"{one['single_speedup']:.2f}x",
        ]
        for one in result["measured"]
    ]
    table(f"{result['points']:,} points, beside flat FAISS in the same run", columns, rows)
    OUT.print(f"  {result['search']}", highlight=False)
