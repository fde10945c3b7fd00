"""A process that writes until it is killed, and what has to be there afterwards.

The tests kill it some times, ``python -m benchmarks.updates crash`` some hundred times.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from updates_cases import payload_of, seed_index, vector_of

from hierindex import HierIndex

__all__ = ["Report", "kill_often"]

_ROOM = 400  # ids that come and go, so that the index stays small however long this takes


@dataclass
class Report:
    """What was seen over some kills: changes acknowledged, and what the last one, not acknowledged, had come to."""

    kills: int = 0
    acknowledged: int = 0
    published: int = 0
    undone: int = 0
    operations: dict[str, int] = field(default_factory=dict)


def change_of(number: int, seed: int, held: dict[int, int]) -> tuple[str, list[int]]:
    """The number-th change of a writer: what to do, and with which ids; follows from what the index holds."""
    rng = np.random.default_rng([seed, number])
    what = rng.choice(["add", "upsert", "delete", "payload", "compact", "vacuum"], p=[0.3, 0.25, 0.15, 0.15, 0.1, 0.05])
    known = np.array(sorted(held))
    free = np.setdiff1d(np.arange(_ROOM), known)
    n = int(rng.integers(1, 40))
    if what == "add" and len(free):
        return "add", rng.permutation(free)[:n].tolist()
    if what == "delete" and len(known) > 100:
        return "delete", rng.permutation(known)[:n].tolist()
    if what == "payload":
        return "payload", rng.permutation(known)[:n].tolist()
    return ("upsert", rng.permutation(_ROOM)[:n].tolist()) if what in ("add", "delete", "upsert") else (str(what), [])


def apply(index: HierIndex, what: str, ids: list[int], revision: int) -> None:
    """Make a change."""
    rows = np.stack([vector_of(i, revision) for i in ids]) if ids else None
    payload = [payload_of(i, revision) for i in ids]
    if what == "add":
        index.add(rows, ids=ids, payload=payload)
    elif what == "upsert":
        index.upsert(rows, ids, payload=payload)
    elif what == "delete":
        index.delete(ids)
    elif what == "payload":
        index.update_payload(ids, [{"note": f"edit {revision}"} for _ in ids])
    elif what == "compact":
        index.compact()
    else:
        index.vacuum(retain=2)


def expected(state: dict[int, tuple[int, str | None]], what: str, ids: list[int], revision: int) -> dict:
    """The state, id to (revision of the vector, note), after a change."""
    new = dict(state)
    for i in ids:
        if what == "delete":
            del new[i]
        elif what == "payload":
            new[i] = (new[i][0], f"edit {revision}")
        else:
            new[i] = (revision, payload_of(i, revision)["note"])
    return new


def state_of(index: HierIndex) -> dict[int, tuple[int, str | None]]:
    """What an index holds, after its vectors were seen to be those of their revisions."""
    payload = index.payload().to_pylist()
    state = {i: (p["rev"], p["note"]) for i, p in zip(index.ids.tolist(), payload, strict=True)}
    wanted = np.stack([vector_of(i, revision) for i, (revision, _) in state.items()])
    np.testing.assert_array_equal(index.vectors(), wanted)
    return state


def write_for_ever(path: str, seed: int, first: int, out: int) -> None:
    """Say what comes, do it, say that it is done."""
    index = HierIndex.open(path)
    held = {i: r for i, (r, _) in state_of(index).items()}
    number = first
    while True:
        what, ids = change_of(number, seed, held)
        os.write(out, f"{json.dumps([number, what, ids])}\n".encode())
        apply(index, what, ids, number)
        held = {i: r for i, (r, _) in expected({i: (r, None) for i, r in held.items()}, what, ids, number).items()}
        os.write(out, b"done\n")
        number += 1


def kill_often(path: Path, kills: int, seed: int = 0, longest: float = 0.4) -> Report:
    """Let a writer be killed so many times, at random moments; after each, compare, search, and let it go on."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["updates_crash", "hierindex.storage", "hierindex.api.writer"])
    rng, report, number = np.random.default_rng(seed), Report(), 1
    seed_index(flat=bool(seed % 2)).save(path)
    state = state_of(HierIndex.open(path))
    for _ in range(kills):
        read, write = os.pipe()
        os.set_inheritable(write, True)
        child = context.Process(target=_child, args=(str(path), seed, number, multiprocessing.reduction.DupFd(write)))
        child.start()
        os.close(write)
        said = _until_killed(child, read, float(rng.uniform(0, longest)))
        for line in said:
            report.operations[line[1]] = report.operations.get(line[1], 0) + 1
        report.kills += 1
        done, pending = (said, None) if not said or said[-1][3] else (said[:-1], said[-1])
        for number_, what, ids, _ in done:
            state = expected(state, what, ids, number_)
        report.acknowledged += len(done)
        found = state_of(HierIndex.open(path))
        if pending is not None and found != state:
            after = expected(state, pending[1], pending[2], pending[0])
            assert found == after, f"half of a batch: {pending}"
            state, report.published = after, report.published + 1
        else:
            assert found == state, "an acknowledged batch is not there"
            report.undone += pending is not None
        _searches_right(path, state)
        number = max([number, *(line[0] + 1 for line in said)])
    return report


def _child(path: str, seed: int, first: int, out) -> None:
    write_for_ever(path, seed, first, out.detach())


def _until_killed(child, read: int, seconds: float) -> list[tuple[int, str, list[int], bool]]:
    """What the child said until it was killed, so many seconds after its first word: changes, and whether done."""
    said = os.read(read, 65_536)  # its first word; nothing if it died by itself
    assert said, "the writer failed"
    time.sleep(seconds)
    assert child.is_alive(), "the writer failed"
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    while more := os.read(read, 65_536):
        said += more
    os.close(read)
    lines = said.decode().splitlines()
    changes = [json.loads(line) for line in lines if line.startswith("[") and line.endswith("]]")]
    done = lines.count("done")
    assert done in (len(changes), len(changes) - 1)
    return [(number, what, ids, at < done) for at, (number, what, ids) in enumerate(changes)]


def _searches_right(path: Path, state: dict[int, tuple[int, str | None]]) -> None:
    index = HierIndex.open(path)
    some = list(state)[:: max(1, len(state) // 9)]
    hits = index.search(np.stack([vector_of(i, state[i][0]) for i in some]), k=1, nprobe=1_000)
    assert hits.ids[:, 0].tolist() == some
    assert (hits.distances < 1e-3).all()
