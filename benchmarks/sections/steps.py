"""The part of docs/results.md about the steps of a search that do not go FAISS's own way."""

from __future__ import annotations

from typing import Any

__all__ = ["section"]


def section(result: dict[str, Any]) -> str:
    """Markdown of ``results/steps.json``."""
    parts = [
        "## Two steps of a search beside FAISS's own way",
        "",
        f"Microseconds a query on one thread, in a batch / one by one, medians of {result['rounds']} interleaved "
        "rounds, with the settings of an index for each recall. *Choosing leaves*: the nearest of all centroids, by "
        "FAISS's `IndexFlat` or by a matrix product (for one query: its distances) and NumPy's partition. *Scanning*: "
        "all leaves by rising number (0), or the nearest so many before the others; an index does 2.",
    ]
    for found in result["sets"]:
        first = list(found["recalls"][0]["scan"])
        parts += [
            "",
            f"**{found['data']}**, {found['rows']:,} x {found['dimensions']}, {found['leaves']:,} leaves compared in "
            f"{found['compared_in']} dimensions",
            "",
            f"| recall | kept | by heaps | by partition | scanned | {' | '.join(f'{n} first' for n in first)} |",
            "|---|---:|---:|---:|---:|" + "---:|" * len(first),
        ]
        for row in found["recalls"]:
            cells = [_cell(row["choose"][way]) for way in ("heaps", "partition")]
            parts.append(
                f"| {row['asked']} | {row['nprobe']} | {' | '.join(cells)} | {row['scanned']:.1f} | "
                + " | ".join(_cell(row["scan"][n]) for n in first)
                + " |"
            )
    return "\n".join(parts)


def _cell(way: dict[str, float]) -> str:
    return f"{way['batch_us']:.1f} / {way['single_us']:.1f}"
