"""Draw recall against throughput and latency from ``benchmarks/results/search.json`` into ``docs/pictures``.

python -m benchmarks.search_plots
"""

from __future__ import annotations

import json
from typing import Any

from benchmarks.common import RESULTS, ROOT
from benchmarks.searching.verdict import OURS, cost, title
from hierindex.plots import Curve, recall_latency
from hierindex.plots.common import FAINT, OWN, figure_of, png, tidy
from hierindex.plots.curves import line

__all__ = ["draw", "draw_growth", "main"]

COLOURS = {
    OURS: OWN,
    "faiss flat": "#9aa7b1",
    "faiss IVF-Flat": "#64b5f6",
    "faiss IVF-PQfs, RFlat": "#1e88e5",
    "faiss IVF-PQfs, re-rank": "#0d47a1",
    "faiss HNSW": "#26a69a",
    "hnswlib": "#2e7d32",
    "usearch": "#f9a825",
    "ScaNN": "#6d4c41",
}


def main() -> None:
    """Draw every set that was measured whole, and growth."""
    result = json.loads((RESULTS / "search.json").read_text())
    folder = ROOT / "docs" / "pictures"
    for name, one in result["sets"].items():
        if "[" not in name:
            (folder / f"search-{name}.png").write_bytes(draw(name, one))
    for name, one in result["growth"].items():
        (folder / f"search-growth-{name}.png").write_bytes(draw_growth(one))


def draw(name: str, one: dict[str, Any]) -> bytes:
    """One set: queries a second of batches, and the median microseconds of a single query, both against recall."""
    curves = [
        Curve(curve["system"], curve["mode"] != "batch", tuple((recall, us) for recall, us in curve["points"]))
        for curve in one["curves"]
    ]
    batch = f"batch, {one['threads']} threads"
    return png(recall_latency(curves, k=one["k"], title=title(name, one), batch=batch, colours=COLOURS), dpi=80)


def draw_growth(one: dict[str, Any]) -> bytes:
    """Microseconds of a query of a batch against the number of rows."""
    figure = figure_of(6, 5)
    axes = figure.subplots()
    for system in one["exponents"]:
        rows = [row for row in one["rows"] if row["system"] == system and row["mode"] == "batch"]
        line(axes, system, [row["n"] for row in rows], [cost(row) for row in rows], COLOURS)
    axes.set(xscale="log", yscale="log", xlabel="rows", ylabel=f"microseconds a query, recall {one['target']:g}")
    axes.grid(color=FAINT, alpha=0.3, which="both")
    tidy(axes)
    axes.legend(frameon=False, fontsize=8)
    return png(figure, dpi=80)


if __name__ == "__main__":
    main()
