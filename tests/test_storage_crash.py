"""A writer may stop anywhere: the last version is whole, and every acknowledged change is in it."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from storage_cases import MODEL, assert_contents, files_under, points_of, tree_of

from hierindex.errors import ConflictError, StorageError
from hierindex.storage import Store, draft, files, store


class _Death(BaseException):
    """The process ends here."""


def _index(path: Path) -> Store:
    return Store.create(path, points_of(9), tree_of(4), MODEL)


def _change(path: Path) -> None:
    Store.open(path).commit(added=points_of(3, start=9), deleted=np.array([0]), tree=tree_of(4, leaves=8, seed=5))


def _die_at_sync(monkeypatch: pytest.MonkeyPatch, last: int) -> None:
    """The process dies when it syncs for the ``last`` time: nothing tidies up after it."""
    calls = iter(range(last))

    def sync(_: int) -> None:
        if next(calls, None) is None:
            raise _Death

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(draft.Draft, "discard", lambda *_: None)
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)


def _deaths(monkeypatch: pytest.MonkeyPatch, work: Callable[[int], None], check: Callable[[int], None]) -> int:
    """Let ``work`` die at its first sync, at its second, ... until it lives; how often it died."""
    for last in range(100):
        died = False
        with monkeypatch.context() as patched:
            _die_at_sync(patched, last)
            try:
                work(last)
            except _Death:
                died = True
        check(last)
        if not died:
            return last
    raise AssertionError("it never lived")


def test_death_at_any_sync_of_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _index(tmp_path / "i")
    versions = []

    def check(_: int) -> None:
        found = Store.open(tmp_path / "i")
        versions.append(found.version)
        if found.version == 0:
            assert_contents(found.load(), points_of(9), tree_of(4))
        else:
            assert found.load().points.ids.tolist() == [3 * i for i in range(1, 12)]
            assert found.load().tree.about == tree_of(4).about

    def work(_: int) -> None:
        if Store.open(tmp_path / "i").version == 0:
            _change(tmp_path / "i")

    died = _deaths(monkeypatch, work, check)
    assert died == 3 * 2 + 1  # two parts and a tree with their folders; the log, once it is out
    assert versions == sorted(versions)
    assert versions[-1] == 1


def test_death_at_any_sync_of_create_and_then_create_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def work(last: int) -> None:
        Store.create(tmp_path / str(last), points_of(9), tree_of(4), MODEL)

    def check(last: int) -> None:
        path = tmp_path / str(last)
        if not (path / "points" / "_delta_log").exists():
            with pytest.raises(StorageError, match="found no log"):
                Store.open(path)
            Store.create(path, points_of(9), tree_of(4), MODEL)
        assert_contents(Store.open(path).load(), points_of(9), tree_of(4))

    # a part, a tree and the model's two files with their folders; the folder of models; the index, its parent; the log
    assert _deaths(monkeypatch, work, check) == 4 * 2 + 1 + 2 + 2


def test_the_number_of_an_orphan_is_not_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise _Death

    one = _index(tmp_path / "i")
    with monkeypatch.context() as patched:
        patched.setattr(store, "publish", die)
        with pytest.raises(_Death):
            one.commit(tree=tree_of(4, seed=5))
    orphan = (tmp_path / "i/tree/000002.parquet").read_bytes()
    (tmp_path / "i/tree/000007.parquet.tmp").write_bytes(b"half")
    (tmp_path / "i/model/000004").mkdir()
    assert Store.open(tmp_path / "i").version == 0
    one.commit(tree=tree_of(4, seed=6))
    assert one.history()[0].tree == 8
    assert (tmp_path / "i/tree/000002.parquet").read_bytes() == orphan
    replaced = Store.create(tmp_path / "i", points_of(1), tree_of(4), MODEL, overwrite=True)
    assert (replaced.history()[0].tree, replaced.history()[0].model) == (9, 5)


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_disk_that_fails_says_so_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: int
) -> None:
    one = _index(tmp_path / "i")
    before = files_under(tmp_path)

    def fail(_: int) -> None:
        raise OSError(fault, os.strerror(fault))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        with pytest.raises(StorageError, match=rf"i should be writable; found .*{os.strerror(fault)}; nothing was pub"):
            one.commit(added=points_of(3, start=9), deleted=np.array([0]), tree=tree_of(4, seed=5))
        with pytest.raises(StorageError, match=r"new should be writable"):
            _index(tmp_path / "new")
    assert files_under(tmp_path) == before
    assert_contents(Store.open(tmp_path / "i").load(), points_of(9), tree_of(4))
    assert one.commit(deleted=np.array([0])) == 1  # the store itself is still good


def test_a_commit_that_the_disk_does_not_confirm_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = _index(tmp_path / "i")

    def fail(_: Path) -> None:
        raise OSError(errno.EIO, "no")

    with monkeypatch.context() as patched:
        patched.setattr("hierindex.storage.commit.sync_folder", fail)
        with pytest.raises(StorageError, match="the version is published, but a power cut may lose it"):
            one.commit(deleted=np.array([0]))
    assert one.version == one.latest() == 1


_LIMITED = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import numpy as np
from storage_cases import MODEL, files_under, points_of, tree_of
from hierindex.errors import StorageError
from hierindex.storage import Store

path = Path(sys.argv[1])
changes = [
    dict(added=points_of(200, start=9)),
    dict(deleted=np.array([0])),
    dict(deleted=points_of(9).ids),  # writes the log alone
    dict(tree=tree_of(4, leaves=64)),
]
for limit in (0, 100, 700):
    for change in changes:
        store, before = Store.open(path), files_under(path)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            store.commit(**change)
        except StorageError as error:
            found = str(error)
        else:
            found = "done"
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        store = Store.open(path)
        assert files_under(path) == before or found == "done", files_under(path)
        print(store.version, len(store.load().points), found)
"""


