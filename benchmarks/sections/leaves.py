"""The part of docs/results.md about the number of leaves and what routes to them."""

from __future__ import annotations

from typing import Any

__all__ = ["section"]


def section(result: dict[str, Any]) -> str:
    """Markdown of ``results/leaves.json``."""
    parts = [
        "## How many leaves, and what routes to them",
        "",
        "One learned model a data set, its rows cut into leaves of several numbers; an index takes the square root of "
        "the rows (1x) unless told otherwise. Medians of interleaved rounds in one run, over the 1x index's: below 1 "
        "is faster than the default. Recall is what came out, on queries that tuned nothing.",
    ]
    for name, found in result["sets"].items():
        parts += ["", f"**{name}**, {found['rows']:,} x {found['dimensions']}, {found['rounds']} rounds", ""]
        parts += _cuts(found["cuts"])
    parts += [
        "",
        "The same leaves, reached three ways. Every way keeps as many leaves as hold 97 % of the 10 nearest where "
        "every centroid is compared; the share is of the 10 nearest in the leaves that were kept, the number in "
        "brackets is of centroids compared for a query.",
    ]
    for name, found in result["sets"].items():
        for share, lines in found["routes"].items():
            if len(lines) > 1:
                leaves = next(cut["leaves"] for cut in found["cuts"] if cut["share"] == float(share))
                parts += ["", f"**{name}**, {leaves:,} leaves, {lines[0]['nprobe']} kept", "", *_routes(lines)]
    return "\n".join(parts)


def _cuts(cuts: list[dict[str, Any]]) -> list[str]:
    asked = sorted({cut["asked"] for cut in cuts})
    ground = {cut["asked"]: cut for cut in cuts if cut["share"] == 1}
    lines = [
        f"| leaves | {' | '.join(f'{a}: batch, single (recall)' for a in asked)} |",
        "|---|" + "---:|" * len(asked),
    ]
    for share in sorted({cut["share"] for cut in cuts}):
        own = {cut["asked"]: cut for cut in cuts if cut["share"] == share}
        cells = [
            f"{own[a]['batch_us'] / ground[a]['batch_us']:.2f}, {own[a]['single_us'] / ground[a]['single_us']:.2f} "
            f"({own[a]['recall']:.3f})"
            for a in asked
        ]
        lines.append(f"| {own[asked[0]]['leaves']:,} ({share:g}x) | {' | '.join(cells)} |")
    return lines


def _routes(routes: list[dict[str, Any]]) -> list[str]:
    beams = sorted({route["beam"] for route in routes if route["beam"]})
    flat = next(route for route in routes if not route["beam"])
    lines = [f"| way | {' | '.join(f'beam {beam}' for beam in beams)} |", "|---|" + "---:|" * len(beams)]
    for way in dict.fromkeys(route["way"] for route in routes if route["beam"]):
        at = {route["beam"]: route for route in routes if route["way"] == way}
        cells = [f"{at[beam]['reached']:.3f} ({at[beam]['compared']:,.0f})" for beam in beams]
        lines.append(f"| {way} | {' | '.join(cells)} |")
    shown = f"{flat['reached']:.3f} ({flat['compared']:,.0f})"
    return [*lines, f"| {flat['way']} | {' | '.join(shown for _ in beams)} |"]
