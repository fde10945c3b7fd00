"""The part of docs/results.md about clusters larger than ours."""

from __future__ import annotations

from typing import Any

__all__ = ["section"]

_GIB = 2**30


def section(result: dict[str, Any]) -> str:
    """Markdown of ``results/scale_model.json``."""
    leaves, costs = result["leaves"], result["costs"]
    measured = ", ".join(f"{row['leaves']:.0f} of {row['n']:,}" for row in leaves["measured"])
    lines = [
        "## Larger clusters, reckoned",
        "",
        f"By `{result['script']}`, {result['date']}, commit {result['commit']}; nothing of this section ran on a "
        "cluster. The model is that of [`scale.md`](scale.md), its stages are those measured above. Leaves that a "
        f"query needs at recall .95, by numbers of rows: {measured}; that is about {leaves['factor']:.2f} "
        f"n^{leaves['power']:.2f}, and is continued. The simulation has real vectors as leaves, a tree above them, and "
        "workers that serve one call after another; the model's fan-out is fitted to 2, 4 and 8 real workers "
        "and to placements of the same million on 16 to 128, not to the simulation.",
        "",
        "| rows | workers | leaves | fan-out: model / simulated / by hash | busiest worker | GiB a worker | GiB the "
        "caller | queries/s: model / simulated | one caller can send | p50 / p99 ms, simulated | read again, s "
        "| $ / 10^6 queries |",
        "|---:|---:|---:|---|---:|---:|---:|---|---:|---|---:|---:|",
    ]
    for row in result["rows"]:
        model, seen = row["model"], row["simulated"]
        lines.append(
            f"| {row['n']:.0e} | {row['workers']:,} | {model['leaves']:,} "
            f"| {model['fan_out']:.1f} / {seen['fan_out']:.1f} / {seen['fan_out_hash']:.1f} | {seen['busiest']:.1f}x "
            f"| {model['worker_bytes'] / _GIB:,.1f} | {model['caller_bytes'] / _GIB:,.1f} "
            f"| {model['queries_a_second']:,.0f} / {seen['queries_a_second']:,.0f} "
            f"| {model['queries_a_second_of_one_caller']:,.0f} "
            f"| {1e3 * seen['latency_p50']:.1f} / {1e3 * seen['latency_p99']:.1f} | {model['load_seconds']:,.0f} "
            f"| {model['dollars_a_million_queries']:,.2f} |"
        )
    worst = max(abs(row["model"]["fan_out"] / row["simulated"]["fan_out"] - 1) for row in result["rows"])
    lines += [
        "",
        f"Rates are those at which the busiest worker is busy for 0.6 of its time. The model's fan-out is at most "
        f"{100 * worst:.0f} % from the simulated one; its rate knows nothing of the busiest worker. Prices are round "
        f"ones of a cloud (`Prices` in the script). A call through Ray took {1e3 * costs['call']:.1f} ms on the "
        "machine of the measurement, which is in every latency.",
        "",
    ]
    return "\n".join(lines)
