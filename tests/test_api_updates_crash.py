"""Killed at random moments, with every write failing in turn: what was acknowledged is there, half batches are not.

``python -m benchmarks.updates crash`` kills 300 times.
"""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from updates_cases import DIM, payload_of, seed_index, vector_of
from updates_crash import apply, expected, kill_often, state_of

from hierindex import HierIndex
from hierindex.errors import StorageError


def test_killed_ten_times(tmp_path):
    report = kill_often(tmp_path / "v.index", kills=10)
    assert report.acknowledged > 10


CHANGES = {
    "add": [100, 101, 102],
    "upsert": [1, 2, 103],
    "delete": [3, 4],
    "payload": [5, 6, 7],
    "compact": [],
}


class Faults:
    """Every way to the disk that this package takes fails once: at the n-th of all calls."""

    def __init__(self, patch, last):
        self.left, self.failed = last, False
        for owner, name in (
            (os, "fsync"),
            (Path, "replace"),
            (Path, "mkdir"),
            (pq.ParquetWriter, "write_table"),
            (DeltaTable, "create_write_transaction"),
            (DeltaTable, "update_incremental"),
            (DeltaTable, "create_checkpoint"),
        ):
            patch.setattr(owner, name, self._counting(getattr(owner, name)))

    def _counting(self, call):
        def counted(*args, **words):
            if self.left == 0:
                self.failed, self.left = True, -1
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.left -= 1
            return call(*args, **words)

        return counted


@pytest.mark.parametrize("what", CHANGES)
def test_a_write_that_fails_wherever_it_is(what, tmp_path, monkeypatch):
    first = seed_index()
    first.save(tmp_path / "v.index")
    index, ids = HierIndex.open(tmp_path / "v.index"), CHANGES[what]
    index.add(np.stack([vector_of(50, 0)]), ids=[50], payload=[payload_of(50, 0)])  # a second part, to be joined
    before = state_of(index)
    for last in range(40):
        with monkeypatch.context() as patch:
            faults = Faults(patch, last)
            try:
                apply(index, what, ids, 9)
                acknowledged = True
            except StorageError:
                acknowledged = False
        found = state_of(HierIndex.open(tmp_path / "v.index"))
        after = expected(before, what, ids, 9)
        assert found == after if acknowledged else found in (before, after)
        index.refresh()
        assert state_of(index) == found
        np.testing.assert_array_equal(index.search(vector_of(9, 0), k=1).ids, [[9]])
        if not faults.failed:
            break
        if found == after and what != "compact":  # as it was, by ways that are tested elsewhere
            index = HierIndex.open(tmp_path / "v.index", version=0)
            index.save(tmp_path / "v.index", overwrite=True)
            index.add(np.stack([vector_of(50, 0)]), ids=[50], payload=[payload_of(50, 0)])
            assert state_of(index) == before
    else:
        raise AssertionError("it never lived")
    assert last > 5


def test_a_change_that_the_disk_does_not_confirm_is_shown(tmp_path, monkeypatch):
    """It is published, so searches, the next change and other readers have to know of it."""
    index = seed_index()
    index.save(tmp_path / "v.index")

    def fail(*_):
        raise OSError(errno.EIO, "no")

    with monkeypatch.context() as patch:
        patch.setattr("hierindex.storage.commit.sync_folder", fail)
        with pytest.raises(StorageError, match="the version is published, but a power cut may lose it"):
            index.add(np.zeros((1, DIM)), ids=[77], payload=[payload_of(0, 0)])
    assert index.ids.tolist()[-1] == 77
    assert index.delete([77]) == 1
    assert state_of(HierIndex.open(tmp_path / "v.index")) == state_of(index)


def test_the_disk_has_the_points_before_the_log_and_the_log_before_the_answer(tmp_path, monkeypatch):
    index = seed_index()
    index.save(tmp_path / "v.index")
    seen = []
    sync, commit = os.fsync, DeltaTable.create_write_transaction

    def told(handle):
        seen.append(Path(f"/proc/self/fd/{handle}").readlink().relative_to(tmp_path).as_posix())
        sync(handle)

    def committed(*args, **words):
        seen.append("COMMIT")
        commit(*args, **words)

    monkeypatch.setattr(os, "fsync", told)
    monkeypatch.setattr(DeltaTable, "create_write_transaction", committed)
    index.add(np.zeros((1, DIM)), ids=[77], payload=[payload_of(0, 0)])
    at = seen.index("COMMIT")
    assert [name.endswith(".parquet.tmp") for name in seen[:at]].count(True) == 1
    part = next(place for place, name in enumerate(seen) if name.endswith(".tmp"))
    assert seen[part + 1] == "v.index/points"  # the name of the part, after its bytes
    assert at == 2  # the folders of the index were made, and synced, when it was saved
    assert seen[at + 1 :] == [f"v.index/points/_delta_log/{1:020d}.json", "v.index/points/_delta_log"]


FULL = """
import resource, signal, sys
sys.path.insert(0, sys.argv[2])
from updates_crash import apply, expected, state_of
from hierindex import HierIndex
from hierindex.errors import StorageError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
index = HierIndex.open(sys.argv[1])
before = state_of(index)
for what, ids in (("add", [100, 101]), ("upsert", [1, 100]), ("delete", [3]), ("payload", [5]), ("compact", [])):
    for limit in (0, 300) if what == "delete" else (0, 300, 900):  # a delete writes files of 400 bytes
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            apply(index, what, ids, 9)
            raise AssertionError("written past the limit")
        except StorageError as error:
            assert "should be writable" in str(error), error
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert state_of(index) == state_of(HierIndex.open(sys.argv[1])) == before
    apply(index, what, ids, 9)
    before = expected(before, what, ids, 9)
    assert state_of(index) == state_of(HierIndex.open(sys.argv[1])) == before
print("whole")
"""


def test_a_disk_without_room(tmp_path):
    seed_index().save(tmp_path / "v.index")
    index = HierIndex.open(tmp_path / "v.index")
    index.add(np.stack([vector_of(50, 0)]), ids=[50], payload=[payload_of(50, 0)])
    words = [sys.executable, "-c", FULL, str(tmp_path / "v.index"), str(Path(__file__).parent)]
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    assert run.stdout == "whole\n", run.stderr
