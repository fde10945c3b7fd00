"""The part of docs/results.md about search, and README's table of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.searching.verdict import OURS, bars, best_rival, cost, promises, row_at, title

__all__ = ["readme_table", "section"]


def section(result: dict[str, Any]) -> str:
    """Markdown of ``results/search.json``."""
    parts = [_HEAD]
    for name, one in result["sets"].items():
        parts += [
            f"### {title(name, one)}",
            "",
            _made(one),
            "",
            *_picture(name, one),
            *_speed(one),
            "",
            *_builds(one),
            "",
        ]
        parts += [*_promise(one), "", *_profile(one), "", *_bars(one), "", *_failed(one)]
    for name, one in result["growth"].items():
        parts += _growth(name, one)
    return "\n".join(parts)


def readme_table(result: dict[str, Any]) -> str:
    """README's table: our speed at each recall asked, and how many times a rival's time ours goes into."""
    head = (
        "| data | recall asked | measured | batch QPS | best FAISS | hnswlib | usearch | ScaNN | flat | "
        "p50 us: ours / best other |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---|\n"
    )
    lines = []
    for name, one in result["sets"].items():
        for target in one["targets"]:
            ours, alone = row_at(one, OURS, "batch", target), row_at(one, OURS, "single", target)
            if ours is None or alone is None:
                continue
            rivals = [best_rival(one, "batch", target, family=who) for who in ("faiss", "hnswlib", "usearch", "ScaNN")]
            rivals.append(row_at(one, "faiss flat", "batch", target))
            best = best_rival(one, "single", target)
            other = "-" if best is None else f"{best['p50_us']:.0f} ({best['system']})"
            lines.append(
                f"| {title(name, one)} | {target:g} | {ours['recall']:.3f} | {ours['qps']:,.0f} | "
                + " | ".join("-" if row is None else f"{row['times_ours']:.2f}x" for row in rivals)
                + f" | {alone['p50_us']:.0f} / {other} |\n"
            )
    return head + "".join(lines)


_HEAD = """## Search

