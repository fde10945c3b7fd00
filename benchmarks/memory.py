"""What the rows cost in memory: ours held and mapped, beside FAISS and hnswlib; and what mapping costs a query.

    python -m benchmarks.memory --cache DIR [--data sift1m] [--rows N] [--again]

Every index is opened in a process of its own, whose anonymous memory is read before and after; what is mapped from a
file is not in it. Rivals are the builds that `benchmarks.search --build` has kept in the cache; one that is missing is
left out. Then one process opens ours both ways and asks both by turns: with the file in the system's page cache, and
with its pages dropped before every round (of this one file, never of the system's whole cache).
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import mmap
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import ROOT, about, write
from benchmarks.searching.catalogue import SYSTEMS
from benchmarks.searching.clock import many_us, one_us
from benchmarks.searching.data import SETS, DataSet, base_of, load
from benchmarks.searching.judge import recall_of
from benchmarks.searching.ours import Ours
from benchmarks.searching.system import Params, label
from hierindex import HierIndex

RECALL, K = 0.95, 10
RIVALS = ("faiss flat", "faiss IVF-PQfs, RFlat", "faiss IVF-PQfs, re-rank", "hnswlib")
OURS = ("memory", "mapped, first", "mapped")


def main() -> None:
    """Run it."""
    args = _arguments()
    if args.measure:
        print(json.dumps(_opened(args)))
        return
    data = load(args.data, args.cache, rows=args.rows)
    if data is None:
        return
    path = _built(data, args)
    opened = [_elsewhere(args, name, None) for name in OURS]
    for name in RIVALS:
        params = _kept(data, args.cache, name)
        if params is None:
            print(f"{name}: left out, no build of it is in the cache")
        else:
            opened.append(_elsewhere(args, name, params))
    result = {
        "facts": data.facts | {"metric": data.metric},
        "recall": RECALL,
        "rounds": args.rounds,
        "opened": opened,
        "queries": _asked(path, data, args),
    }
    write(args.out, about(__file__, seed=0, data="benchmarks/searching/data.py") | result)


def _built(data: DataSet, args: argparse.Namespace) -> Path:
    """The saved index of the set, made where it is missing."""
    path = _index_path(args.cache, data.name, len(data.base))
    if args.again or not path.exists():
        HierIndex.from_vectors(data.base, metric=data.metric).save(path, overwrite=True)
    return path


def _index_path(cache: Path, name: str, rows: int) -> Path:
    return cache / name / f"memory-{rows}.index"


def _kept(data: DataSet, cache: Path, name: str) -> Params | None:
    """A build of a rival that can be had: of several the one in the middle."""
    kind = SYSTEMS[name]
    builds = kind.builds(len(data.base), data.base.shape[1], data.metric)
    folder = cache / data.name / f"builds-{len(data.base)}"
    there = [each for each in builds if not kind.kept or (folder / f"{kind.stem}-{label(each)}.index").exists()]
    return there[len(there) // 2] if there else None


# ---- memory and time to open, each in a process of its own


def _elsewhere(args: argparse.Namespace, name: str, params: Params | None) -> dict[str, Any]:
    words = ["--cache", str(args.cache), "--data", args.data, "--measure", name, "--params", json.dumps(params)]
    words += [] if args.rows is None else ["--rows", str(args.rows)]
    environment = os.environ | {"OMP_NUM_THREADS": str(args.threads)}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", *words],
        check=True,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"{name}: {found['bytes_a_row']:.0f} bytes a row, opened in {found['seconds']:.2f} s", flush=True)
    return found


def _opened(args: argparse.Namespace) -> dict[str, Any]:
    """What an index takes, opened and asked once."""
    n = args.rows or len(np.load(args.cache / args.data / "base.npy", mmap_mode="r"))
    queries = np.load(args.cache / args.data / "query.npy")[:100]
    name, params, told = args.measure, json.loads(args.params), {}
    if name in OURS:
        path = _index_path(args.cache, args.data, n)
        _rehearsed()
        if name == "mapped, first":
            for file in (path / "rows").glob("0*"):
                file.unlink()
        before, start = anonymous(), time.perf_counter()
        index = HierIndex.open(path, rows=name.partition(",")[0])
        seconds = time.perf_counter() - start
        index.search(queries, K, recall=RECALL)
        told, after = index.info()["memory"], anonymous()
    else:
        kind = SYSTEMS[name]
        base, metric = base_of(args.data, args.cache, n)
        system: Any = None
        file = args.cache / args.data / f"builds-{n}" / f"{kind.stem}-{label(params)}.index"
        before, start = anonymous(), time.perf_counter()
        system = kind.load(file, base, metric, params) if kind.kept else kind.build(base, metric, params, args.threads)
        seconds = time.perf_counter() - start
        system.use(system.settings()[0][0], args.threads)
        system.many(queries, K)
        after = anonymous() + (base.nbytes if getattr(system, "base", None) is base else 0)  # it needs the caller's
    return {"system": name, "params": params, "seconds": seconds, "bytes_a_row": (after - before) / n, "told": told}


def _rehearsed() -> None:
    """Open and ask a small index, so that what is imported and started for that does not count."""
    with tempfile.TemporaryDirectory() as folder:
        rows = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
        HierIndex.from_vectors(rows, path=Path(folder) / "small.index")
        for kind in ("memory", "mapped"):
            HierIndex.open(Path(folder) / "small.index", rows=kind).search(rows, 1)


def anonymous() -> int:
    """Bytes of this process's own memory, after what is free was given back; files that are mapped are not in it."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status should name RssAnon")


