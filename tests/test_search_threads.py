"""Searches release Python's lock and read safely: counted in steps of other threads, never in seconds."""

import threading
import time

import faiss
import numpy as np
import pytest

from hierindex import BuildConfig, HierIndex
from hierindex.index.config import IndexConfig
from hierindex.index.threads import omp_threads


@pytest.fixture(scope="module")
def rows():
    """800 rows of 32 dimensions in 20 groups."""
    rng = np.random.default_rng(0)
    return (rng.normal(size=(20, 32))[rng.integers(0, 20, 800)] + 0.3 * rng.normal(size=(800, 32))).astype("f4")


@pytest.fixture(scope="module")
def index(rows, quick):
    """Searched through leaves; not to be changed."""
    config = BuildConfig(learn=quick.learn, index=IndexConfig(flat_below=0, n_leaves=20, tune_queries=50))
    return HierIndex.from_vectors(rows, metric="l2", payload={"number": np.arange(800)}, config=config)


def share_left(work):
    """Of the steps that another thread counts while this one sleeps, how many it counts while this one works."""
    over, steps = threading.Event(), [0]

    def count():
        while not over.is_set():
            steps[0] += 1

    other = threading.Thread(target=count)
    other.start()
    try:
        first, start = steps[0], time.perf_counter()
        work()
        middle, spent = steps[0], time.perf_counter() - start
        time.sleep(spent)
        return (middle - first) / (steps[0] - middle)
    finally:
        over.set()
        other.join()


@pytest.mark.parametrize(("how", "times"), [({"recall": 0.9}, 25), ({"recall": 1}, 6), ({"radius": 1.0}, 3)])
def test_another_thread_goes_on_while_one_searches(how, times, index, rows):
    """Nearly all steps with two cores, half of them with one; hardly any where the lock is held throughout."""
    queries = np.tile(rows, (times, 1))
    index.search(queries[:10], num_threads=1, **how)
    assert any(share_left(lambda: index.search(queries, num_threads=1, **how)) > 0.2 for _ in range(4))


def test_a_thread_that_is_held_up_is_seen():
    assert any(share_left(lambda: sum(range(10_000_000))) < 0.15 for _ in range(4))


@pytest.mark.parametrize(("wanted", "within"), [(1, 1), (3, 3), (2, 2), (None, 2)])
def test_the_number_of_threads_holds_within_and_is_put_back(wanted, within):
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(2)
    try:
        with omp_threads(wanted):
            assert faiss.omp_get_max_threads() == within
        assert faiss.omp_get_max_threads() == 2
        with pytest.raises(ZeroDivisionError, match="by zero"), omp_threads(wanted):
            1 / 0  # noqa: B018 - leaves the block by an error
        assert faiss.omp_get_max_threads() == 2
    finally:
        faiss.omp_set_num_threads(before)


def test_threads_that_search_at_once_find_what_one_finds(index, rows):
    """Batches, single queries, filters and radii of eight threads, all through one index at once."""
    queries = rows[:64] + np.float32(0.01)
    kinds = [
        lambda i: index.search(queries, k=3 + i % 4, recall=0.9, num_threads=1),
        lambda i: index.search(queries[i], k=5, recall=0.9),
        lambda i: index.search(queries, k=3, recall=0.9, filter=np.arange(800) % (2 + i % 3) == 0, num_threads=1),
        lambda i: index.search(queries[i], radius=2.0),
    ]
    asked = [(kind, i) for i in range(40) for kind in range(len(kinds))]
    found = {}
    gate = threading.Barrier(8)

    def work(part):
        gate.wait()
        for kind, i in asked[part::8]:
            hits = kinds[kind](i)
            found[kind, i] = hits.ids.tobytes(), hits.distances.tobytes()

    threads = [threading.Thread(target=work, args=(part,)) for part in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == len(asked)
    for kind, i in asked:
        hits = kinds[kind](i)
        assert found[kind, i] == (hits.ids.tobytes(), hits.distances.tobytes()), (kind, i)
