"""The part of docs/results.md about one index on several workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["section"]


def section(result: dict[str, Any]) -> str:
    """Markdown of ``results/cluster.json``."""
    machine = result["machine"]
    lines = [
        "## Beyond one machine",
        "",
        f"Measured {result['date']} by `{result['script']}` at commit {result['commit']}: {result['data']}. All "
        f"workers are processes of one machine ({machine['cores']} cores, {machine['cpu']}, {machine['memory_gib']} "
        f"GiB; load average {result['load_average']:.1f}), so counts are judged here, and seconds are upper bounds. "
        "What larger clusters would do is reckoned in [`scale.md`](scale.md).",
        "",
    ]
    parts: dict[str, Callable[[Any], Iterator[str]]] = {
        "spread": _spread,
        "deaths": _deaths,
        "builds": _builds,
        "costs": _costs,
        "trainers": _trainers,
    }
    for name, part in parts.items():
        if name in result:
            lines += [*part(result[name]), ""]
    return "\n".join(lines)


def _spread(found: dict[str, Any]) -> Iterator[str]:
    crews = found["crews"]
    wrong = sum(asked["differing"] for crew in crews for asked in crew["asked"])
    alone = sum(crew["single_differing"] for crew in crews)
    yield (
        f"**Answers.** {found['queries']:,} queries in a batch, at recall .90, .95 and .99 for 10 neighbours and .95 "
        "for 100, and 200 one by one, beside the same index on one machine. Queries with another id, another bit in a "
        f"distance or another leaf: {wrong} in batches, {alone} one by one."
    )
    yield from ("", "| workers | copies | leaves placed by | workers asked, .90 | .95 | .99 | scanned twice, .95 |")
    yield "|---:|---:|---|---:|---:|---:|---:|"
    for crew in crews:
        asked = {(each["k"], each["recall"]): each for each in crew["asked"]}
        fan = " | ".join(f"{asked[10, recall]['fan_out']:.2f}" for recall in (0.9, 0.95, 0.99))
        again = 100 * asked[10, 0.95]["replayed"]
        yield f"| {crew['workers']} | {crew['replicas']} | {crew['placing']} | {fan} | {again:.1f} % |"
    yield ""
    yield from _judged(crews)
    yield from (
        "",
        "Ways to place the same leaves on 8 workers, counted by the same queries (none of them shaped any):",
        "",
    )
    yield from _ways(found["others"])
    yield ""
    leaves = crews[0]["asked"][1]["leaves"]
    hundred = crews[-1]["asked"][3]["replayed"]
    yield (
        f'A query scans {leaves:.0f} leaves on average at .95. "Scanned twice" are queries whose answer hangs '
        "on which of equal codes a scan meets first; their lists are scanned once more in one place. For 100 "
        f"neighbours that is {100 * hundred:.0f} % of the queries, which is the price of equality to the bit."
    )


_WAYS = {
    "hash": "by hash",
    "subtree": "by subtree: runs of the tree's order",
    "axes": "halving the centroids along their principal axes",
    "kmeans": "k-means of the centroids",
    "probed 0.0": "what is probed together (METIS)",
    "probed 0.1": "that, and 10 % of the rows twice, at borders",
    "probed 0.2": "that, and 20 %: what `ClusterConfig` does",
    "probed 0.3": "that, and 30 %",
    "hash, two copies": "by hash, all rows twice",
    "subtree, two copies": "by subtree, all rows twice",
    "probed, two copies": "what is probed together, all rows twice",
}


def _ways(others: dict[str, dict[str, float]]) -> Iterator[str]:
    yield "| placed | rows held | heaviest worker | workers asked, .95 | of hash | were the neighbours known |"
    yield "|---|---:|---:|---:|---:|---:|"
    for name, label in _WAYS.items():
        if name in others:
            way = others[name]
            known = f"{way['known']:.2f}" if "known" in way else ""
            yield (
                f"| {label} | {way.get('rows', 1.0):.2f} | {way['heaviest']:.2f} | {way['fan_out']:.2f} "
                f"| {way['fan_out'] / others['hash']['fan_out']:.2f} | {known} |"
            )
    if "known" in others["hash"]:
        yield ""
        yield (
            '"Were the neighbours known": the workers that hold the ten true neighbours, the least that any way of '
            "choosing leaves could ask."
        )


def _judged(crews: list[dict[str, Any]]) -> Iterator[str]:
    fan = {
        (crew["placing"], crew["replicas"]): next(a for a in crew["asked"] if (a["k"], a["recall"]) == (10, 0.95))[
            "fan_out"
        ]
        for crew in crews
        if crew["workers"] == 8
    }
    best = "probed" if ("probed", 1) in fan else "subtree"
    one, two = fan[best, 1] / fan["hash", 1], fan[best, 2] / fan["hash", 1]
    tree = fan["subtree", 1] / fan["hash", 1]
    extra = " (a fifth of the rows lies on two of them)" if best == "probed" else ""
    yield (
        "The bar was that a query asks at most half as many of 8 workers as with placing by hash, at .95. As leaves "
        f"are placed by default{extra} it asks {one:.2f} of them: {'met' if one <= 0.5 else 'missed'}; with runs of "
        f"the tree's own order and one copy {tree:.2f}: {'met' if tree <= 0.5 else 'missed'}. With two copies of each "
        f"leaf a query chooses whom to ask, and it asks {two:.2f} of what hashing asks with one copy, and "
        f"{fan[best, 2] / fan['hash', 2]:.2f} of what it asks with two."
    )


def _deaths(found: list[dict[str, Any]]) -> Iterator[str]:
    yield (
        "**Deaths.** Two callers ask batches of ten queries without rest, while workers are killed (SIGKILL) one after "
        "another. Every answer is compared with the local one."
    )
    yield from (
        "",
        "| workers | copies | killed | queries | wrong | failed | partial | back after, s | slowest batch, s |",
    )
    yield "|---:|---:|---:|---:|---:|---:|---:|---|---:|"
    for row in found:
        back = ", ".join(f"{seconds:.1f}" for seconds in row["recovery_seconds"])
        yield (
            f"| {row['workers']} | {row['replicas']} | {row['kills']} | {row['queries']:,} | {row['wrong']} "
            f"| {row['failed']} | {row['partial']:,} | {back} | {row['slowest_batch_seconds']:.1f} |"
        )


def _builds(found: dict[str, Any]) -> Iterator[str]:
    here, there = found["here"], found["there"]
    yield (
        f"**Build** of {found['rows']:,} vectors ({found['bytes'] / 2**20:.0f} MiB): {here['seconds']:.0f} s by one "
        f"process, {there['seconds']:.0f} s through Ray with {there['workers']} workers on the same cores "
        f"({there['seconds'] / here['seconds']:.1f} times as long), {there['parts']} parts."
    )
    stages = "; ".join(f"{name} {seconds:.0f} s" for name, seconds in there["stages"].items())
    yield f"Stages through Ray: {stages}."
    peaks = there["peak_bytes"]
    yield (
        f"Memory: one process had {here['peak_bytes'] / 2**20:,.0f} MiB at most; of Ray's processes a reader "
        f"{peaks['Reader'] / 2**20:,.0f}, a worker that holds half the leaves {peaks['LeafWorker'] / 2**20:,.0f}, the "
        f"largest of any kind {there['largest_worker_bytes'] / 2**20:,.0f} MiB (without what they share)."
    )
    yield from ("", "| recall asked | built here | built through Ray |", "|---:|---:|---:|")
    for asked in here["recall"]:
        yield f"| {asked} | {here['recall'][asked]:.3f} | {there['recall'][asked]:.3f} |"


def _costs(found: dict[str, Any]) -> Iterator[str]:
    scan, call = found["scan"], found["call_seconds"]
    yield (
        f"**Stages**, one thread: routing {1e6 * found['route_seconds']:.1f} us a query; a scan "
        f"{1e9 * scan['seconds_a_row']:.2f} ns a coded row and {1e9 * scan['seconds_a_candidate']:.0f} ns a row "
        f"compared exactly; {1e6 * found['gather_seconds_a_worker']:.1f} us of the caller for each worker that a query "
        f"asks; one call through Ray {1e3 * call['median']:.1f} ms (p99 {1e3 * call['p99']:.1f}); reading "
        f"{found['rows']:,} rows from Parquet and coding them {found['seconds_to_load']:.0f} s."
    )


def _trainers(found: dict[str, Any]) -> Iterator[str]:
    one, two = found["runs"]
    losses = [", ".join(f"{loss:.4f}" for loss in run["contrast"]) for run in (one, two)]
    yield (
        f"**Training** from {found['images']} small images by two processes of Ray Train beside one: contrastive "
        f"losses of the epochs {losses[1]} beside {losses[0]}; the images' vectors, of unit length, are "
        f"{found['apart']:.4f} apart on average (sums are rounded in another order); {two['seconds']:.0f} s beside "
        f"{one['seconds']:.0f} s, most of which is the start of processes."
    )
