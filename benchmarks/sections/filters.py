"""Search with filters: recall reached beside recall asked."""

from __future__ import annotations

from typing import Any

__all__ = ["section"]


def section(result: dict[str, Any]) -> str:
    """The section of the page of results."""
    cells = [
        (each["set"], found, asked, found["reached"][asked]["recall"] - float(asked))
        for each in result["sets"]
        for found in each["filters"]
        for asked in found["reached"]
    ]
    below = [gap for _, _, _, gap in cells if gap < -0.005]
    above = [gap for _, _, _, gap in cells if gap > 0.02]
    full = all(found["reached"][asked]["full"] for _, found, asked, _ in cells)
    always = "k results came back every time." if full else "Not every query got k results."
    return f"""## Search with filters

Recall@{result["k"]} among the rows that a filter lets through, for filters of a share of the rows: random ones,
half-spaces of a random direction, and balls around a stored row. Filters are others than those that the rule in
`hierindex/index/sieve.py` was fitted on; its second constant, when to compare all matching rows, was set after a run
with these queries. In brackets: the time beside comparing all matching rows in the same
run, on a busy machine. {always}

{_tables(result)}

Of {len(cells)} settings {len(cells) - len(below) - len(above)} lie within 0.005 below and 0.02 above what was asked;
{len(below)} lie below that (by {max((-gap for gap in below), default=0):.3f} at most),
{len(above)} above (by {max(above, default=0):.3f} at most; 1.000 is where comparing all matching rows was
expected to cost less).
"""


def _tables(result: dict[str, Any]) -> str:
    return "\n\n".join(_table(each) for each in result["sets"])


def _table(each: dict[str, Any]) -> str:
    asked = list(each["filters"][0]["reached"])
    lines = [
        f"{each['set']}, {each['rows']:,} rows, {each['metric']}:",
        "",
        "| filter | share | " + " | ".join(f"asked {recall}" for recall in asked) + " |",
        "|---|---|" + "---|" * len(asked),
    ]
    for found in each["filters"]:
        reached = [found["reached"][recall] for recall in asked]
        cells = " | ".join(f"{one['recall']:.3f} ({one['of_exact_time']:.2g}x)" for one in reached)
        lines.append(f"| {found['kind']} | {found['share']} | {cells} |")
    return "\n".join(lines)