def test_files_that_may_not_grow(tmp_path: Path) -> None:
    _index(tmp_path / "i")
    here = str(Path(__file__).parent)
    run = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(tmp_path / "i"), here], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert len(lines) == 12
    for line in lines[:10]:
        assert line.startswith(f"0 9 {tmp_path}/i")
        assert "too large" in line
        assert "should be writable" in line
    assert lines[10] == "1 0 done"  # at 700 bytes the log of a deletion fits, and all rows go


def test_the_second_of_two_writers_hears_of_a_conflict(tmp_path: Path) -> None:
    _index(tmp_path / "i")
    one, two = Store.open(tmp_path / "i"), Store.open(tmp_path / "i")
    one.commit(added=points_of(2, start=9))
    before = files_under(tmp_path)
    for change in (
        {"added": points_of(2, start=20), "tree": tree_of(4, seed=1)},
        {"deleted": np.array([3])},
        {"tree": tree_of(4, seed=2)},
    ):
        with pytest.raises(
            ConflictError, match=r"another writer committed first; refresh \(or open it again\) and repeat"
        ):
            two.commit(**change)  # type: ignore[arg-type]
        assert files_under(tmp_path) == before
    assert two.version == 0
    assert two.latest() == 1
    with pytest.raises(ConflictError, match="another writer committed first"):
        Store.open(tmp_path / "i", version=0).commit(deleted=np.array([0]))
    assert Store.open(tmp_path / "i").load().points.ids.tolist() == [3 * i for i in range(11)]


def test_every_acknowledged_batch_of_many_writers_is_there(tmp_path: Path) -> None:
    _index(tmp_path / "i")

    def write(writer: int) -> tuple[list[int], int]:
        acknowledged, conflicts = [], 0
        while len(acknowledged) < 5:
            mine = Store.open(tmp_path / "i")
            seq = int(mine.load().points.seq[-1]) + 1
            batch = points_of(1, start=seq)
            batch.ids[0] = 1000 * writer + len(acknowledged)
            try:
                mine.commit(added=batch)
            except ConflictError:
                conflicts += 1
            else:
                acknowledged.append(int(batch.ids[0]))
        return acknowledged, conflicts

    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(write, [1, 2, 3]))
    found = Store.open(tmp_path / "i")
    assert found.version == 15
    assert sorted(found.load().points.ids[9:].tolist()) == sorted(i for ids, _ in done for i in ids)
    assert sum("part-" in name for name in files_under(tmp_path)) == 16  # what lost a race was taken back


def test_a_name_is_taken_by_one_writer_only(tmp_path: Path) -> None:
    with files.new_file(tmp_path / "a") as file:
        file.write(b"first")
        with pytest.raises(FileExistsError, match=r"a\.tmp"), files.new_file(tmp_path / "a"):
            pass
    with pytest.raises(FileExistsError, match="a exists already"), files.new_file(tmp_path / "a"):
        pass
    assert files_under(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"first"


def test_a_number_that_others_always_take_is_given_up(tmp_path: Path) -> None:
    tried = []

    def write(number: int) -> None:
        tried.append(number)
        (tmp_path / f"{number:06d}").touch()  # somebody was quicker
        raise FileExistsError

    with pytest.raises(FileExistsError, match="numbers to other writers"):
        files.next_generation(tmp_path, write)
    assert tried == list(range(1, 101))


def test_two_creators_of_one_index(tmp_path: Path) -> None:
    def create(_: int) -> str:
        try:
            return str(_index(tmp_path / "i").version)
        except StorageError as error:  # a conflict, or "found an index"
            return type(error).__name__

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(create, range(4)))
    assert done.count("0") == 1
    assert set(done) <= {"0", "ConflictError", "StorageError"}
    assert_contents(Store.open(tmp_path / "i").load(), points_of(9), tree_of(4))
