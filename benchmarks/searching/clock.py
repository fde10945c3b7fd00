"""Clocks: many queries at once, and one query at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import numpy as np
from numpy.typing import NDArray

from benchmarks.searching.system import System
from hierindex.vectors import Float32, Int64

__all__ = ["PERCENTILES", "many_us", "one_us", "steps_us"]

PERCENTILES = (50, 95, 99)


def many_us(system: System, queries: Float32, k: int) -> tuple[float, Int64]:
    """Microseconds a query when all are asked at once, and what was found."""
    start = time.perf_counter()
    found = system.many(queries, k)
    return (time.perf_counter() - start) / len(queries) * 1e6, found


def one_us(system: System, queries: Float32, k: int) -> NDArray[np.float64]:
    """Microseconds ``(q,)`` of each query asked alone."""
    spent = np.empty(len(queries))
    for i in range(len(queries)):
        query = queries[i : i + 1]
        start = time.perf_counter()
        system.one(query, k)
        spent[i] = time.perf_counter() - start
    return spent * 1e6


def steps_us(
    ways: dict[str, Callable[[slice], object]], n: int, rounds: int, singles: int
) -> dict[str, dict[str, float]]:
    """What steps of a search cost a query, each way in every round: medians of microseconds over the rounds.

    Args:
        ways: each works on some of n queries.
        n: how many queries there are.
        rounds: how many rounds.
        singles: so many are worked on one after the other in each round, others in every one.

    Returns:
        for each way ``batch_us``, all at once, and ``single_us``.
    """
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for number in range(rounds):
        alone = [slice(at % n, at % n + 1) for at in range(number * singles, (number + 1) * singles)]
        for name, way in ways.items():
            whole = _seconds(way, slice(0, n))
            each = median(_seconds(way, one) for one in alone)
            spent[name].append((1e6 * whole / n, 1e6 * each))
    return {
        name: {"batch_us": median(batch for batch, _ in both), "single_us": median(single for _, single in both)}
        for name, both in spent.items()
    }


def _seconds(way: Callable[[slice], object], some: slice) -> float:
    start = time.perf_counter()
    way(some)
    return time.perf_counter() - start
