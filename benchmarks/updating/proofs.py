"""The proofs that take longer than a test may: hundreds of kills, a full disk, thousands of random steps."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.common import ROOT

__all__ = ["crash", "full_disk", "long"]


def crash(kills: int, seed: int) -> dict[str, Any]:
    """Kill a writer so many times; half of them over a small index, half over one that is searched through leaves."""
    cases = _tests("updates_crash")
    began, total = time.perf_counter(), Counter[str]()
    operations: Counter[str] = Counter()
    for part in range(2):
        with tempfile.TemporaryDirectory() as folder:
            report = asdict(cases.kill_often(Path(folder) / "v.index", kills // 2, seed=seed + part))
        operations.update(report.pop("operations"))
        total.update(report)
        print(f"killed {total['kills']} times: {dict(total)}")
    return dict(total) | {"operations": dict(operations), "seconds": time.perf_counter() - began}


def full_disk(megabytes: int, seed: int) -> dict[str, Any] | None:
    """Write to a small file system until it is full, then on with more room; None without the right to mount one."""
    cases, small = _tests("updates_crash"), _tests("updates_cases")
    from hierindex import HierIndex
    from hierindex.errors import StorageError

    with tempfile.TemporaryDirectory() as folder:
        words = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder]
        if subprocess.run(words, capture_output=True, check=False).returncode:
            return None
        try:
            path = Path(folder) / "v.index"
            small.seed_index().save(path)
            index = HierIndex.open(path)
            state, done, refused = cases.state_of(index), 0, 0
            for number in range(1, 10_000):
                what, ids = cases.change_of(number, seed, {i: r for i, (r, _) in state.items()})
                if what == "vacuum" and not refused:
                    continue  # so that the disk does become full
                try:
                    cases.apply(index, what, ids, number)
                except StorageError:
                    refused += 1
                else:
                    state, done = cases.expected(state, what, ids, number), done + 1
                assert cases.state_of(HierIndex.open(path)) == state, "not what was acknowledged"
                index.refresh()
                if refused >= 25:
                    break
            more = ["mount", "-o", f"remount,size={2 * megabytes}m", folder]
            subprocess.run(more, capture_output=True, check=True)  # room again: it goes on
            index.compact()
            freed = index.vacuum(retain=1)
            index.add(cases.vector_of(9_999, 1)[None], ids=[9_999], payload=[cases.payload_of(9_999, 1)])
            assert len(cases.state_of(HierIndex.open(path))) == len(state) + 1
            return {"megabytes": megabytes, "done": done, "refused": refused, "freed": freed.bytes}
        finally:
            subprocess.run(["umount", folder], check=False)


def long(examples: int, steps: int) -> dict[str, Any]:
    """Thousands of steps of the state machine of the tests."""
    from hypothesis import HealthCheck, Phase, settings
    from hypothesis.stateful import run_state_machine_as_test

    machine = _tests("updates_machine").Machine
    began = time.perf_counter()
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
            database=None,
        ),
    )
    return {"examples": examples, "steps_each_at_most": steps, "seconds": time.perf_counter() - began}


def _tests(name: str) -> Any:  # noqa: ANN401 - a module
    """A module of the tests: what is proved here is what they prove, longer."""
    tests = str(ROOT / "tests")
    if tests not in sys.path:
        sys.path.insert(0, tests)
    return importlib.import_module(name)
