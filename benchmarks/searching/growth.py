"""How the cost of a query grows with the number of rows, every system tuned anew at each size."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.searching.data import load
from benchmarks.searching.run import Plan, measured
from benchmarks.searching.sweep import MODES

__all__ = ["GROWING", "exponent", "grown"]

GROWING = ("hierindex", "faiss IVF-PQfs, re-rank", "faiss IVF-Flat", "hnswlib")
TARGET = 0.95


def grown(name: str, sizes: list[int], plan: Plan) -> dict[str, Any]:
    """Microseconds a query at recall 0.95 for prefixes of one set, and the exponent over them.

    Args:
        name: of the data set, already made.
        sizes: base rows.
        plan: whose systems are left as they are.
    """
    plan = replace(plan, effort=replace(plan.effort, targets=(TARGET,)))
    rows: list[dict[str, Any]] = []
    for n in sizes:
        data = load(name, plan.cache, rows=n)
        assert data is not None
        rows += [row | {"n": n} for row in measured(data, plan)["rows"]]
    exponents = {
        system: {mode: exponent(*_costs(rows, system, mode)) for mode in MODES}
        for system in dict.fromkeys(row["system"] for row in rows)
    }
    return {"target": TARGET, "sizes": sizes, "rows": rows, "exponents": exponents}


def exponent(sizes: list[int], costs: list[float]) -> float | None:
    """The b of cost = a n^b by least squares of the logarithms; None below two sizes.

    Example:
        >>> round(exponent([100, 10_000], [3.0, 30.0]), 6)
        0.5
    """
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0]) if len(sizes) > 1 else None


def _costs(rows: list[dict[str, Any]], system: str, mode: str) -> tuple[list[int], list[float]]:
    mine = [row for row in rows if row["system"] == system and row["mode"] == mode]
    return [row["n"] for row in mine], [row["us" if mode == "batch" else "p50_us"] for row in mine]