# ---- what a query costs


def _asked(path: Path, data: DataSet, args: argparse.Namespace) -> dict[str, Any]:
    """Microseconds of batches and single queries, held and mapped by turns; mapped also with the pages dropped."""
    held, mapped = HierIndex.open(path), HierIndex.open(path, rows="mapped")
    systems = {"memory": Ours({}, held), "mapped": Ours({}, mapped)}
    asked, alone = data.queries[: args.queries], data.queries[-args.singles :]
    times: dict[str, list[tuple[float, float, float]]] = {"memory": [], "mapped": [], "dropped": []}
    read: list[tuple[float, float]] = []
    recalls = {}
    for name, system in systems.items():
        system.use({"recall": RECALL}, args.threads)
        recalls[name] = recall_of(system.many(data.queries, K), data, K)
    for _ in range(args.rounds):
        for name, system in systems.items():
            times[name].append(_timed(system, asked, alone, args.threads))
        _drop(mapped, path)
        start = _read_bytes()
        systems["mapped"].use({"recall": RECALL}, args.threads)
        batch = many_us(systems["mapped"], asked, K)[0]
        middle = _read_bytes()
        _drop(mapped, path)
        systems["mapped"].use({"recall": RECALL}, 1)
        before = _read_bytes()
        singles = one_us(systems["mapped"], alone, K)
        read.append(((middle - start) / len(asked), (_read_bytes() - before) / len(alone)))
        times["dropped"].append((batch, float(np.median(singles)), float(np.percentile(singles, 99))))
    same = all(
        np.array_equal(held.search(asked, K, recall=recall).ids, mapped.search(asked, K, recall=recall).ids)
        for recall in (RECALL, 1)
    )
    return {
        "us": {name: np.median(rows, axis=0).tolist() for name, rows in times.items()},
        "ratio": {
            name: np.median(np.array(times[name]) / np.array(times["memory"]), axis=0).tolist()
            for name in ("mapped", "dropped")
        },
        "read_bytes": np.median(read, axis=0).tolist(),
        "recall": recalls,
        "same": same,
        "batch": len(asked),
        "singles": len(alone),
        "threads": args.threads,
        "load": os.getloadavg()[0],
    }


def _timed(system: Ours, asked: Any, alone: Any, threads: int) -> tuple[float, float, float]:  # noqa: ANN401 - arrays
    system.use({"recall": RECALL}, threads)
    batch = many_us(system, asked, K)[0]
    system.use({"recall": RECALL}, 1)
    system.one(alone[:1], K)
    singles = one_us(system, alone, K)
    return batch, float(np.median(singles)), float(np.percentile(singles, 99))


def _drop(index: HierIndex, path: Path) -> None:
    """Take the pages of the mapped file out of this process and then out of the system's page cache."""
    view: Any = index._view.snapshot.rows
    while isinstance(view, np.ndarray):
        view = view.base
    mapping = view.obj if isinstance(view, memoryview) else view
    assert isinstance(mapping, mmap.mmap)
    mapping.madvise(mmap.MADV_DONTNEED)  # nothing was added: no page is this process's own
    for file in (path / "rows").glob("*.f32"):
        handle = os.open(file, os.O_RDONLY)
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def _read_bytes() -> int:
    """Bytes that this process has made the disk deliver."""
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("read_bytes"):
            return int(line.split()[1])
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="folder of data, exact neighbours and builds")
    parser.add_argument("--data", choices=SETS, default="sift1m")
    parser.add_argument("--rows", type=int, help="only the first so many base rows")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--queries", type=int, default=2_000, help="of a batch")
    parser.add_argument("--singles", type=int, default=500, help="queries asked one by one in a round")
    parser.add_argument("--threads", type=int, default=2, help="of a batch")
    parser.add_argument("--again", action="store_true", help="build our index anew though one is kept")
    parser.add_argument("--out", default="memory", help="name of the result file")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--params", default="null", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
