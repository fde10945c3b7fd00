"""Clocks: many queries at once, and one query at a time."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from benchmarks.searching.system import System
from hierindex.vectors import Float32, Int64

__all__ = ["PERCENTILES", "many_us", "one_us"]

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
