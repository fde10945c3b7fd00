"""Builds: each in a process of its own, where its time and memory are measured, and kept in the cache if it may be."""

from __future__ import annotations

import argparse
import ctypes
import datetime as dt
import gc
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.common import ROOT
from benchmarks.searching.catalogue import SYSTEMS
from benchmarks.searching.data import DataSet, base_of
from benchmarks.searching.system import Params, System, label

__all__ = ["Shelf", "main"]


@dataclass
class Shelf:
    """Indexes of one data set, built when first asked for.

    Attributes:
        data: the set. cache: its folder's parent. threads: of a build. again: systems to build anew though kept.
    """

    data: DataSet
    cache: Path
    threads: int
    again: frozenset[str] = frozenset()
    _live: dict[tuple[str, str], System] = field(default_factory=dict)
    _facts: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def facts(self, name: str, params: Params) -> dict[str, Any]:
        """Seconds and bytes of a build, measured in a process of its own; from the cache where the build is kept.

        Raises:
            subprocess.CalledProcessError: the process died.
        """
        key, note = (name, label(params)), self._path(name, params).with_suffix(".json")
        if key in self._facts:
            return self._facts[key]
        if not SYSTEMS[name].kept or not note.exists() or name in self.again:
            note.parent.mkdir(parents=True, exist_ok=True)
            words = [
                "--system",
                name,
                "--params",
                json.dumps(params),
                "--set",
                self.data.name,
                "--cache",
                str(self.cache),
            ]
            words += ["--rows", str(len(self.data.base)), "--threads", str(self.threads), "--out", str(note)]
            environment = os.environ | {"OMP_NUM_THREADS": str(self.threads)}
            subprocess.run([sys.executable, "-m", __name__, *words], check=True, cwd=ROOT, env=environment)
        self._facts[key] = json.loads(note.read_text())
        return self._facts[key]

    def index(self, name: str, params: Params) -> System:
        """The index, live; loaded where it is kept, built here where it is not."""
        key = name, label(params)
        if key not in self._live:
            kind = SYSTEMS[name]
            if kind.kept:
                self.facts(name, params)
                self._live[key] = kind.load(self._path(name, params), self.data.base, self.data.metric, params)
            else:
                self._live[key] = kind.build(self.data.base, self.data.metric, params, self.threads)
        return self._live[key]

    def put_back(self, name: str, params: Params) -> None:
        """Free its memory if it can be had again from the cache."""
        if SYSTEMS[name].kept:
            self._live.pop((name, label(params)), None)

    def _path(self, name: str, params: Params) -> Path:
        folder = self.cache / self.data.name / f"builds-{len(self.data.base)}"
        return folder / f"{SYSTEMS[name].stem}-{label(params)}.index"


def main() -> None:
    """Build one index, say what it took, keep it."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    for name in ("--system", "--params", "--set", "--cache", "--rows", "--threads", "--out"):
        parser.add_argument(name, required=True)
    args = parser.parse_args()
    kind, params, out = SYSTEMS[args.system], json.loads(args.params), Path(args.out)
    kind.wake()
    before = resident()
    base, metric = base_of(args.set, Path(args.cache), int(args.rows))
    start = time.perf_counter()
    index = kind.build(base, metric, params, int(args.threads))
    seconds = time.perf_counter() - start
    del base
    facts: dict[str, Any] = {
        "seconds": seconds,
        "resident_bytes": resident() - before,
        "told_bytes": index.told_bytes(),
        "load": os.getloadavg()[0],
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "threads": int(args.threads),
        "facts": index.facts(),
    }
    if kind.kept:
        index.save(out.with_suffix(".index"))
    out.write_text(json.dumps(facts))


def resident() -> int:
    """Bytes of memory that this process holds, after what is free was given back."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status should name VmRSS")


if __name__ == "__main__":
    main()
