"""The part of docs/results.md about small sets."""

from __future__ import annotations

from typing import Any

__all__ = ["section"]


def section(result: dict[str, Any]) -> str:
    """Markdown of ``results/small_sets.json``."""
    ways = list(result["sets"][0]["ours"])
    return "\n".join(
        [
            "## Small sets",
            "",
            "Flat FAISS's time over ours, in a batch of all queries (two threads) / one query at a time (one thread): "
            "above 1 ours is faster. Flat FAISS compares row by row or by matrix products, whichever was faster by "
            f"its median; medians of {result['rounds']} interleaved rounds. An index of few rows compares them all and "
            "goes through its leaves above (`IndexConfig.flat_below`); here both were made at every size, and what an "
            "index does by itself where .95 is asked for is bold. In brackets the recall that came out, on queries "
            "that tuned nothing.",
            "",
            "| data | rows | d | flat FAISS, us | all rows | " + " | ".join(_head(way) for way in ways[1:]) + " |",
            "|---|---:|---:|---:|---:|" + "---:|" * (len(ways) - 1),
            *(_line(found, ways) for found in result["sets"]),
            "",
            "Where the time goes when all rows are compared, microseconds a query: FAISS's call for the k nearest, "
            "which flat FAISS does too; in a batch with the check that rounding has hidden none of them and their "
            "exact order, which one query alone does not need; and a search as a caller sees it, with its vectors "
            "checked and its hits named.",
            "",
            "| data | rows | d | batch: FAISS's call | with exact order | a search | alone: FAISS's call | a search |",
            "|---|---:|---:|---:|---:|---:|---:|---:|",
            *(_profile(found) for found in result["sets"]),
        ]
    )


def _head(way: str) -> str:
    return way.replace("leaves ", "leaves, asked ")


def _line(found: dict[str, Any], ways: list[str]) -> str:
    flat = "{:.1f} / {:.0f}".format(*found["flat_us"])
    cells = {way: _cell(found["ours"][way], exact=way == "all rows") for way in ways}
    taken = "all rows" if found["rows"] <= found["flat_below"] else "leaves 0.95"
    cells[taken] = f"**{cells[taken]}**"
    return f"| {found['data']} | {found['rows']:,} | {found['dimensions']} | {flat} | {' | '.join(cells.values())} |"


def _profile(found: dict[str, Any]) -> str:
    steps = found["all_rows_us"]
    batch = [f"{steps[step]['batch_us']:.1f}" for step in ("scan", "exact", "search")]
    alone = [f"{steps[step]['single_us']:.1f}" for step in ("scan", "search")]
    return f"| {found['data']} | {found['rows']:,} | {found['dimensions']} | {' | '.join(batch + alone)} |"


def _cell(ours: dict[str, Any], *, exact: bool) -> str:
    ratios = "{:.2f} / {:.2f}".format(*ours["flat_over_ours"])
    return ratios if exact else f"{ratios} ({ours['recall']:.3f})"
