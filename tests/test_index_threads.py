"""Work by parts: each in one thread, with one OpenMP thread; what is found does not depend on how many there are."""

import os
import threading
import time

import faiss
import numpy as np
import pytest
from index_cases import build, mixture

from hierindex.index import centroids
from hierindex.index.heat import HeatCounter
from hierindex.index.threads import in_parts, omp_threads
from hierindex.vectors import Metric


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 100])
@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_parts_cover_everything_once(n, threads):
    seen = []
    with omp_threads(threads):
        in_parts(lambda part: seen.append((part.start, part.stop, faiss.omp_get_max_threads())), n, 8)
    ranges = [range(start, stop) for start, stop, _ in sorted(seen)]
    assert [number for each in ranges for number in each] == list(range(n))
    assert all(len(each) <= 8 for each in ranges)
    assert {own for _, _, own in seen} <= {threads if len(seen) < 2 else 1}


def test_parts_are_worked_on_side_by_side():
    together = threading.Barrier(2, timeout=30)  # breaks, and fails, where the second part waits for the first
    with omp_threads(2):
        in_parts(lambda _: together.wait(), 2, 1)


def test_one_thread_takes_one_part_after_another():
    seen = []
    with omp_threads(1):
        in_parts(lambda part: seen.append((part.start, threading.get_ident())), 5, 1)
    assert seen == [(number, threading.get_ident()) for number in range(5)]


def test_an_error_reaches_the_caller_and_ends_the_others():
    tried, begun = [], threading.Event()

    def work(part):
        tried.append(part)
        if threading.current_thread() is threading.main_thread():
            begun.wait(30)
            raise ValueError("no such leaf")
        begun.set()
        time.sleep(0.02)

    with omp_threads(2), pytest.raises(ValueError, match="no such leaf"):
        in_parts(work, 100, 1)
    assert len(tried) < 10


def test_an_error_of_another_thread_reaches_the_caller():
    begun = threading.Event()

    def work(part):
        if threading.current_thread() is not threading.main_thread():
            begun.set()
            raise ValueError("no such leaf")
        begun.wait(30)

    with omp_threads(2), pytest.raises(ValueError, match="no such leaf"):
        in_parts(work, 2, 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork is not on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_has_helpers_of_its_own():
    with omp_threads(2):
        in_parts(lambda _: None, 2, 1)
        if (child := os.fork()) == 0:
            failed = 1
            try:
                together = threading.Barrier(2, timeout=20)
                in_parts(lambda _: together.wait(), 2, 1)
                failed = 0
            finally:
                os._exit(failed)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("scan", ["flat", "pq"])
def test_the_number_of_threads_changes_no_answer(scan, monkeypatch):
    monkeypatch.setattr(centroids, "_AT_ONCE", 4 * 60 * 50)  # 50 queries a part
    snapshot = build(mixture(4_000, 16, spread=0.8), Metric.L2, flat_below=0, n_leaves=60, leaf_scan=scan)
    queries = mixture(700, 16, seed=4, spread=0.8)
    rows, distances = snapshot.search(queries, 7, 0.9, num_threads=1)
    for threads in (2, 3, 8):
        found = snapshot.search(queries, 7, 0.9, num_threads=threads)
        np.testing.assert_array_equal(found[0], rows)
        np.testing.assert_array_equal(found[1], distances)


def test_every_touch_is_counted_whatever_the_threads(monkeypatch):
    monkeypatch.setattr(centroids, "_AT_ONCE", 4 * 60 * 50)
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
