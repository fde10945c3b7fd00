"""An index that begins empty and learns its tree again while it is small: nothing may be lost on the way."""

import threading

import numpy as np
import pyarrow as pa
import pytest

from hierindex import HierIndex
from hierindex.adapters.growing import Growing
from hierindex.errors import DuplicateIdError, InputError, StorageError
from hierindex.vectors import Metric


def numbers(*values):
    return np.array(values, dtype=np.int64)


def operations(path):
    return [version.operation for version in HierIndex.open(path).history()][::-1]


@pytest.mark.parametrize("words", [False, True])
@pytest.mark.parametrize("row", [np.ones(4, np.float32), np.zeros(4, np.float32)])
def test_one_point_is_enough(words, row, quick, tmp_path):
    growing = Growing(Metric.L2, quick, tmp_path / "x")
    assert (len(growing), growing.index, growing.remove(numbers(3)), growing.refresh()) == (0, None, 0, False)
    ids = np.array(["a"], dtype=object) if words else numbers(7)
    growing.add(row[None], ids, pa.table({"n": [5]}))
    for index in (growing.index, HierIndex.open(tmp_path / "x")):
        assert index.ids.tolist() == ids.tolist()
        assert index.payload().to_pylist() == [{"n": 5}]
        np.testing.assert_array_equal(index.vectors(), row[None])
        assert index.search(row, k=3).found.tolist() == [1]
    assert growing.remove(ids) == 1
    growing.add(row[None], ids, pa.table({"n": [6]}))
    assert HierIndex.open(tmp_path / "x").payload().to_pylist() == [{"n": 6}]


def test_on_disk_a_tree_learned_again_is_one_version_more(vectors, quick, tmp_path):
    growing = Growing(Metric.L2, quick, tmp_path / "x")
    for at in range(9):
        growing.add(vectors[at : at + 1], numbers(at), pa.table({"n": [at]}))
    assert operations(tmp_path / "x") == ["create", *["add"] * 7, "replace", "add"]
    opened = Growing(Metric.L2, quick, tmp_path / "x")  # knows that the tree was learned from 8
    opened.add(vectors[9:63], np.arange(9, 63), pa.table({"n": np.arange(9, 63)}))
    opened.add(vectors[63:64], numbers(63), pa.table({"n": [63]}))
    assert operations(tmp_path / "x")[10:] == ["add", "add", "replace"]
    index = HierIndex.open(tmp_path / "x")
    assert index.ids.tolist() == list(range(64))
    assert index.payload()["n"].to_pylist() == list(range(64))
    np.testing.assert_array_equal(index.vectors(), vectors[:64])


def test_two_who_write_at_once_lose_nothing(vectors, quick, tmp_path):
    both = [Growing(Metric.L2, quick, tmp_path / "x") for _ in range(2)]
    both[0].add(vectors[:1], numbers(0))
    failed = []

    def write(which):
        try:
            for at in range(1 + which, 19, 2):
                both[which].add(vectors[at : at + 1], numbers(at), replace=bool(at % 3))
            if which:
                both[which].remove(numbers(2, 4))
        except Exception as error:  # noqa: BLE001 - told below
            failed.append(error)

    threads = [threading.Thread(target=write, args=(which,)) for which in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    index = HierIndex.open(tmp_path / "x")
    left = sorted(set(range(19)) - {2, 4})
    assert sorted(index.ids.tolist()) == left
    np.testing.assert_array_equal(index.vectors(left), vectors[left])


def test_a_tree_learned_meanwhile_by_another_is_not_thrown_away(vectors, quick, tmp_path):
    first = Growing(Metric.L2, quick, tmp_path / "x")
    first.add(vectors[:2], numbers(0, 1))
    second = Growing(Metric.L2, quick, tmp_path / "x")
    first.add(vectors[2:20], np.arange(2, 20))
    assert operations(tmp_path / "x")[-1] == "replace"
    second.add(vectors[20:21], numbers(20), replace=True)  # on top of what replaced the one it had opened
    first.refresh()
    for growing in (first, second):
        assert sorted(growing.index.ids.tolist()) == list(range(21))


def test_ids_are_new_unless_they_are_to_replace(vectors, quick):
    growing = Growing(Metric.L2, quick)
    growing.add(vectors[:3], numbers(1, 2, 3))
    with pytest.raises(DuplicateIdError, match=r"such as \[3\]"):
        growing.add(vectors[3:5], numbers(3, 4))
    growing.add(vectors[3:5], numbers(3, 4), replace=True)
    assert sorted(growing.index.ids.tolist()) == [1, 2, 3, 4]
    np.testing.assert_array_equal(growing.index.vectors([3]), vectors[3:4])


def test_replacing_all_points_at_once(vectors, quick, tmp_path):
    growing = Growing(Metric.L2, quick, tmp_path / "x")
    growing.add(vectors[:5], np.arange(5))
    growing.add(vectors[5:10], np.arange(5), replace=True)
    np.testing.assert_array_equal(HierIndex.open(tmp_path / "x").vectors(np.arange(5)), vectors[5:10])


def test_the_metric_is_that_of_what_is_there(vectors, quick, tmp_path):
    HierIndex.from_vectors(vectors[:5], metric="ip", config=quick, path=tmp_path / "x")
    with pytest.raises(InputError, match="metric should be 'ip'"):
        Growing(Metric.L2, quick, tmp_path / "x")


def test_a_tree_that_cannot_be_saved_is_left_to_the_next_addition(vectors, quick, tmp_path, monkeypatch):
    growing = Growing(Metric.L2, quick, tmp_path / "x")
    growing.add(vectors[:2], np.arange(2))

    def full(*_, **__):
        raise StorageError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(HierIndex, "save", full)
        growing.add(vectors[2:30], np.arange(2, 30))
    assert operations(tmp_path / "x") == ["create", "add"]
    assert len(growing) == len(HierIndex.open(tmp_path / "x")) == 30
    growing.add(vectors[30:31], numbers(30))
    assert operations(tmp_path / "x") == ["create", "add", "add", "replace"]
