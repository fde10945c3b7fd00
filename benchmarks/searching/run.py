"""One data set, measured whole: builds, choice of settings, report."""

from __future__ import annotations

import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.searching.catalogue import OURS, SYSTEMS
from benchmarks.searching.data import DataSet
from benchmarks.searching.drawn import Drawing, drawn
from benchmarks.searching.finals import Rounds, reported
from benchmarks.searching.grids import TARGETS
from benchmarks.searching.ours import Ours
from benchmarks.searching.shelf import Shelf
from benchmarks.searching.sweep import Effort, choose
from benchmarks.searching.system import label
from hierindex.errors import HierIndexError

__all__ = ["Plan", "built", "measured"]


@dataclass(frozen=True)
class Plan:
    """What is measured and how hard.

    Attributes:
        systems: their names. cache: the folder of data and builds. effort, rounds: of the choice and of the report.
        again: systems to build anew though a build is kept. drawing: of the report's curves.
    """

    systems: tuple[str, ...]
    cache: Path
    effort: Effort = field(default_factory=lambda: Effort(TARGETS))
    rounds: Rounds = field(default_factory=Rounds)
    again: frozenset[str] = frozenset()
    drawing: Drawing = field(default_factory=Drawing)


def built(data: DataSet, plan: Plan) -> None:
    """Make the builds that are kept, so that a later run need not wait for them."""
    shelf, (n, d) = Shelf(data, plan.cache, plan.effort.threads, plan.again), data.base.shape
    for name in plan.systems:
        kind = SYSTEMS[name]
        for params in kind.builds(n, d, data.metric)[: plan.effort.builds] if kind.kept else []:
            facts = shelf.facts(name, params)
            print(f"{data.name}: {name} {label(params)}: {facts['seconds']:.1f} s", flush=True)


def measured(data: DataSet, plan: Plan) -> dict[str, Any]:
    """Everything about one set: facts, builds, rows of the report, curves, and what failed."""
    shelf = Shelf(data, plan.cache, plan.effort.threads, plan.again)
    choosing, reporting = data.halves()
    chosen, tries, builds, failed = {}, {}, [], {}
    for name in plan.systems:
        try:
            found, tried = choose(name, shelf, choosing, plan.effort)
        except (subprocess.CalledProcessError, HierIndexError, ImportError, RuntimeError, ValueError) as error:
            failed[name] = str(error)
            print(f"{data.name}: {name} left out: {error}")
            continue
        chosen[name], tries[name] = found, tried
        distinct = {label(point.build): point.build for point in tried}
        builds += [{"system": name, "build": build} | shelf.facts(name, build) for build in distinct.values()]
        print(f"{data.name}: {name}: {len(tried)} settings of {len(distinct)} builds", flush=True)
    rows = reported(chosen, shelf, reporting, plan.rounds)
    return {
        "facts": data.facts,
        "metric": data.metric,
        "k": plan.effort.k,
        "targets": list(plan.effort.targets),
        "threads": plan.effort.threads,
        "rounds": asdict(plan.rounds),
        "rows": rows,
        "profile": _profile(shelf, reporting, plan) if OURS in chosen else [],
        "builds": builds,
        "drawing": asdict(plan.drawing),
        "curves": drawn(tries, chosen, shelf, reporting, (plan.rounds, plan.drawing)),
        "failed": failed,
    }


def _profile(shelf: Shelf, data: DataSet, plan: Plan) -> list[dict[str, Any]]:
    """Where our microseconds go at each target, on some of the reporting queries."""
    ours = shelf.index(OURS, {})
    assert isinstance(ours, Ours)
    return [ours.profile(data.queries[: plan.rounds.slow], plan.effort.k, each) for each in plan.effort.targets]
