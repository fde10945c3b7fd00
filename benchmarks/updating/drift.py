"""An index that grew far beyond what it was built for, or lost half of it, beside one built anew."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.searching.data import DataSet, load
from benchmarks.searching.truth import exact
from benchmarks.updating.streams import Flow, Hierindex, Hnsw, IvfPq, Rival, classes_of, flows, recall
from hierindex.vectors import Int64

__all__ = ["drift"]

K, ROUNDS, ASKED = 10, 7, 2_000
STARTS = {"cifar-latents": 25_000, "sift1m": 100_000}


def drift(name: str, cache: Path, rows: int | None, graphs: bool) -> dict[str, Any]:
    """Streams of one set, in random and in class order, then deletes of half of it.

    Args:
        name: "cifar-latents" or "sift1m".
        cache: where `benchmarks.search` keeps its sets.
        rows: only the first so many; None takes all.
        graphs: whether to build hnswlib too, which takes minutes at a million rows.
    """
    data = load(name, cache, rows=rows)
    if data is None:
        raise SystemExit(f"{name} should be in the cache; make it with benchmarks.search --encoder")
    start = min(STARTS[name], len(data.base) // 2)
    classes = classes_of(data, cache)
    found: dict[str, Any] = {"set": name, "rows": len(data.base), "start": start, "load_average": os.getloadavg()[0]}
    anew = _built(data, np.arange(len(data.base)))
    print(f"{name}: built anew", flush=True)
    found["streams"] = [_stream(data, flow, anew, graphs) for flow in flows(classes, start)]
    found["deletes"] = [_deletes(data, name, gone) for name, gone in _halves(classes).items()]
    return found


def _built(data: DataSet, rows: Int64) -> Hierindex:
    return Hierindex(data.base[rows], rows, data.metric, upkeep=True)


def _stream(data: DataSet, flow: Flow, anew: Hierindex, graphs: bool) -> dict[str, Any]:
    """Feed all with one stream, and measure them at its end."""
    tuning, report = data.queries[:ASKED], data.queries[ASKED : 2 * ASKED]
    first = data.base[flow.first]
    early = flow.first[exact(first, tuning, K)[1]]
    rivals: list[Rival] = [Hierindex(first, flow.first, data.metric, upkeep) for upkeep in (True, False)]
    rivals.append(IvfPq(first, flow.first))
    if graphs:
        rivals.append(Hnsw(first, flow.first, len(data.base)))
    seconds = []
    for rival in rivals:
        rival.choose(tuning, early)
        began = time.perf_counter()
        for batch in flow.batches():
            rival.add(data.base[batch], batch)
        if isinstance(rival, Hierindex) and rival.upkeep:
            rival.keep()
        seconds.append(time.perf_counter() - began)
        print(f"{flow.name}: {rival.name} took {seconds[-1]:.0f} s", flush=True)
    fresh = IvfPq(data.base, np.arange(len(data.base)))
    fresh.name = "FAISS IVF-PQfs, re-rank, built anew"
    truth = data.truth[:ASKED, :K]
    fresh.choose(tuning, truth)
    systems = [anew, *rivals, fresh]
    rows = _measured(systems, report, data.truth[ASKED : 2 * ASKED, :K])
    for row, spent in zip(rows[1:-1], seconds, strict=True):
        row["seconds"] = spent
    return {"order": flow.name, "systems": rows}


def _deletes(data: DataSet, name: str, gone: Int64) -> dict[str, Any]:
    """Half of an index deleted, by batches."""
    index = _built(data, np.arange(len(data.base)))
    for at in range(0, len(gone), 10_000):
        index.index.delete(gone[at : at + 10_000])
    index.keep()
    left = np.setdiff1d(np.arange(len(data.base)), gone)
    report = data.queries[ASKED : 2 * ASKED]
    truth = left[exact(data.base[left], report, K)[1]]
    return {"deleted": name, "systems": _measured([_built(data, left), index], report, truth)}


def _halves(classes: Int64) -> dict[str, Int64]:
    return {
        "every second point": np.arange(0, len(classes), 2),
        "half of the classes": np.flatnonzero(classes < np.median(np.unique(classes)) + 0.5),
    }


def _measured(systems: Sequence[Rival], queries: np.ndarray[Any, Any], truth: Int64) -> list[dict[str, Any]]:
    """Recall and microseconds a query of each, by turns; the first one is what the others are compared with."""
    took: list[list[float]] = [[] for _ in systems]
    for _ in range(ROUNDS):
        for times, system in zip(took, systems, strict=True):
            began = time.perf_counter()
            found = system.search(queries, K)
            times.append((time.perf_counter() - began) / len(queries) * 1e6)
            assert len(found) == len(queries)
    rows: list[dict[str, Any]] = []
    for times, system in zip(took, systems, strict=True):
        row: dict[str, Any] = {"system": system.name, "recall": recall(system.search(queries, K), truth)}
        row |= {"us": median(times), "ratio": median(a / b for a, b in zip(times, took[0], strict=True))}
        if isinstance(system, Hierindex):
            row |= {"imbalance": system.imbalance, "leaves": len(system.index.leaf_sizes()), "upkeep_s": system.seconds}
        rows.append(row)
    rows[0]["system"] += ", built anew"
    for row in rows:
        print({key: round(value, 3) if isinstance(value, float) else value for key, value in row.items()}, flush=True)
    return rows
