"""What rows cost in memory, held and mapped, for the page of results."""

from __future__ import annotations

from typing import Any

__all__ = ["section"]

NAMES = {
    "memory": 'hierindex, `rows="memory"`',
    "mapped": 'hierindex, `rows="mapped"`',
    "mapped, first": 'hierindex, `rows="mapped"`, the file made first',
    "dropped": "mapped, pages dropped before each round",
}


def section(result: dict[str, Any]) -> str:
    """Markdown: bytes a row and time to open, then microseconds held, mapped, and mapped from cold.

    Args:
        result: of ``benchmarks.memory``.
    """
    facts, asked = result["facts"], result["queries"]
    text = [
        "## Memory, with the rows in it and with the rows mapped",
        "",
        f"{facts['rows']:,} x {facts['d']} ({4 * facts['d']} bytes a row as float32). Each index was opened in a "
        "process of its own and asked once; *bytes a row* is that process's anonymous memory, files that are mapped "
        "not counted. Rivals are kept builds, except flat, which is built. `python -m benchmarks.memory`",
        "",
        "| index | bytes a row | seconds to open |",
        "|---|---|---|",
    ]
    for row in result["opened"]:
        build = "" if not row["params"] else " (" + ", ".join(f"{k} {v}" for k, v in row["params"].items()) + ")"
        name = NAMES.get(row["system"], row["system"])
        text.append(f"| {name}{build} | {row['bytes_a_row']:.0f} | {row['seconds']:.2f} |")
    text += [
        "",
        f"Queries at recall {result['recall']:g}, both by turns, medians of {result['rounds']} rounds: batches of "
        f"{asked['batch']:,} on {asked['threads']} threads, {asked['singles']:,} single queries on one. *Ratio*: to "
        "the rows in memory, in the same round.",
        "",
        "| rows | batch, us a query | ratio | single, us p50 | ratio | single, us p99 |",
        "|---|---|---|---|---|---|",
    ]
    for name, (batch, single, worst) in asked["us"].items():
        ratio = asked["ratio"].get(name, [1.0, 1.0])
        text.append(f"| {NAMES[name]} | {batch:.1f} | {ratio[0]:.2f} | {single:.0f} | {ratio[1]:.2f} | {worst:.0f} |")
    batch_read, single_read = asked["read_bytes"]
    answers = "Both answered alike to the last id." if asked["same"] else "**The answers were not the same.**"
    text += [
        "",
        f"{answers} With its pages dropped the disk delivered {batch_read / 1024:,.0f} KiB a query of a batch and "
        f"{single_read / 1024:,.0f} KiB a single query.",
    ]
    return "\n".join(text) + "\n"