Recall@10 against the time of a query, beside other indexes. Every system was swept over its builds and settings on one
half of the queries, which lie outside the base; the cheapest setting that reaches a recall there (of close builds, the
best settings once more by turns) was measured on the other half, in rounds in which all systems take turns; tables show
medians. hierindex is not swept: the recall is asked for, nothing else is set. A result counts if it is no farther than
the true tenth neighbour. "x" is the rival's time over ours in the same rounds: above 1, ours is faster. Build time and
memory are those of a process that builds this index and nothing else.
"""


def _made(one: dict[str, Any]) -> str:
    facts = one["facts"]
    return (
        f"{facts['made']}; {facts['queries']:,} queries ({facts['asked']}). Local intrinsic dimension "
        f"{facts['lid']['mean']:.1f} (mean; maximum likelihood, k = 100). Batches on {one['threads']} thread(s), "
        f"single queries on one; {one['rounds']['rounds']} rounds; {one['about']['date']}, commit "
        f"{one['about']['commit']}, {one['about']['machine']['cpu']}."
    )


def _picture(name: str, one: dict[str, Any]) -> list[str]:
    if "[" in name:
        return []
    way = "The picture shows the choosing queries, timed once."
    if "drawing" in one:
        way = (
            f"The picture shows the other half too, all systems by turns, medians of {one['drawing']['rounds']} rounds."
        )
    return [f"![Recall against throughput and latency](pictures/search-{name}.png)", "", way, ""]


def _speed(one: dict[str, Any]) -> list[str]:
    batch = [f"batch {t:g}: QPS (recall) | x" for t in one["targets"]]
    single = [f"single {t:g}: p50 / p95 / p99 us (recall) | x" for t in one["targets"]]
    return [*_table(one, "batch", batch, _batch), "", *_table(one, "single", single, _single)]


def _table(one: dict[str, Any], mode: str, heads: list[str], cell: Callable[[dict[str, Any] | None], str]) -> list[str]:
    lines = ["| system | " + " | ".join(heads) + " |", "|---|" + "---:|" * (2 * len(heads))]
    for system in dict.fromkeys(row["system"] for row in one["rows"]):
        cells = [cell(row_at(one, system, mode, target)) for target in one["targets"]]
        lines.append(f"| {'**' + system + '**' if system == OURS else system} | " + " | ".join(cells) + " |")
    return lines


def _batch(row: dict[str, Any] | None) -> str:
    return "- | -" if row is None else f"{row['qps']:,.0f} ({row['recall']:.3f}) | {_times(row)}"


def _single(row: dict[str, Any] | None) -> str:
    if row is None:
        return "- | -"
    return f"{row['p50_us']:.0f} / {row['p95_us']:.0f} / {row['p99_us']:.0f} ({row['recall']:.3f}) | {_times(row)}"


def _times(row: dict[str, Any]) -> str:
    return f"{row['times_ours']:.2f}" if "times_ours" in row and row["system"] != OURS else ""


def _builds(one: dict[str, Any]) -> list[str]:
    """Builds that some point of the report uses."""
    used = {(row["system"], str(row["build"])) for row in one["rows"]}
    rows = one["facts"]["rows"]
    lines = ["| build | parameters | seconds | load then | MiB | bytes a vector | of these, said by the library |"]
    lines.append("|---|---|---:|---:|---:|---:|---:|")
    for b in one["builds"]:
        if (b["system"], str(b["build"])) not in used:
            continue
        told = "-" if b["told_bytes"] is None else f"{b['told_bytes'] / rows:.0f}"
        words = ", ".join(f"{key} {value}" for key, value in b["build"].items()) or "-"
        size = f"{b['resident_bytes'] / 2**20:.0f} | {b['resident_bytes'] / rows:.0f} | {told}"
        lines.append(f"| {b['system']} | {words} | {b['seconds']:.3g} | {b['load']:.1f} | {size} |")
    ours = next((b for b in one["builds"] if b["system"] == OURS), None)
    if ours is not None:
        stages = ", ".join(f"{stage} {seconds:.3g} s" for stage, seconds in ours["facts"]["seconds"].items())
        lines += ["", f"hierindex's build by stage: {stages}."]
    return lines


def _promise(one: dict[str, Any]) -> list[str]:
    kept = promises(one)
    words = "; ".join(f"{asked:g} asked, {got:.4f} measured{'' if ok else ' (**outside**)'}" for asked, got, ok in kept)
    return [f"The promise of recall (from 0.005 below to 0.02 above): {words}."] if kept else []


def _profile(one: dict[str, Any]) -> list[str]:
    """Where our microseconds go."""
    stages = list(dict.fromkeys(stage for row in one["profile"] for stage in row["us"]))
    if not stages:
        return []
    lines = ["Where a single query's microseconds go (medians of what `explain` says, which costs some itself):", ""]
    lines.append(
        "| recall | leaves | rows scanned | compared exactly | " + " | ".join(f"{s}, us" for s in stages) + " |"
    )
    lines.append("|---:|" + "---:|" * (3 + len(stages)))
    for row in one["profile"]:
        times = " | ".join(f"{row['us'].get(stage, 0):.1f}" for stage in stages)
        counts = " | ".join(f"{row[what]:,.0f}" for what in ("leaves", "scanned", "candidates"))
        lines.append(f"| {row['target']:g} | {counts} | {times} |")
    return lines


def _bars(one: dict[str, Any]) -> list[str]:
    """The bars, for sets of a million rows and more."""
    if one["facts"]["rows"] < 1_000_000:
        return []
    lines = ["| bar | wanted | reached | |", "|---|---:|---:|---|"]
    for bar in bars(one):
        sign = "at least" if bar.at_least else "at most"
        lines.append(
            f"| {bar.what} | {sign} {bar.wanted:g} | {bar.reached:.2f} | {'met' if bar.met else '**missed**'} |"
        )
    return lines


def _failed(one: dict[str, Any]) -> list[str]:
    return [f"Left out, as it failed: {name} ({why})." for name, why in one["failed"].items()]


def _growth(name: str, one: dict[str, Any]) -> list[str]:
    sizes = one["sizes"]
    lines = [f"### How the cost of a query grows: {name}", ""]
    lines += [
        f"Microseconds a query at recall {one['target']:g}, every system tuned anew at each size; b of a n^b.",
        "",
    ]
    lines += [
        "| system | mode |" + "".join(f" {n:,} |" for n in sizes) + " b |",
        "|---|---|" + "---:|" * (len(sizes) + 1),
    ]
    for system, modes in one["exponents"].items():
        for mode, b in modes.items():
            at = {r["n"]: f"{cost(r):.1f}" for r in one["rows"] if (r["system"], r["mode"]) == (system, mode)}
            cells = "".join(f" {at.get(n, '-')} |" for n in sizes)
            lines.append(f"| {system} | {mode} |{cells} {'-' if b is None else f'{b:.2f}'} |")
    return [*lines, "", f"![Cost of a query against rows](pictures/search-growth-{name}.png)", ""]
