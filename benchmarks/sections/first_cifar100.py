"""The part of docs/results.md about the whole way on 10,000 images: built on the command line, searched, judged."""

from __future__ import annotations

from typing import Any

__all__ = ["section"]


def section(result: dict[str, Any]) -> str:
    """Markdown of ``results/first-cifar100.json``."""
    seconds = result["built"]["built"]["seconds"]
    return "\n".join(
        [
            "## The whole way on 10,000 images",
            "",
            "`hierindex build` on 10,000 images of CIFAR-100 on a CPU, then search beside flat FAISS by turns, median "
            "of 7 rounds; batch is all queries on all cores, single one query on one thread. Building took "
            + ", ".join(f"{value:.0f} s ({stage})" for stage, value in seconds.items())
            + f". By default it was searched {result['built']['search']['mode']}.",
            *(["", f"*Of this run:* {result['note']}."] if "note" in result else []),
            "",
            "| data | how | recall asked | recall@10 | batch us: ours / flat | | single us: ours / flat | |",
            "|---|---|---|---|---|---|---|---|",
            *_rows(result),
        ]
    )


def _rows(result: dict[str, Any]) -> list[str]:
    sets = (
        ("10,000 CIFAR-100 images, our encoder, d = 256, cosine", result["search"]),
        ("9,900 BIGANN (SIFT) vectors, d = 128, L2", {k: v["measured"] for k, v in result["bigann10k"].items()}),
    )
    return [
        f"| {name} | {label} | {one['asked']:g} | {one['recall']:.3f} | {one['batch_us']:.0f} / "
        f"{one['flat_batch_us']:.0f} | {one['batch_speedup']:.2f}x | {one['single_us']:.0f} / "
        f"{one['flat_single_us']:.0f} | {one['single_speedup']:.2f}x |"
        for name, measured in sets
        for way, label in (("default", "scanned whole"), ("through_leaves", "through the leaves"))
        for one in measured[way]
        if way == "through_leaves" or one["asked"] == 1
    ]
