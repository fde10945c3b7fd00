"""The part of docs/results.md about what could make a search cheaper."""

from __future__ import annotations

from typing import Any

__all__ = ["section"]

_VERDICTS = {
    "same number": "the ground",
    "foretold": "kept",
    "oracle": "out of reach: it knows the answer",
    "two leaves a row": "left out, see below",
    "two leaves a row, foretold": "left out, see below",
    "learned router": "lost",
}


def section(result: dict[str, Any]) -> str:
    """Markdown of ``results/search_leads.json``."""
    parts = [
        "## What makes a search cheaper, counted",
        "",
        "Leaves are k-means cells, as many as the square root of the rows. Leaves / rows scanned for a query, on "
        "queries that chose nothing, so that the leaves scanned hold the share of the 10 nearest in the head of the "
        "column (what came out is in brackets).",
    ]
    for name, found in result["sets"].items():
        parts += [
            "",
            f"**{name}**, {found['rows']:,} x {found['dimensions']}, {found['leaves']} leaves",
            "",
            *_ways(found),
        ]
        routed = ", ".join(
            f"{kept}: {way['leaves']:.0f} leaves, {way['rows']:,.0f} rows" for kept, way in found["routed"].items()
        )
        parts += ["", f"Routed in the strongest dimensions only, same number, .95: {routed}.", "", *_codes(found)]
    parts += [
        "",
        "Kept: the number of leaves foretold for each query, routing in the dimensions that are coded, and turned "
        "codes (half the parts find about as much), compared by distance, also where rows are of unit length. A second "
        "leaf for every row (SOAR) needs half the leaves and a tenth fewer rows when both are foretold, but every code "
        "twice in memory, and near neighbours come back twice, so that twice the candidates must be kept, which costs "
        "more than the rows saved. The learned router needs more leaves than distance to the centroids does.",
    ]
    return "\n".join(parts)


def _ways(found: dict[str, Any]) -> list[str]:
    recalls = list(next(iter(found["ways"].values())))
    lines = [f"| way | {' | '.join(recalls)} | |", "|---|" + "---:|" * len(recalls) + "---|"]
    for way, at in found["ways"].items():
        cells = [f"{w['leaves']:.1f} / {w['rows']:,.0f} ({w['recall']:.3f})" for w in at.values()]
        lines.append(f"| {way} | {' | '.join(cells)} | {_VERDICTS[way]} |")
    return lines


def _codes(found: dict[str, Any]) -> list[str]:
    some = next(iter(found["codes"].values()))
    lines = [
        "Share of the 10 nearest (of up to 200,000 rows) among so many candidates by 4-bit codes, half a byte a part:",
        "",
        f"| dimensions, parts | {' | '.join(some)} |",
        "|---|" + "---:|" * len(some),
    ]
    for name, at in found["codes"].items():
        lines.append(f"| {name} | {' | '.join(f'{share:.3f}' for share in at.values())} |")
    return lines
