"""Choosing: every build and setting of a system on one half of the queries; the cheapest that reaches each recall."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.searching.catalogue import SYSTEMS
from benchmarks.searching.clock import many_us, one_us
from benchmarks.searching.data import DataSet
from benchmarks.searching.judge import recall_of
from benchmarks.searching.shelf import Shelf
from benchmarks.searching.system import Params, System, label

__all__ = ["MODES", "Effort", "Mode", "Point", "choose", "frontier"]

_UNSURE = 1.6  # shared cores run at speeds that differ by so much from one minute to the next
Mode = Literal["batch", "single"]
MODES: tuple[Mode, ...] = ("batch", "single")


@dataclass(frozen=True)
class Effort:
    """How much a choice may cost.

    Attributes:
        targets: recalls to reach. k: neighbours. threads: of a batch; a single query takes one.
        coarse: queries of the first pass over all settings, singles: how many of them one by one.
        finalists: settings that are timed again for each mode and target, with recall on all choosing queries.
        rounds: how often; then the best of each build once more so often, by turns, and the cheapest is taken.
        builds: at most so many builds of a system; None for all.
    """

    targets: tuple[float, ...]
    k: int = 10
    threads: int = 2
    coarse: int = 1_000
    singles: int = 200
    finalists: int = 3
    rounds: int = 3
    builds: int | None = None


@dataclass(frozen=True)
class Point:
    """One build and setting with what it gave on the choosing queries: microseconds a query in both modes."""

    build: Params
    setting: Params
    recall: float
    batch: float
    single: float

    def cost(self, mode: Mode) -> float:
        """Microseconds a query."""
        return self.batch if mode == "batch" else self.single


def choose(
    name: str, shelf: Shelf, data: DataSet, effort: Effort
) -> tuple[dict[tuple[Mode, float], Point], list[Point]]:
    """The cheapest point of a system for each mode and target that it reaches, and all points that were tried.

    Args:
        name: of the system.
        shelf: where its builds come from.
        data: the choosing half.
        effort: how hard to look.
    """
    best: dict[tuple[Mode, float], list[Point]] = {(mode, target): [] for mode in MODES for target in effort.targets}
    tried: list[Point] = []
    n, d = data.base.shape
    builds = SYSTEMS[name].builds(n, d, data.metric)[: effort.builds]
    for build in builds:
        system = shelf.index(name, build)
        start = time.perf_counter()
        points = _tried(system, data.only(effort.coarse), effort)
        tried += points
        print(f"  {name} {label(build)}: {len(points)} settings, {time.perf_counter() - start:.0f} s", flush=True)
        finalists = _retimed(system, _shortlist(system, points, effort), data, effort)
        for (mode, target), close in best.items():
            able = [point for point in finalists if _serves(system, point, target)]
            close += sorted(able, key=lambda point: point.cost(mode))[:1]
            least = min((point.cost(mode) for point in close), default=0.0)
            close[:] = [point for point in close if point.cost(mode) <= _UNSURE * least]
        _put_back(name, builds, [point for close in best.values() for point in close], shelf)
    chosen = {key: _run_off(name, key[0], close, shelf, data, effort) for key, close in best.items() if close}
    _put_back(name, builds, list(chosen.values()), shelf)
    return chosen, tried


def _put_back(name: str, builds: list[Params], kept: list[Point], shelf: Shelf) -> None:
    """Free the memory of the builds that none of these points is of."""
    for loser in builds:
        if not any(point.build == loser for point in kept):
            shelf.put_back(name, loser)


def _run_off(name: str, mode: Mode, points: list[Point], shelf: Shelf, data: DataSet, effort: Effort) -> Point:
    """The cheapest of the best points of several builds, timed by turns: minutes lie between their sweeps."""
    if len(points) == 1:
        return points[0]
    live = [shelf.index(name, point.build) for point in points]
    return points[int(np.argmin(_by_turns(live, points, data, effort, (mode,))))]


def _by_turns(
    live: list[System], points: list[Point], data: DataSet, effort: Effort, modes: tuple[Mode, ...]
) -> NDArray[np.float64]:
    """Microseconds ``(p, modes)`` of each point on its live index: medians of rounds in which they took turns."""
    spent = np.empty((effort.rounds, len(points), len(modes)))
    for at in range(effort.rounds):
        for i, (system, point) in enumerate(zip(live, points, strict=True)):
            for j, mode in enumerate(modes):
                system.use(point.setting, effort.threads if mode == "batch" else 1)
                spent[at, i, j] = (
                    many_us(system, data.queries[: effort.coarse], effort.k)[0]
                    if mode == "batch"
                    else np.median(one_us(system, data.queries[: effort.singles], effort.k))
                )
    return np.asarray(np.median(spent, axis=0))


def _tried(system: System, data: DataSet, effort: Effort) -> list[Point]:
    """One pass over the settings, each line until it gives no more or costs far more than what suffices."""
    points: list[Point] = []
    if system.promises:
        wanted = [[{"recall": target} for target in effort.targets]]
        lines = [*wanted, *[[s for s in line if s["recall"] not in effort.targets] for line in system.settings()]]
    else:
        lines = system.settings()
    enough = np.inf
    for line in lines:
        before: list[float] = []
        for setting in line:
            point = _timed(system, setting, data, effort)
            points.append(point)
            if point.recall >= max(effort.targets):
                enough = min(enough, point.batch)
            before.append(point.recall)
            flat = len(before) > 3 and before[-1] - before[-4] < 0.0005
            if not system.promises and (point.recall > 0.9975 or flat or point.batch > 2 * enough):
                break
    return points


def _timed(system: System, setting: Params, data: DataSet, effort: Effort) -> Point:
    system.use(setting, effort.threads)
    system.many(data.queries[:64], effort.k)  # the first call of a setting may lay out memory
    batch, found = many_us(system, data.queries, effort.k)
    system.use(setting, 1)
    single = float(np.median(one_us(system, data.queries[: effort.singles], effort.k)))
    return Point(system.params, setting, recall_of(found, data, effort.k), batch, single)


def _serves(system: System, point: Point, target: float) -> bool:
    return point.setting["recall"] == target if system.promises else point.recall >= target


def _shortlist(system: System, points: list[Point], effort: Effort) -> list[Point]:
    """The few cheapest points for each mode and target, and one with recall to spare; each once."""
    kept: dict[str, Point] = {}
    for mode in MODES:
        for target in effort.targets:
            able = sorted((p for p in points if _serves(system, p, target)), key=lambda p: p.cost(mode))
            safe = [p for p in able if p.recall >= target + 0.003]
            kept |= {label(p.setting): p for p in able[: effort.finalists] + safe[:1]}
    return list(kept.values())


def _retimed(system: System, points: list[Point], data: DataSet, effort: Effort) -> list[Point]:
    """The same points with recall on all choosing queries and medians of rounds in which they took turns."""
    found = []
    spent = _by_turns([system] * len(points), points, data, effort, MODES)
    for point, (batch, single) in zip(points, spent, strict=True):
        system.use(point.setting, effort.threads)
        recall = recall_of(system.many(data.queries, effort.k), data, effort.k)
        found.append(Point(point.build, point.setting, recall, float(batch), float(single)))
    return found


def frontier(points: list[Point], mode: Mode) -> list[Point]:
    """The points that no other one beats in both recall and cost, by growing recall."""
    kept: list[Point] = []
    for point in sorted(points, key=lambda p: (p.cost(mode), -p.recall)):
        if not kept or point.recall > kept[-1].recall:
            kept.append(point)
    return kept
