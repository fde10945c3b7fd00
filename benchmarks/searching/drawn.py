"""The curves of the pictures: points of all systems on the reporting queries, by turns, round after round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.searching.clock import many_us, one_us
from benchmarks.searching.data import DataSet
from benchmarks.searching.finals import Chosen, Rounds
from benchmarks.searching.judge import recall_of
from benchmarks.searching.shelf import Shelf
from benchmarks.searching.sweep import MODES, Mode, Point, frontier
from benchmarks.searching.system import label

__all__ = ["Drawing", "drawn", "thinned"]


@dataclass(frozen=True)
class Drawing:
    """How curves are timed: at most so many points of a curve, rounds, queries of a batch, and single ones."""

    points: int = 8
    rounds: int = 3
    batch: int = 2_000
    singles: int = 200
    least: float = 0.5


def drawn(
    tried: dict[str, list[Point]], chosen: Chosen, shelf: Shelf, data: DataSet, how: tuple[Rounds, Drawing]
) -> list[dict[str, Any]]:
    """For each system and mode a curve ``[[recall, microseconds a query], ..]`` by growing recall.

    Args:
        tried: what the choosing queries said of each system; what they leave unbeaten is timed again.
        chosen: the points of the report: only their builds are in memory, and only these are drawn.
        shelf: where the indexes are.
        data: the reporting half.
        how: threads and neighbours, and how long a curve may take.
    """
    rounds, drawing = how
    picked: dict[tuple[str, Mode], list[Point]] = {}
    for name, points in tried.items():
        builds = {label(point.build) for point in chosen[name].values()}
        for mode in MODES:
            edge = frontier([point for point in points if label(point.build) in builds], mode)
            picked[name, mode] = thinned([point for point in edge if point.recall >= drawing.least], drawing.points)
    few, spent = data.only(drawing.batch), {key: np.empty((drawing.rounds, len(of))) for key, of in picked.items()}
    recalls = {key: [0.0] * len(of) for key, of in picked.items()}
    for at in range(drawing.rounds):
        for (name, mode), points in picked.items():
            for i, point in enumerate(points):
                system = shelf.index(name, point.build)
                system.use(point.setting, rounds.threads if mode == "batch" else 1)
                if mode == "single":
                    spent[name, mode][at, i] = np.median(one_us(system, few.queries[: drawing.singles], rounds.k))
                if mode == "batch" or at == 0:
                    us, found = many_us(system, few.queries, rounds.k)
                    recalls[name, mode][i] = recall_of(found, few, rounds.k)
                    if mode == "batch":
                        spent[name, mode][at, i] = us
    curves = []
    for (name, mode), times in spent.items():
        ends = sorted(zip(recalls[name, mode], np.median(times, axis=0).tolist(), strict=True))
        curves.append({"system": name, "mode": mode, "points": [list(end) for end in ends]})
    return curves


def thinned(points: list[Point], most: int) -> list[Point]:
    """At most so many of the points, the first and the last among them, evenly between.

    Example:
        >>> [p.recall for p in thinned([Point({}, {}, r / 10, 1, 1) for r in range(10)], 4)]
        [0.0, 0.3, 0.6, 0.9]
    """
    if len(points) <= most:
        return points
    return [points[i] for i in np.unique(np.linspace(0, len(points) - 1, most).round().astype(int))]
