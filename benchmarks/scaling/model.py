"""The cost model: bytes, seconds, fan-out and money of a search, in closed form.

A query costs its caller the routing and, for each worker it asks, a question to make and an answer to read;
and each of those workers a call and the scan of its share of the leaves. A worker serves one call at a time, calls come
as they like (a Poisson process), so they wait as in a queue M/G/1 (Pollaczek and Khinchine); the query is answered when
its slowest worker has answered.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Costs", "Fit", "Prices", "Setting", "reckoned"]

_CANDIDATES = 124  # of a worker's answer: what tuning asked for at .95 on a million rows, and 16 to tell ties
_ENTRY_BYTES = 32  # key, promise, seq, id and leaf of one candidate
_LOAD = 0.6  # share of the busiest worker's time that is taken up at the rate that is called bearable
_GIB = 2**30


@dataclass(frozen=True)
class Costs:
    """What was measured of each stage, in seconds on one thread, and in bytes.

    Attributes:
        dim, code_bytes: of a row. route: a query's way through a thousand leaves. row, candidate, query: of a scan.
        gather: the caller's, for each worker asked. call: from a call to its answer where nothing is done.
        load: reading a row from Parquet and coding it. row_bytes: of a row in a worker's memory.
    """

    dim: int
    code_bytes: int
    route: float
    row: float
    candidate: float
    query: float
    gather: float
    call: float
    load: float
    row_bytes: float

    @classmethod
    def of(cls, found: dict[str, Any]) -> Costs:
        """From the part ``costs`` of ``results/cluster.json``."""
        scan = found["scan"]
        return cls(
            dim=found["dim"],
            code_bytes=found["code_bytes"],
            route=found["route_seconds"],
            row=max(scan["seconds_a_row"], 0.0),
            candidate=max(scan["seconds_a_candidate"], 0.0),
            query=max(scan["seconds_a_query"], 0.0),
            gather=found["gather_seconds_a_worker"],
            call=max(found["call_seconds"]["median"], 1e-4),
            load=found["seconds_to_load"] / found["rows"],
            row_bytes=found["bytes_of_shard"] / found["rows"],
        )


@dataclass(frozen=True)
class Setting:
    """An index of n rows on so many workers; leaves are its square root."""

    n: int
    dim: int
    workers: int

    @property
    def leaves(self) -> int:
        """How many leaves there are."""
        return round(math.sqrt(self.n))


@dataclass(frozen=True)
class Prices:
    """Round prices of a cloud, in dollars; to be exchanged for one's own."""

    memory_gib_hour: float = 0.005
    core_hour: float = 0.04
    storage_gib_month: float = 0.023


@dataclass(frozen=True)
class Fit:
    """What measurements are continued by.

    Attributes:
        factor, power: a query needs factor * n^power leaves.
        spread: logarithm of a factor, and powers of the number of workers and of leaves: of so many leaves that lay
            anywhere a query would find as many workers as of its own, which lie together.
    """

    factor: float
    power: float
    spread: tuple[float, float, float]

    @classmethod
    def of(cls, measured: list[dict[str, float]], asked: list[dict[str, float]]) -> Fit:
        """The powers through measured numbers of leaves, and of workers asked."""
        n, leaves = (np.log([row[name] for row in measured]) for name in ("n", "leaves"))
        power, factor = np.polyfit(n, leaves, 1)
        loose = [math.log(1 - row["fan_out"] / row["workers"]) / math.log(1 - 1 / row["workers"]) for row in asked]
        x = np.array([[1.0, math.log(row["workers"]), math.log(row["leaves"])] for row in asked])
        constant, by_workers, by_leaves = np.linalg.lstsq(x, np.log(loose), rcond=None)[0].tolist()
        return cls(float(np.exp(factor)), float(power), (constant, by_workers, by_leaves))

    def leaves(self, n: int) -> int:
        """How many leaves a query needs among n rows."""
        return max(1, round(self.factor * math.exp(self.power * math.log(n))))

    def fan_out(self, workers: int, leaves: int) -> float:
        """How many workers a query asks."""
        constant, by_workers, by_leaves = self.spread
        loose = math.exp(constant + by_workers * math.log(workers) + by_leaves * math.log(leaves))
        return float(workers * (1 - math.exp(min(loose, leaves) * math.log(1 - 1 / workers))))


def reckoned(setting: Setting, fit: Fit, costs: Costs, prices: Prices) -> dict[str, float]:
    """Everything that the model says of a setting."""
    leaves = fit.leaves(setting.n)
    fan_out = fit.fan_out(setting.workers, leaves)
    scanned = leaves * setting.n / setting.leaves
    service = scan_seconds(costs, scanned / fan_out)
    held = costs.row_bytes * setting.n / setting.workers
    rate = _LOAD * setting.workers / (fan_out * service)  # queries a second, where load is even
    caller = costs.route * setting.leaves / 1_000 + costs.gather * fan_out
    wait = _LOAD / (1 - _LOAD) * service / 2  # Pollaczek and Khinchine, calls of one length
    latency = caller + costs.call + service + wait * (1 + math.log(fan_out))
    hour = setting.workers * prices.core_hour + held * setting.workers / _GIB * prices.memory_gib_hour
    return {
        "leaves": leaves,
        "fan_out": fan_out,
        "rows_scanned": scanned,
        "worker_bytes": held,
        "caller_bytes": caller_bytes(setting, costs),
        "network_bytes_a_query": network_bytes(costs, fan_out, leaves),
        "worker_seconds_a_query": fan_out * service,
        "caller_seconds_a_query": caller,
        "latency_seconds": latency,
        "queries_a_second": rate,
        "queries_a_second_of_one_caller": 1 / caller,
        "load_seconds": costs.load * setting.n / setting.workers,
        "dollars_an_hour": hour,
        "dollars_a_million_queries": hour / (3_600 * rate) * 1e6,
        "storage_dollars_a_month": 4 * setting.dim * setting.n / _GIB * prices.storage_gib_month,
    }


def scan_seconds(costs: Costs, rows: float) -> float:
    """What one call costs a worker that scans so many rows for it."""
    return costs.query + costs.row * rows + costs.candidate * min(_CANDIDATES, rows)


def caller_bytes(setting: Setting, costs: Costs) -> float:
    """What the caller keeps: two centroids and a place on the ball for each leaf, and late rows (a half percent)."""
    nodes = 2 * setting.leaves
    return (
        nodes * 4 * (setting.dim + 32)
        + setting.leaves * 4 * 2 * costs.code_bytes * 2
        + setting.n / 200 * 4 * setting.dim
    )


def network_bytes(costs: Costs, fan_out: float, leaves: float) -> float:
    """Questions (query, turned query, leaves) and answers (candidates) of one query."""
    question = 4 * costs.dim + 4 * 4 * costs.code_bytes + 8 * leaves / fan_out
    return fan_out * (question + _CANDIDATES * _ENTRY_BYTES)
