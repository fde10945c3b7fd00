"""An index beside flat FAISS over the same vectors: recall reached, time taken, in the same run.

Timings on a shared machine mean little by themselves, so every round times both, one after the other, and the medians
of the rounds are compared.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import faiss
import numpy as np

from hierindex.index.snapshot import Snapshot
from hierindex.index.threads import omp_threads
from hierindex.metrics import recall
from hierindex.vectors import Float32, Int64

__all__ = ["Measured", "against_flat"]


@dataclass(frozen=True)
class Measured:
    """One operating point.

    Attributes:
        asked: the recall that was asked for. recall: the recall@k that came out.
        batch_us, single_us: microseconds a query, all at once (all threads) and one by one (one thread, median).
        flat_batch_us, flat_single_us: the same of flat FAISS in the same rounds.
    """

    asked: float
    recall: float
    batch_us: float
    single_us: float
    flat_batch_us: float
    flat_single_us: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, with the two ratios to flat FAISS (above 1: faster than flat)."""
        ratios = {
            "batch_speedup": self.flat_batch_us / self.batch_us,
            "single_speedup": self.flat_single_us / self.single_us,
        }
        return asdict(self) | ratios


def against_flat(
    snapshot: Snapshot,
    queries: Float32,
    k: int,
    *,
    recalls: Sequence[float] = (0.9, 0.95, 0.99, 1.0),
    itself: Int64 | None = None,
    rounds: int = 7,
    singles: int = 200,
) -> list[Measured]:
    """Recall and latency for each recall asked, beside flat FAISS.

    Args:
        snapshot: the index.
        queries: ``(q, d)`` prepared.
        k: neighbours.
        recalls: what to ask for.
        itself: ``(q,)`` row numbers where the queries are stored rows; each is left out of its own answers.
        rounds: how often everything is timed.
        singles: how many queries are timed one by one in a round.
    """
    flat, rows = _flat(snapshot)
    wanted = k + (itself is not None)
    truth = _without(rows[_search_flat(flat, queries, wanted)], itself, k)
    return [_measure(snapshot, flat, queries, asked, (truth, itself, k), (rounds, singles)) for asked in recalls]


def _measure(
    snapshot: Snapshot,
    flat: faiss.Index,
    queries: Float32,
    asked: float,
    judged_by: tuple[Int64, Int64 | None, int],
    effort: tuple[int, int],
) -> Measured:
    truth, itself, k = judged_by
    wanted, (rounds, singles) = k + (itself is not None), effort
    found, _ = snapshot.search(queries, wanted, recall=asked)
    some = queries[:singles]

    def ours(q: Float32) -> object:
        return snapshot.search(q, wanted, recall=asked)

    def theirs(q: Float32) -> object:
        return flat.search(q, wanted)

    times = np.array(
        [[_batch(ours, queries), _batch(theirs, queries), *_singly(ours, theirs, some)] for _ in range(rounds)]
    )
    batch, flat_batch, single, flat_single = (np.median(times, axis=0) * 1e6).tolist()
    return Measured(asked, recall(_without(found, itself, k), truth), batch, single, flat_batch, flat_single)


def _batch(search: Callable[[Float32], object], queries: Float32) -> float:
    start = time.perf_counter()
    search(queries)
    return (time.perf_counter() - start) / len(queries)


def _singly(
    ours: Callable[[Float32], object], theirs: Callable[[Float32], object], queries: Float32
) -> tuple[float, float]:
    """Median seconds of one query of each, the two by turns, on one thread."""
    with omp_threads(1):
        times = np.array([[_batch(search, q[None]) for search in (ours, theirs)] for q in queries])
    mine, other = np.median(times, axis=0)
    return float(mine), float(other)


def _flat(snapshot: Snapshot) -> tuple[faiss.Index, Int64]:
    """Flat FAISS over the live rows, and their row numbers."""
    dim = snapshot.rows.shape[1]
    flat = faiss.IndexFlatIP(dim) if snapshot.metric.by_product else faiss.IndexFlatL2(dim)
    live = snapshot.live_rows
    flat.add(snapshot.rows[live])
    return flat, live


def _search_flat(flat: faiss.Index, queries: Float32, k: int) -> Int64:
    return np.asarray(flat.search(queries, min(k, flat.ntotal))[1], dtype=np.int64)


def _without(found: Int64, itself: Int64 | None, k: int) -> Int64:
    """The first k of each row after the query's own row is taken out."""
    if itself is None:
        return found[:, :k]
    kept = [row[row != own][:k] for row, own in zip(found, itself, strict=True)]
    return np.array([np.pad(row, (0, k - len(row)), constant_values=-1) for row in kept], dtype=np.int64)
