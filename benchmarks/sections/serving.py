"""The server under load, beside the library in a process."""

from __future__ import annotations

from typing import Any

__all__ = ["section"]


def section(result: dict[str, Any]) -> str:
    """The section of the page of results."""
    return f"""## The server under load

`hierindex serve` in a process of its own, asked over loopback by {result["tool"]} (one thread; on the same
{result["machine"]["cores"]} cores), beside the same index called in a process; by turns, medians of {result["rounds"]}
rounds of {result["seconds"]:g} seconds. k = {result["k"]}, recall {result["recall"]:g}, vectors as JSON; each
connection waits for its answer before it asks again. A batch is {result["batch"]} queries, and its latency is the whole
batch's. The load average before was {result["load_before"]:.1f}.

{chr(10).join(_table(each) for each in result["sets"])}
{_plainly(result["sets"])}
"""


def _table(each: dict[str, Any]) -> str:
    lines = [
        f"{each['set']}, {each['rows']:,} x {each['dim']}, {each['metric']}, recall reached {each['recall']:.3f}:",
        "",
        "| | queries a second | p50 ms | p99 ms | the server's processor time for a query, ms |",
        "|---|---:|---:|---:|---:|",
    ]
    for way, load in each["ways"].items():
        cpu = f"{load['cpu_ms']:.2f}" if "cpu_ms" in load else ""
        lines.append(f"| {_named(way)} | {load['qps']:,.0f} | {load['p50_ms']:.2f} | {load['p99_ms']:.2f} | {cpu} |")
    return "\n".join(lines) + "\n"


def _named(way: str) -> str:
    what, _, rest = way.partition(", ")
    if rest.startswith("alone, "):
        return _named(f"server, {rest.removeprefix('alone, ')}") + ", each query alone"
    if what == "server" and rest.isdigit():
        return f"server, {rest} connection{'s' if rest != '1' else ''}"
    if rest.startswith("batches, ") and what == "server":
        return f"server, batches over {rest.removeprefix('batches, ')} connections"
    return f"{what}, {rest.replace('nothing searched, 8', 'nothing searched (/healthz), 8 connections')}"


def _plainly(sets: list[dict[str, Any]]) -> str:
    sentences = []
    for each in sets:
        ways = each["ways"]
        inside = ways["library, 1 thread"]["qps"]
        best = max(load["qps"] for way, load in ways.items() if way.removeprefix("server, ").isdigit())
        floor = ways["server, nothing searched, 8"]["qps"]
        batches = next(load["qps"] for way, load in ways.items() if way.startswith("server, batches"))
        sentences.append(
            f"On {each['set']} one process answers at most {best:,.0f} single queries a second, {best / inside:.2f} of "
            f"what one thread gets from the library itself; with nothing to search it answers {floor:,.0f}. "
            f"In batches it is {batches:,.0f}."
        )
    return (
        "Read plainly: " + " ".join(sentences) + " What a request costs is HTTP and JSON in Python, more than search."
    )
