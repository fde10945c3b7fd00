"""Reporting: the chosen points of all systems on the other half of the queries, by turns, round after round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.searching.catalogue import OURS
from benchmarks.searching.clock import PERCENTILES, many_us, one_us
from benchmarks.searching.data import DataSet
from benchmarks.searching.judge import recall_of
from benchmarks.searching.shelf import Shelf
from benchmarks.searching.sweep import Mode, Point
from benchmarks.searching.system import Params, System, label

__all__ = ["Chosen", "Rounds", "reported"]

Chosen = dict[str, dict[tuple[Mode, float], Point]]
Key = tuple[str, str, str, Mode]  # system, build, setting, mode: what is measured once though several targets chose it


@dataclass(frozen=True)
class Rounds:
    """How the finals are run.

    Attributes:
        rounds: over all points. threads: of a batch. k: neighbours.
        singles: queries asked one by one in a round, by turns in blocks of 100.
        slow: how many of them where one query takes more than 3 milliseconds.
    """

    rounds: int = 7
    threads: int = 2
    k: int = 10
    singles: int = 2_000
    slow: int = 200


def reported(chosen: Chosen, shelf: Shelf, data: DataSet, how: Rounds) -> list[dict[str, Any]]:
    """One row for each system, target and mode: recall, microseconds, and the ratio to ours of the same rounds.

    Args:
        chosen: points by system, mode and target.
        shelf: where their indexes are.
        data: the reporting half.
        how: rounds and threads.
    """
    points = {_key(name, mode, p): p for name, of in chosen.items() for (mode, _), p in of.items()}
    live = {key: shelf.index(key[0], point.build) for key, point in points.items()}
    recalls = {key: _recall(live[key], point.setting, data, how) for key, point in points.items()}
    batches: dict[Key, list[float]] = {key: [] for key in points if key[3] == "batch"}
    singles: dict[Key, list[NDArray[np.float64]]] = {key: [] for key in points if key[3] == "single"}
    for _ in range(how.rounds):
        for key, times in batches.items():
            live[key].use(points[key].setting, how.threads)
            times.append(many_us(live[key], data.queries, how.k)[0])
        for key, alone in _singly(points, live, data, how).items():
            singles[key].append(alone)
    rows = []
    for name, of in chosen.items():
        for (mode, target), point in of.items():
            key = _key(name, mode, point)
            row = {"system": name, "target": target, "mode": mode, "build": point.build, "setting": point.setting}
            row["recall"] = recalls[key]
            row |= _batch(batches[key]) if mode == "batch" else _single(singles[key])
            ours = chosen.get(OURS, {}).get((mode, target))
            if ours is not None:
                theirs = _key(OURS, mode, ours)
                pairs = (batches[key], batches[theirs]) if mode == "batch" else (singles[key], singles[theirs])
                row["times_ours"] = float(np.median([np.median(a) / np.median(b) for a, b in zip(*pairs, strict=True)]))
            rows.append(row)
    return rows


def _key(name: str, mode: Mode, point: Point) -> Key:
    return name, label(point.build), label(point.setting), mode


def _recall(system: System, setting: Params, data: DataSet, how: Rounds) -> float:
    system.use(setting, how.threads)
    return recall_of(system.many(data.queries, how.k), data, how.k)


def _singly(
    points: dict[Key, Point], live: dict[Key, System], data: DataSet, how: Rounds
) -> dict[Key, NDArray[np.float64]]:
    """Microseconds of single queries, the systems by turns in blocks: a block each, so that caches are as in use."""
    keys = [key for key in points if key[3] == "single"]
    spent: dict[Key, list[NDArray[np.float64]]] = {key: [] for key in keys}
    for at in range(0, min(how.singles, len(data.queries)), 100):
        for key in keys:
            if at >= how.slow and points[key].single > 3_000:
                continue
            live[key].use(points[key].setting, 1)
            live[key].one(data.queries[at : at + 1], how.k)  # the first one after another system finds cold caches
            spent[key].append(one_us(live[key], data.queries[at : min(at + 100, how.singles)], how.k))
    return {key: np.concatenate(blocks) for key, blocks in spent.items()}


def _batch(times: list[float]) -> dict[str, Any]:
    middle = float(np.median(times))
    return {"us": middle, "qps": 1e6 / middle, "rounds_us": times}


def _single(rounds: list[NDArray[np.float64]]) -> dict[str, Any]:
    by_round = np.array([np.percentile(times, PERCENTILES) for times in rounds])
    middle = np.median(by_round, axis=0)
    found: dict[str, Any] = {f"p{p}_us": float(value) for p, value in zip(PERCENTILES, middle, strict=True)}
    return found | {"queries": len(rounds[0]), "rounds_p50_us": by_round[:, 0].tolist()}
