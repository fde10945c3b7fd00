"""Upkeep of a saved index: one commit a step, beside writers and readers, and readable by who knows the format."""

import threading

import numpy as np
import pyarrow.parquet as pq
import pytest
from index_cases import mixture

from hierindex import BuildConfig, HierIndex
from hierindex.api import persist
from hierindex.errors import FormatVersionError, InputError, StorageError
from hierindex.index.config import IndexConfig
from hierindex.learning.config import HeadConfig, LearnConfig
from hierindex.storage import files

CONFIG = BuildConfig(
    learn=LearnConfig(head=HeadConfig(steps=2)), index=IndexConfig(flat_below=0, tune_queries=30, split_factor=8.0)
)
ROWS = mixture(1_500, 8)
QUERIES = mixture(20, 8, seed=4)


@pytest.fixture
def index(tmp_path):
    """A hundred points to which fourteen times as many were added."""
    made = HierIndex.from_vectors(ROWS[:100], metric="l2", config=CONFIG, path=tmp_path / "u.index")
    made.add(ROWS[100:], ids=np.arange(100, 1_500))
    return made


def same(a, b):
    """Both find the same, exactly and through any number of leaves."""
    for how in ({"recall": 1.0}, {"recall": 0.9}, {"nprobe": 3}):
        one, other = a.search(QUERIES, 6, **how), b.search(QUERIES, 6, **how)
        np.testing.assert_array_equal(one.ids, other.ids)
        np.testing.assert_array_equal(one.distances, other.distances)
        np.testing.assert_array_equal(one.leaves, other.leaves)


def test_what_upkeep_did_is_there_after_opening_and_versions_before_it_stay(index):
    before, version = index.search(QUERIES, 6, nprobe=3), index.version
    exact = index.search(QUERIES, 6, recall=1.0)
    done = index.maintain()
    assert done.split
    assert done.redrawn
    assert not done.left
    assert index.version > version
    assert index.maintain().nothing
    np.testing.assert_array_equal(index.search(QUERIES, 6, recall=1.0).ids, exact.ids)
    again = HierIndex.open(index._store.path)
    same(index, again)
    assert [again.path(i) for i in range(0, 1_500, 97)] == [index.path(i) for i in range(0, 1_500, 97)]
    np.testing.assert_array_equal(again.labels([2, 5]), index.labels([2, 5]))
    old = HierIndex.open(index._store.path, version=version)
    np.testing.assert_array_equal(old.search(QUERIES, 6, nprobe=3).ids, before.ids)
    again.add(mixture(50, 8, seed=9), ids=np.arange(1_500, 1_550))
    again.delete(np.arange(0, 60))
    index.refresh()
    same(index, again)
    index.compact()
    same(index, HierIndex.open(index._store.path))


def test_each_step_is_bounded_and_one_commit(index):
    seen = []
    while True:
        version, done = index.version, index.maintain(steps=1, leaves=3)
        assert done.split + done.dissolved + done.centred <= 3
        assert index.version == version + (not done.nothing)
        seen.append(done)
        if not done.left:
            break
    assert len(seen) > 2


def test_a_reader_of_the_first_format_refuses_what_it_would_misread(index, monkeypatch):
    tree = sorted((index._store.path / "tree").glob("*.parquet"))
    first = pq.ParquetFile(tree[0]).metadata.metadata[b"hierindex.format"]
    index.maintain()
    newest = sorted((index._store.path / "tree").glob("*.parquet"))[-1]
    assert (first, pq.ParquetFile(newest).metadata.metadata[b"hierindex.format"]) == (b"1", b"2")
    monkeypatch.setattr(files, "FORMAT", 1)
    with pytest.raises(FormatVersionError, match=r"version 1 or lower, .*; found version 2"):
        HierIndex.open(index._store.path)


def test_upkeep_in_its_own_thread_beside_a_writer_and_a_reader(index):
    stop, wrong = threading.Event(), []

    def read():
        while not stop.is_set():
            hits = index.search(ROWS[:5], 1, recall=1.0)
            if hits.ids[:, 0].tolist() != [0, 1, 2, 3, 4]:
                wrong.append(hits.ids)

    reader = threading.Thread(target=read)
    reader.start()
    future = index.maintain(wait=False)
    for at in range(1_500, 1_800, 30):
        index.add(mixture(30, 8, seed=at), ids=np.arange(at, at + 30))
    future.result(timeout=120)
    stop.set()
    reader.join()
    assert not wrong
    assert sorted(index.ids.tolist()) == list(range(1_800))
    same(index, HierIndex.open(index._store.path))


def test_of_two_processes_the_second_goes_on_from_what_the_first_wrote(index):
    other = HierIndex.open(index._store.path)
    other.add(mixture(10, 8, seed=1), ids=np.arange(1_500, 1_510))
    assert index.maintain().split
    assert len(index) == 1_510
    same(index, HierIndex.open(index._store.path))


def test_a_step_that_cannot_be_written_is_not_made(index, monkeypatch):
    before, version = index.search(QUERIES, 6, nprobe=3), index.version

    def refuse(*_):
        raise StorageError("the disk is full")

    monkeypatch.setattr(persist, "commit", refuse)
    with pytest.raises(StorageError, match="the disk is full"):
        index.maintain()
    assert index.version == version
    np.testing.assert_array_equal(index.search(QUERIES, 6, nprobe=3).ids, before.ids)


@pytest.mark.parametrize(("how", "match"), [({"steps": 0}, "steps should be"), ({"leaves": 0}, "leaves should be")])
def test_a_bound_below_one_is_refused(index, how, match):
    with pytest.raises(InputError, match=match):
        index.maintain(**how)


def test_an_index_in_memory_is_kept_too():
    made = HierIndex.from_vectors(ROWS[:100], metric="l2", config=CONFIG)
    made.add(ROWS[100:], ids=np.arange(100, 1_500))
    exact = made.search(QUERIES, 6, recall=1.0)
    assert made.maintain().split
    np.testing.assert_array_equal(made.search(QUERIES, 6, recall=1.0).ids, exact.ids)
    assert made.info()["leaves"]["number"] > 20
