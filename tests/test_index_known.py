"""Codes that were kept, and values that are worked out later: the same answers, without the work."""

import shutil
import threading

import numpy as np
import pytest
from index_cases import build, mixture

from hierindex import BuildConfig, HierIndex
from hierindex.index.codes import Coder
from hierindex.index.config import IndexConfig
from hierindex.index.known import KnownCodes, checks
from hierindex.index.later import Later
from hierindex.learning.config import HeadConfig, LearnConfig


@pytest.fixture
def encoded(monkeypatch):
    """How many rows each call of the coder encoded."""
    calls, encode = [], Coder.encode

    def counting(self, rows, **how):
        calls.append(len(rows))
        return encode(self, rows, **how)

    monkeypatch.setattr(Coder, "encode", counting)
    return calls


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A saved index whose leaves are scanned by codes."""
    path = tmp_path_factory.mktemp("coded") / "v.index"
    config = BuildConfig(
        learn=LearnConfig(head=HeadConfig(steps=2)), index=IndexConfig(flat_below=0, leaf_scan="pq", tail_rows=500)
    )
    index = HierIndex.from_vectors(mixture(400, 32), metric="l2", config=config, path=path)
    index.delete(range(50, 60))
    index.upsert(mixture(5, 32, seed=3), range(5))
    return path


def test_an_opened_index_encodes_nothing_that_it_encoded_before(saved, encoded, tmp_path):
    shutil.copytree(saved, tmp_path / "v.index")
    queries = mixture(20, 32, seed=8)
    found = HierIndex.open(tmp_path / "v.index").search(queries, k=5, nprobe=5)
    assert sum(encoded) == 0
    shutil.rmtree(tmp_path / "v.index/codes")
    without = HierIndex.open(tmp_path / "v.index").search(queries, k=5, nprobe=5)
    assert sum(encoded) == 385  # what was packed when it was saved, and is there
    assert found.ids.tolist() == without.ids.tolist()
    np.testing.assert_array_equal(found.distances, without.distances)


def test_only_what_changed_is_encoded(encoded):
    snapshot = build(mixture(300, 32), flat_below=0, leaf_scan="pq")
    table, coder = snapshot.table, snapshot.packed.coder
    known = KnownCodes.of(table, snapshot.packed)
    other = known.check.copy()
    other[7] ^= np.uint64(1)  # as of another vector under the same number
    known = KnownCodes(np.delete(known.seq, 100), np.delete(other, 100), np.delete(known.codes, 100, axis=0))
    encoded.clear()
    codes = known.of_rows(table, len(table), coder)
    assert encoded == [2]
    np.testing.assert_array_equal(codes.values, snapshot.packed.codes.values)


@pytest.mark.parametrize("rows", [0, 3])
def test_codes_of_another_width_or_none_are_made_anew(rows):
    snapshot = build(mixture(300, 32), flat_below=0, leaf_scan="pq")
    strange = KnownCodes(np.arange(rows), np.zeros(rows, np.uint64), np.zeros((rows, 3), np.uint8))
    codes = strange.of_rows(snapshot.table, 300, snapshot.packed.coder)
    np.testing.assert_array_equal(codes.values, snapshot.packed.codes.values)


def test_flat_lists_have_no_codes():
    snapshot = build(mixture(300, 32), flat_below=0, leaf_scan="flat")
    assert KnownCodes.of(snapshot.table, snapshot.packed) is None


@pytest.mark.parametrize("dim", [1, 7, 8])
def test_a_check_tells_vectors_apart_by_every_bit(dim):
    x = np.random.default_rng(0).normal(size=(3_000, dim)).astype(np.float32)
    found = checks(x)
    assert len(np.unique(found)) == 3_000
    np.testing.assert_array_equal(found[5:9], checks(x[5:9]))
    for at in range(dim):
        for bit in (0, 9, 31):
            other = x[:1].copy()
            other.view(np.uint32)[0, at] ^= np.uint32(1 << bit)
            assert checks(other)[0] != found[0]


def test_later_is_what_a_column_would_be():
    rng, asked = np.random.default_rng(0), []
    first = rng.normal(size=(6, 3)).astype(np.float32)

    def make(rows):
        asked.append(rows.tolist())
        return first[rows]

    column, whole = Later(6, make), first
    for _ in range(150):
        more = rng.normal(size=(1, 3)).astype(np.float32)
        column, whole = column.append(more), np.concatenate([whole, more])
    older = column
    some = np.array([2, 150, 0, 7])
    np.testing.assert_array_equal(column.take(some), whole[some])
    np.testing.assert_array_equal(column.take(some[[0, 2]]), whole[[2, 0]])
    assert asked == [[2, 0], [2, 0]]  # no more than was asked for
    np.testing.assert_array_equal(column.values, whole)
    np.testing.assert_array_equal(column.append(first).values, np.concatenate([whole, first]))
    np.testing.assert_array_equal(older.values, whole)
    np.testing.assert_array_equal(column.take(some), whole[some])
    assert len(asked) == 3


def test_many_threads_wait_for_one():
    asked = []

    def make(rows):
        asked.append(len(rows))
        return np.zeros((len(rows), 2), np.float32)

    column = Later(1_000, make)
    threads = [threading.Thread(target=lambda: column.values) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asked == [1_000]
