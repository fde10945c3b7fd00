"""A batch by parts: every query in one part, in order, each with one OpenMP thread."""

import os
import threading
import time

import faiss
import numpy as np
import pytest
from index_cases import build, mixture

from hierindex.index import threads as module
from hierindex.index.heat import HeatCounter
from hierindex.index.threads import in_parts, omp_threads
from hierindex.vectors import Metric


@pytest.mark.parametrize("n", [0, 1, 31, 63, 64, 65, 100, 1_000, 10_001])
@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_parts_cover_all_queries_once_and_in_order(n, threads, monkeypatch):
    monkeypatch.setattr(module, "_MOST", 300)
    with omp_threads(threads):
        parts = in_parts(lambda part: (part.start, part.stop, faiss.omp_get_max_threads()), n)
    assert parts[0][0] == 0
    assert parts[-1][1] == n
    assert [start for start, _, _ in parts[1:]] == [stop for _, stop, _ in parts[:-1]]
    if len(parts) > 1:
        assert {own for _, _, own in parts} == {1}
        assert all(32 <= stop - start <= 300 for start, stop, _ in parts)
    else:
        assert threads == 1 or n < 64


def test_parts_are_worked_on_side_by_side():
    together = threading.Barrier(2, timeout=30)  # breaks, and fails, where the second part waits for the first
    with omp_threads(2):
        assert len(in_parts(lambda _: together.wait(), 64)) == 2


def test_an_error_reaches_the_caller_and_ends_the_others(monkeypatch):
    monkeypatch.setattr(module, "_MOST", 64)
    tried, begun = [], threading.Event()

    def search(part):
        tried.append(part)
        if threading.current_thread() is threading.main_thread():
            begun.wait(30)
            raise ValueError("no such leaf")
        begun.set()
        time.sleep(0.02)

    with omp_threads(2), pytest.raises(ValueError, match="no such leaf"):
        in_parts(search, 64 * 100)
    assert len(tried) < 10
    with omp_threads(2):
        assert len(in_parts(lambda part: part, 64)) == 2  # and the next search works


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork is not on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_has_helpers_of_its_own():
    with omp_threads(2):
        in_parts(lambda part: part, 64)
        if (child := os.fork()) == 0:
            failed = 1
            try:
                together = threading.Barrier(2, timeout=20)
                in_parts(lambda _: together.wait(), 64)
                failed = 0
            finally:
                os._exit(failed)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("scan", ["flat", "pq"])
def test_the_number_of_threads_changes_no_answer(scan):
    snapshot = build(mixture(4_000, 16, spread=0.8), Metric.L2, flat_below=0, n_leaves=60, leaf_scan=scan)
    queries = mixture(700, 16, seed=4, spread=0.8)
    rows, distances = snapshot.search(queries, 7, 0.9, num_threads=1)
    for threads in (2, 3, 8):
        found = snapshot.search(queries, 7, 0.9, num_threads=threads)
        np.testing.assert_array_equal(found[0], rows)
        np.testing.assert_array_equal(found[1], distances)


def test_every_touch_is_counted_whatever_the_threads():
    snapshot = build(mixture(4_000, 16, spread=0.8), flat_below=0, n_leaves=60)
    queries = mixture(700, 16, seed=4, spread=0.8)
    sizes = np.zeros(len(snapshot.nodes), np.int64)
    counts = []
    for threads in (1, 4):
        counter = HeatCounter()
        snapshot.search(queries, 5, watch=counter, num_threads=threads)
        heat = counter.heat(snapshot.nodes, sizes)
        counts.append((heat.queries, heat.counts.tolist()))
    assert counts[0] == counts[1]
    assert counts[0][0] == 700
