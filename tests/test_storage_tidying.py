"""Compaction, vacuum, the summed-up log, kept codes: what goes, what stays, and what a failure leaves."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from storage_cases import MODEL, assert_contents, assert_points, files_under, points_of, tree_of

from hierindex.errors import InputError, StorageError, UnknownIdError
from hierindex.storage import CodesFile, Edit, Points, Store, commit, parts, vacuum


def _index(path: Path, n: int = 6) -> Store:
    """An index of n points, each committed by itself."""
    store = Store.create(path, points_of(1), tree_of(4), MODEL)
    for seq in range(1, n):
        store.commit(added=points_of(1, start=seq))
    return store


def test_compaction_joins_neighbours_and_keeps_all_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_GROUP_BYTES", 4 * 4 * 2)  # 2 rows a group, 4 a part
    payload = pa.table({"n": [7], "s": ["x"]})
    store = Store.create(tmp_path / "i", points_of(1, payload=payload), tree_of(4), MODEL)
    for seq in range(1, 10):
        store.commit(added=replace(points_of(1, start=seq), payload=payload.slice(0, seq % 2 or None)))
    wanted = store.load()
    done = store.compact()
    assert (done.version, done.parts_before, done.parts_after) == (10, 10, 3)
    assert_contents(Store.open(tmp_path / "i").load(), wanted.points, wanted.tree, wanted.model)
    assert store.history()[0].operation == "compact"
    assert_points(Store.open(tmp_path / "i", 3).load().points, replace(points_of(4), payload=wanted.points.payload[:4]))
    again = store.compact()
    assert (again.version, again.parts_after) == (10, 3)  # nothing to join: no version
    spans = sorted((part.low["seq"], part.high["seq"]) for part in store._log.parts)
    assert spans == [(0, 3), (4, 7), (8, 9)]


def test_a_delete_over_many_parts_leaves_them_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_GROUP_BYTES", 4 * 4 * 2)
    store = Store.create(tmp_path / "i", points_of(16), tree_of(4), MODEL)
    store.commit(deleted=points_of(16).ids[[0, 1, 13]])  # a whole group of the first part, a row of the last
    spans = sorted((part.low["seq"], part.high["seq"]) for part in store._log.parts)
    assert all(a[1] < b[0] for a, b in pairwise(spans)), spans


def test_payload_of_some_points_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_GROUP_BYTES", 4 * 4 * 2)
    payload = pa.table({"n": list(range(9)), "l": [["a"], None, []] * 3})
    points = points_of(9, payload=payload, strings=True)
    store = Store.create(tmp_path / "i", points, tree_of(4), MODEL)
    before = {part.path.name for part in store._log.parts}
    store.commit(edit=Edit(points.ids[[7, 6]], pa.table({"l": [["new", "er"], None]})))
    expected = payload.to_pylist()
    expected[7]["l"], expected[6]["l"] = ["new", "er"], None
    assert_points(store.load().points, replace(points, payload=pa.Table.from_pylist(expected, schema=payload.schema)))
    assert len(before & {part.path.name for part in store._log.parts}) == 2  # the parts that hold neither
    assert store.history()[0].operation == "payload"
    for edit, error, match in (
        (Edit(points.ids[:1], pa.table({"x": [1]})), InputError, "those of the index"),
        (Edit(points.ids[:1], pa.table({"n": ["text"]})), InputError, "storable as int64"),
        (Edit(points.ids[:1], pa.table({})), InputError, "found none"),
        (Edit(np.array(["nobody"], object), pa.table({"n": [1]})), UnknownIdError, "found 1 that are not"),
        (Edit(np.array([3]), pa.table({"n": [1]})), InputError, "ids should be of type string"),
    ):
        with pytest.raises(error, match=match):
            store.commit(edit=edit)
    assert store.version == 1


def test_tokens_are_kept_with_the_commit(tmp_path: Path) -> None:
    store = _index(tmp_path / "i", 2)
    store.commit(deleted=points_of(1).ids, token="mine")
    assert (store.token("mine"), store.token("other")) == (2, None)
    assert Store.open(tmp_path / "i").token("mine") == 2
    assert Store.open(tmp_path / "i", 1).token("mine") is None
    Store.create(tmp_path / "i", points_of(2), tree_of(4), MODEL, overwrite=True)
    assert Store.open(tmp_path / "i").token("mine") is None


def test_vacuum_by_number_keeps_what_is_named_and_nothing_else(tmp_path: Path) -> None:
    store = _index(tmp_path / "i")
    store.commit(tree=tree_of(4, seed=3))
    store.compact()
    store.commit(added=points_of(1, start=6))
    before = files_under(tmp_path / "i")
    freed = store.vacuum(2)
    after = files_under(tmp_path / "i")
    assert freed.oldest == 7
    assert freed.files == len([name for name in before if name not in after])
    gone = set(before) - set(after)
    assert sum("part-" in name for name in gone) == 6
    assert "tree/000001.parquet" in gone
    assert {name for name in gone if name.endswith(".json")} == {f"points/_delta_log/{v:020d}.json" for v in range(7)}
    for version in (7, 8):
        assert len(Store.open(tmp_path / "i", version).load().points) == version - 1
    with pytest.raises(StorageError, match=r"version should be in 7\.\.8"):
        Store.open(tmp_path / "i", 6)
    assert [v.version for v in Store.open(tmp_path / "i").history()] == [8, 7]
    assert store.vacuum(2).files == 0
    store.commit(added=points_of(1, start=7))  # the store goes on over the shorter log
    assert_points(Store.open(tmp_path / "i").load().points, points_of(8))


def test_vacuum_by_time_keeps_what_was_newest_then(tmp_path: Path) -> None:
    store = _index(tmp_path / "i", 4)
    for version in (0, 1):  # as if they had been committed days ago
        path = tmp_path / f"i/points/_delta_log/{version:020d}.json"
        old = int((datetime.now(UTC) - timedelta(days=9 - version)).timestamp() * 1000)
        text = path.read_text()
        at = text.index('"timestamp":') + len('"timestamp":')
        path.write_text(text[:at] + str(old) + text[at + 13 :])
    assert store.vacuum(timedelta(days=30)).oldest == 0
    assert store.vacuum(timedelta(days=7)).oldest == 1  # it was the newest when the week began
    assert len(Store.open(tmp_path / "i", 1).load().points) == 2
    assert store.vacuum(timedelta(0)).oldest == 3


def test_vacuum_leaves_the_version_that_it_is_asked_from(tmp_path: Path) -> None:
    store = _index(tmp_path / "i")
    reader = Store.open(tmp_path / "i", 2)
    assert reader.vacuum(1).oldest == 2
    assert len(reader.load().points) == 3
    assert store.vacuum(1).oldest == 5


def test_files_of_no_version_go_when_they_are_old(tmp_path: Path) -> None:
    store = _index(tmp_path / "i", 2)
    lost = ["points/part-0.parquet", "points/part-1.parquet.tmp", "tree/000009.parquet", "model/000004/spec.json"]
    for name in lost:
        (tmp_path / "i" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "i" / name).write_bytes(b"left behind")
    (tmp_path / "i" / "notes.txt").write_text("not ours")
    assert store.vacuum(10).files == 0  # a writer may be about to commit them
    hours_ago = time.time() - 2 * 3_600
    for path in (tmp_path / "i").rglob("*"):
        os.utime(path, (hours_ago, hours_ago))
    assert store.vacuum(10).files == len(lost)
    left = files_under(tmp_path / "i")
    assert not set(lost) & set(left)
    assert "notes.txt" in left
    assert_points(Store.open(tmp_path / "i").load().points, points_of(2))


def test_a_vacuum_that_dies_anywhere_leaves_what_stays_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class _Death(BaseException):
        pass

    for last in range(40):
        path = tmp_path / str(last)
        store, died, left = _index(path, 4), False, iter(range(last))
        remove, summarise = vacuum.remove, vacuum.summarise

        def dying(call: object, left: object = left) -> object:
            def counted(*args: object) -> object:
                if next(left, None) is None:  # type: ignore[call-overload]
                    raise _Death
                return call(*args)  # type: ignore[operator]

            return counted

        with monkeypatch.context() as patch:
            patch.setattr(vacuum, "remove", dying(remove))
            patch.setattr(vacuum, "summarise", dying(summarise))
            try:
                store.vacuum(1)
            except _Death:
                died = True
        assert_points(Store.open(path).load().points, points_of(4))
        Store.open(path).vacuum(1)
        store = Store.open(path)
        store.commit(added=points_of(1, start=4))
        assert_points(Store.open(path).load().points, points_of(5))
        if not died:
            break
    assert last >= 4


def test_the_log_is_summed_up_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit.checkpoint, "__defaults__", (4,))
    _index(tmp_path / "i", 10)
    names = [name for name in files_under(tmp_path / "i") if "checkpoint.parquet" in name]
    assert [int(Path(name).name.partition(".")[0]) for name in names] == [4, 8]
    assert_points(Store.open(tmp_path / "i").load().points, points_of(10))
    assert len(Store.open(tmp_path / "i").history()) == 10


def test_a_summary_that_fails_is_no_failure_of_the_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit.checkpoint, "__defaults__", (1,))

    def full(*_: object) -> None:
        raise StorageError("no room")

    monkeypatch.setattr(commit, "summarise", full)
    assert _index(tmp_path / "i", 4).version == 3


def test_codes_are_kept_and_are_nobodys_truth(tmp_path: Path) -> None:
    store = _index(tmp_path / "i", 3)
    rng = np.random.default_rng(0)
    codes = CodesFile(
        "a", np.array([0, 2, 5]), rng.integers(0, 2**63, 3).astype(np.uint64), np.eye(3, 7, dtype=np.uint8)
    )
    assert store.codes("a") is None
    store.keep_codes(codes)
    store.keep_codes(codes)
    assert [name for name in files_under(tmp_path / "i") if "codes" in name] == ["codes/000002.parquet"]
    found = Store.open(tmp_path / "i").codes("a")
    assert found is not None
    for name in ("seq", "check", "codes"):
        np.testing.assert_array_equal(getattr(found, name), getattr(codes, name))
    assert store.codes("another coder") is None
    path = tmp_path / "i/codes/000002.parquet"
    whole = path.read_bytes()
    for cut in range(50):
        path.write_bytes(whole[: len(whole) * cut // 50])
        assert store.codes("a") is None
    path.write_bytes(whole)
    path.chmod(0o600)
    store.vacuum(1)
    assert store.codes("a") is not None
    (tmp_path / "i" / "codes").rename(tmp_path / "codes")
    (tmp_path / "i" / "codes").write_text("a file in its place")
    store.keep_codes(codes)  # never a failure
    assert store.codes("a") is None
    assert isinstance(store.load().points, Points)
