"""The server under load on loopback, beside the same index called directly in a process.

    python -m benchmarks.serving --data bigann10k sift1m --cache bench-work/search --seconds 10 --rounds 3

It needs ``wrk`` (apt-get install wrk), a load generator in C that takes little of the processor from the server; and
for each data set (5 + 2 * numbers of connections) * seconds * rounds, beside building the index the first time. All are
measured by turns in each round, and medians over rounds are kept: one caller in a process, and as many as cores; the
server at so many connections, each waiting for its answer before it asks again, as it is and with its gathering of
waiting queries switched off ("alone"); batches of 100 queries both ways; and ``/healthz``, which searches nothing: what
the HTTP stack itself takes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import about, write
from benchmarks.searching.data import SETS, DataSet, load
from hierindex import HierIndex
from hierindex.vectors import Float32

K, RECALL, BATCH = 10, 0.95, 100
Load = dict[str, float]
_SERVE = """
import sys
from hierindex import HierIndex
from hierindex.server import ServerConfig
from hierindex.server.run import Listen, serve
serve(HierIndex.open(sys.argv[1]), ServerConfig(together=sys.argv[2] == "True"), Listen(port=0))
"""
_LUA = Path(__file__).with_name("serving.lua")


def main() -> None:
    args = _arguments()
    if shutil.which("wrk") is None:
        raise SystemExit("this measurement needs wrk; run: apt-get install wrk")
    sets = []
    for name in args.data:
        data = load(name, args.cache)
        if data is not None:
            sets.append(_measured(data, args))
    result = about(__file__, seed=0, data=", ".join(args.data)) | {
        "k": K,
        "recall": RECALL,
        "batch": BATCH,
        "seconds": args.seconds,
        "rounds": args.rounds,
        "load_before": os.getloadavg()[0],
        "tool": subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False).stdout.split("[")[0].strip(),
        "sets": sets,
    }
    write(args.name, result)


def _measured(data: DataSet, args: argparse.Namespace) -> dict[str, Any]:
    place = args.cache / f"serving-{data.name}.index"
    if not place.exists():
        HierIndex.from_vectors(data.base, metric=data.metric, path=place)
    index = HierIndex.open(place)
    hits = index.search(data.queries, K, recall=RECALL)
    reached = np.mean([len(set(a) & set(b)) / K for a, b in zip(hits.ids, data.truth[:, :K], strict=True)])
    with _server(place) as url, _server(place, alone=True) as other, tempfile.TemporaryDirectory() as folder:
        bodies = _Bodies(Path(folder), data.queries)
        _same(url, index, data.queries)
        ways = _ways(index, data.queries, (url, other), bodies, args)
        rounds: dict[str, list[Load]] = {way: [] for way in ways}
        for _ in range(args.rounds):
            for way, run in ways.items():
                rounds[way].append(run())
                print(data.name, way, {key: round(value, 1) for key, value in rounds[way][-1].items()}, flush=True)
    return {
        "set": data.name,
        "rows": len(data.base),
        "dim": data.base.shape[1],
        "metric": data.metric,
        "recall": float(reached),
        "ways": {way: _median(each) for way, each in rounds.items()},
    }


def _ways(
    index: HierIndex, queries: Float32, urls: tuple[str, str], bodies: _Bodies, args: argparse.Namespace
) -> dict[str, Callable[[], Load]]:
    """Everything that is measured, by name; each runs for some seconds."""
    (url, other), seconds, cores = urls, args.seconds, os.cpu_count() or 1

    def one(rows: Float32) -> None:
        index.search(rows, K, recall=RECALL, num_threads=1)

    singles, batches = list(queries[:, None]), [queries[at : at + BATCH] for at in range(0, len(queries), BATCH)]
    ways: dict[str, Callable[[], Load]] = {
        "library, 1 thread": lambda: _called(one, singles, 1, seconds),
        f"library, {cores} threads": lambda: _called(one, singles, cores, seconds),
        f"library, batches, {cores} threads": lambda: _called(one, batches, cores, seconds),
    }
    for n in args.connections:
        ways[f"server, {n}"] = partial(_wrk, url, "/v1/search", bodies.single, n, seconds)
        ways[f"server, alone, {n}"] = partial(_wrk, other, "/v1/search", bodies.single, n, seconds)
    ways[f"server, batches, {cores}"] = lambda: _wrk(url, "/v1/search", bodies.batch, cores, seconds)
    ways["server, nothing searched, 8"] = lambda: _wrk(url, "/healthz", None, 8, seconds)
    return ways


class _Bodies:
    """Files of request bodies, one a line, which the load generator sends one after the other."""

    def __init__(self, folder: Path, queries: Float32) -> None:
        self.single, self.batch = folder / "single", folder / "batch"
        how = {"k": K, "recall": RECALL}
        self.single.write_text("".join(json.dumps({"vector": row.tolist(), **how}) + "\n" for row in queries[:1_000]))
        parts = [queries[at : at + BATCH].tolist() for at in range(0, min(len(queries), 20 * BATCH), BATCH)]
        self.batch.write_text("".join(json.dumps({"vectors": part, **how}) + "\n" for part in parts))


@contextmanager
def _server(place: Path, *, alone: bool = False) -> Iterator[str]:
    """A server in a process of its own, as `hierindex serve` runs it, and ready; its address."""
    words = [sys.executable, "-c", _SERVE, str(place), str(not alone)]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(words, stderr=log)
        try:
            yield _address(process, log)
        finally:
            process.terminate()
            process.wait(60)


def _address(process: subprocess.Popen[bytes], log: Any) -> str:  # noqa: ANN401 - an open file
    for _ in range(6_000):
        log.seek(0)
        lines = [json.loads(line) for line in log if line.startswith("{")]
        if any(line["event"] == "ready" for line in lines):
            return next(str(line["url"]) for line in lines if line["event"] == "listening")
        if process.poll() is not None:
            raise SystemExit("the server ended before it was ready")
        time.sleep(0.1)
    raise SystemExit("the server did not become ready in ten minutes")


def _same(url: str, index: HierIndex, queries: Float32) -> None:
    """Stop unless the server answers what the library does."""
    from hierindex.client import Client

    with Client(url) as client:
        told, own = client.search(queries[:BATCH], K, recall=RECALL), index.search(queries[:BATCH], K, recall=RECALL)
    if not np.array_equal(told.ids, own.ids):
        raise SystemExit("the server answered something else than the library")


def _called(search: Callable[[Float32], None], queries: list[Float32], threads: int, seconds: float) -> Load:
    """The library, called by some threads one query (or batch) after the other."""
    times: list[list[float]] = [[] for _ in range(threads)]
    end = time.perf_counter() + seconds

    def caller(thread: int) -> None:
        at = thread
        while (before := time.perf_counter()) < end:
            search(queries[at % len(queries)])
            times[thread].append(time.perf_counter() - before)
            at += threads

    callers = [threading.Thread(target=caller, args=(thread,)) for thread in range(threads)]
    for each in callers:
        each.start()
    for each in callers:
        each.join()
    taken = np.concatenate(times) * 1e3
    rows = float(np.mean([len(each) for each in queries]))
    return {
        "qps": len(taken) * rows / seconds,
        "p50_ms": float(np.percentile(taken, 50)),
        "p99_ms": float(np.percentile(taken, 99)),
    }


def _wrk(url: str, path: str, bodies: Path | None, connections: int, seconds: float) -> Load:
    """The server, asked over some connections, each of which waits for its answer."""
    before = _processor(url)
    words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s", str(_LUA), url + path]
    environment = os.environ | ({} if bodies is None else {"BODIES": str(bodies)})
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
    found = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    if found["failed"]:
        raise SystemExit(f"{found['failed']} requests failed")
    per = 1 if bodies is None else len(json.loads(bodies.read_text().partition("\n")[0]).get("vectors", [0]))
    queries = found["requests"] * per
    return {
        "qps": queries / found["seconds"],
        "p50_ms": found["p50_ms"],
        "p99_ms": found["p99_ms"],
        "cpu_ms": 1e3 * (_processor(url) - before) / queries,
    }


def _processor(url: str) -> float:
    """Seconds of processor time that the server has taken so far, by its own metrics."""
    with urllib.request.urlopen(f"{url}/metrics") as answer:
        found = re.search(r"^process_cpu_seconds_total (\S+)", answer.read().decode(), re.MULTILINE)
    assert found is not None
    return float(found[1])


def _median(rounds: list[Load]) -> Load:
    return {key: float(np.median([each[key] for each in rounds])) for key in rounds[0]}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=list(SETS), default=["bigann10k"])
    parser.add_argument("--cache", type=Path, required=True, help="where data sets and built indexes are kept")
    parser.add_argument("--connections", nargs="+", type=int, default=[1, 8, 32])
    parser.add_argument("--seconds", type=float, default=10.0, help="for each way in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--name", default="serving", help="of the result")
    return parser.parse_args()


if __name__ == "__main__":
    main()
