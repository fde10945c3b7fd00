"""Deletes that leave parts alone: what is written, what is read back, and what a damaged list of removed rows is."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from storage_cases import MODEL, assert_contents, assert_points, files_under, points_of, tree_of

from hierindex.errors import (
    ConflictError,
    CorruptIndexError,
    DuplicateIdError,
    InputError,
    StorageError,
    UnknownIdError,
)
from hierindex.storage import Edit, Points, Store
from hierindex.storage.removed_file import Removed, read_removed, write_removed
from hierindex.storage.sealed import digest
from hierindex.vectors import Ids


def _new(path: Path, n: int = 12, strings: bool = False) -> Store:
    return Store.create(path, points_of(n, strings=strings), tree_of(4), MODEL)


def _left(n: int, *gone: int, strings: bool = False) -> Points:
    """The points 0..n-1 without some."""
    points, keep = points_of(n, strings=strings), np.setdiff1d(np.arange(n), gone)
    return Points(points.ids[keep], points.seq[keep], points.leaf[keep], points.rows[keep])


def _parts(path: Path) -> list[str]:
    return [name for name in files_under(path) if "part-" in name]


@pytest.mark.parametrize("strings", [False, True])
def test_a_delete_writes_a_list_and_no_part(tmp_path: Path, strings: bool) -> None:
    store = _new(tmp_path / "i", strings=strings)
    ids, before = points_of(12, strings=strings).ids, _parts(tmp_path / "i")
    store.commit(deleted=ids[[7, 2]])
    store.commit(deleted=ids[[4]])
    assert _parts(tmp_path / "i") == before
    assert_contents(Store.open(tmp_path / "i").load(), _left(12, 2, 4, 7, strings=strings), tree_of(4), MODEL)
    assert_points(Store.open(tmp_path / "i", 1).load().points, _left(12, 2, 7, strings=strings))
    assert_points(Store.open(tmp_path / "i", 0).load().points, points_of(12, strings=strings))
    assert [(v.operation, v.rows) for v in store.history()] == [("delete", 9), ("delete", 10), ("create", 12)]
    with pytest.raises(UnknownIdError, match="found 1 that are not"):
        store.commit(deleted=ids[[7]])


def test_only_the_first_removed_row_raises_the_format(tmp_path: Path) -> None:
    store = _new(tmp_path / "i")
    formats = [store.load().tree.format]
    for seq in (2, 4):
        store.commit(deleted=points_of(12).ids[[seq]])
        formats.append(Store.open(tmp_path / "i").load().tree.format)
    assert formats == [1, 3, 3]
    assert [v.tree for v in store.history()] == [2, 2, 1]
    store.commit(tree=tree_of(4, seed=3))
    assert Store.open(tmp_path / "i").load().tree.format == 3
    assert Store.open(tmp_path / "i", 0).load().tree.format == 1
    store.compact(tree_of(4, seed=4))
    assert store.load().tree.format == 1


def test_a_part_is_written_anew_once_a_third_of_it_is_gone(tmp_path: Path) -> None:
    store = _new(tmp_path / "i")
    store.commit(added=points_of(9, start=12))
    first, second = sorted(store._log.parts, key=lambda part: part.low["seq"])
    store.commit(deleted=points_of(21).ids[[0, 1, 2, 3, 20]])  # four of twelve; one of nine
    assert [part.rows for part in store._log.parts] == [12, 9]
    store.commit(deleted=points_of(21).ids[[4]])
    assert first.path not in {part.path for part in store._log.parts}
    assert second.path in {part.path for part in store._log.parts}
    assert store._log.removed.seq.tolist() == [20]
    assert_points(Store.open(tmp_path / "i").load().points, _left(21, 0, 1, 2, 3, 4, 20))
    store.commit(deleted=points_of(21).ids[5:12])  # all that is left of it: no part in its place
    assert [part.path for part in store._log.parts] == [second.path]


def test_an_id_comes_again_and_its_seq_does_not(tmp_path: Path) -> None:
    store = _new(tmp_path / "i")
    store.commit(deleted=points_of(12).ids[[3, 11]])
    assert Store.open(tmp_path / "i").load().next_seq == 12
    again = replace(points_of(2, start=12), ids=points_of(12).ids[[3, 5]])
    with pytest.raises(DuplicateIdError, match="found 1 that it holds"):
        store.commit(added=again)
    store.commit(added=again, deleted=points_of(12).ids[[5]])
    found = Store.open(tmp_path / "i").load().points
    assert found.ids.tolist() == [*_left(12, 3, 5, 11).ids.tolist(), 9, 15]
    with pytest.raises(InputError, match="seq should be above 13"):
        store.commit(added=points_of(1, start=11))


def test_who_knows_the_seq_need_not_look_for_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = _new(tmp_path / "i")
    ids = points_of(12).ids
    for at in ([12], [-1], [3, 3], [3, 4]):
        with pytest.raises(InputError, match=r"seq of points to delete should be those of 1 stored ones"):
            store.commit(deleted=ids[[3]], at=np.array(at))
    monkeypatch.setattr("hierindex.storage.change.groups", lambda *_: pytest.fail("a part was read"))
    store.commit(deleted=ids[[3]], at=np.array([3]), checked=True)
    with pytest.raises(InputError, match="seq of points to delete"):
        store.commit(deleted=ids[[3]], at=np.array([3]), checked=True)
    monkeypatch.undo()
    assert_points(Store.open(tmp_path / "i").load().points, _left(12, 3))


def test_payload_is_set_beside_removed_rows(tmp_path: Path) -> None:
    points = points_of(12, payload=pa.table({"n": list(range(12))}))
    store = Store.create(tmp_path / "i", points, tree_of(4), MODEL)
    store.commit(deleted=points.ids[[1, 5]])
    with pytest.raises(UnknownIdError, match="found 1 that are not"):
        store.commit(edit=Edit(points.ids[[5]], pa.table({"n": [0]})))
    store.commit(edit=Edit(points.ids[[6]], pa.table({"n": [60]})))
    assert store._log.removed.number == 0  # the part was written anew in any case
    payload = Store.open(tmp_path / "i").load().points.payload
    assert payload is not None
    assert payload["n"].to_pylist() == [0, 2, 3, 4, 60, 7, 8, 9, 10, 11]


def test_compaction_leaves_removed_rows_out_and_vacuum_the_lists(tmp_path: Path) -> None:
    store = _new(tmp_path / "i")
    for seq in (1, 4, 9):
        store.commit(deleted=points_of(12).ids[[seq]])
    assert [name for name in files_under(tmp_path / "i") if "removed/" in name] == [
        f"removed/{number:06d}.parquet" for number in (1, 2, 3)
    ]
    store.vacuum(2)
    assert [name for name in files_under(tmp_path / "i") if "removed/" in name] == [
        f"removed/{number:06d}.parquet" for number in (2, 3)
    ]
    done = store.compact()
    assert (done.version, done.parts_before, done.parts_after) == (4, 1, 1)
    assert [part.rows for part in store._log.parts] == [9]
    assert_points(Store.open(tmp_path / "i", 3).load().points, _left(12, 1, 4, 9))
    assert Store.open(tmp_path / "i").load().points.seq.tolist() == [0, 2, 3, 5, 6, 7, 8, 10, 11]
    store.vacuum(1)
    assert not [name for name in files_under(tmp_path / "i") if "removed/" in name]
    assert store.compact().version == 4
    Store.create(tmp_path / "i", points_of(3), tree_of(4), MODEL, overwrite=True)
    assert_points(Store.open(tmp_path / "i").load().points, points_of(3))


def test_an_index_in_the_place_of_one_with_removed_rows_has_none(tmp_path: Path) -> None:
    _new(tmp_path / "i").commit(deleted=points_of(12).ids[[1]])
    Store.create(tmp_path / "i", points_of(3), tree_of(4), MODEL, overwrite=True)
    assert_points(Store.open(tmp_path / "i").load().points, points_of(3))
    assert_points(Store.open(tmp_path / "i", 1).load().points, _left(12, 1))


def test_of_two_deletes_the_second_conflicts_and_leaves_nothing(tmp_path: Path) -> None:
    first, second = _new(tmp_path / "i"), Store.open(tmp_path / "i")
    first.commit(deleted=points_of(12).ids[[1]])
    before = files_under(tmp_path / "i")
    with pytest.raises(ConflictError, match="another writer committed first"):
        second.commit(deleted=points_of(12).ids[[2]])
    assert files_under(tmp_path / "i") == before
    assert_points(Store.open(tmp_path / "i").load().points, _left(12, 1))


def test_a_list_is_small(tmp_path: Path) -> None:
    seq = np.sort(np.random.default_rng(0).choice(10**6, 300_000, replace=False))
    removed = write_removed(tmp_path / "removed", seq)
    assert (tmp_path / "removed/000001.parquet").stat().st_size < len(seq)
    np.testing.assert_array_equal(read_removed(tmp_path / "removed", removed.number, 10**6).seq, seq)


@pytest.fixture(scope="module")
def deleted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("deleted") / "i"
    _new(path).commit(deleted=points_of(12).ids[[1, 7]])
    return path


def _relisted(path: Path, values: pa.Array, **changed: str) -> None:
    """Another list under the name of generation 1, sealed as an attacker would."""
    data = values.drop_null().cast(pa.int64()).to_numpy() if pa.types.is_integer(values.type) else np.empty(0)
    seal = {"format": "3", "generation": "1", "sha256": digest(data.astype("<i8").tobytes()), **changed}
    table = pa.table({"seq": values})
    with pq.ParquetWriter(path / "removed/000001.parquet", table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({f"hierindex.{key}": value for key, value in seal.items()})


@pytest.mark.parametrize(
    ("values", "changed", "found"),
    [
        (pa.array([1, 12]), {}, "1 rows that no part holds"),
        (pa.array([1, 1]), {}, "do not rise"),
        (pa.array([7, 1]), {}, "do not rise"),
        (pa.array([-1, 7]), {}, "do not rise from 0"),
        (pa.array([1, None]), {}, "with 1 nulls"),
        (pa.array(["1", "7"]), {}, "seq of type string"),
        (pa.array([1, 7], pa.int32()), {}, "seq of type int32"),
        (pa.array([1]), {}, "in a commit that leads to .*'rows': 11"),
        (pa.array(range(13)), {}, "13 removed rows of 12"),
        (pa.array([1, 8]), {"sha256": digest("")}, "do not fit their sha256"),
        (pa.array([1, 7]), {"generation": "2"}, "generation '2' under the name of 1"),
        (pa.array([1, 7]), {"format": "4"}, "should be of format version 3 or lower"),
    ],
)
def test_lists_that_lie(deleted: Path, tmp_path: Path, values: pa.Array, changed: dict[str, str], found: str) -> None:
    shutil.copytree(deleted, tmp_path / "i")
    _relisted(tmp_path / "i", pa.array([1, 7]))
    assert_points(Store.open(tmp_path / "i").load().points, _left(12, 1, 7))
    _relisted(tmp_path / "i", values, **changed)
    with pytest.raises(StorageError, match=f"(?s){found}"):
        Store.open(tmp_path / "i").load()


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (
            r'hierindex\.removed","version":1',
            'hierindex.removed","version":0',
            "in a commit that leads to .*'rows': 12",
        ),
        (r'hierindex\.removed","version":1', 'hierindex.removed","version":-1', "-1 as application transaction"),
        (r'(removed":|hierindex\.removed","version":)1', r"\g<1>2", "no such file"),
        (r'"removed":1', '"removed":0', "in a commit that leads to .*'removed': 1"),
    ],
)
def test_logs_that_lie_about_the_list(deleted: Path, tmp_path: Path, old: str, new: str, found: str) -> None:
    shutil.copytree(deleted, tmp_path / "i")
    entry = tmp_path / "i/points/_delta_log" / f"{1:020d}.json"
    text = re.sub(old, new, entry.read_text())
    assert text != entry.read_text()
    entry.write_text(text)
    with pytest.raises(CorruptIndexError, match=found):
        Store.open(tmp_path / "i").load()


def test_no_list_is_no_file(tmp_path: Path) -> None:
    assert len(read_removed(tmp_path, 0, 0)) == 0
    assert Removed.none().count_in(_new(tmp_path / "i")._log.parts[0]) == 0


def test_a_log_that_is_vacuumed_while_it_is_read_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = _new(tmp_path / "i")
    for seq in (1, 4):
        store.commit(deleted=points_of(12).ids[[seq]])
    opened: list[object] = []

    def late(*some: object) -> Removed:
        opened.append(some)
        if len(opened) == 1:
            store.compact()
            store.vacuum(1)
        return read_removed(*some)  # type: ignore[arg-type]

    monkeypatch.setattr("hierindex.storage.log.read_removed", late)
    found = Store.open(tmp_path / "i")
    assert found.version == 3
    assert_points(found.load().points, _left(12, 1, 4))
    (tmp_path / "i/points/_delta_log" / f"{3:020d}.json").write_text("{")
    with pytest.raises(CorruptIndexError, match="_delta_log"):
        Store.open(tmp_path / "i")


@pytest.mark.parametrize(
    "change",
    [
        lambda store, ids: store.commit(deleted=ids[:1]),
        lambda store, ids: store.commit(deleted=ids[:1], at=np.array([0]), checked=True),  # it would copy the tree
        lambda store, ids: store.commit(deleted=ids[:5], at=np.arange(5), checked=True),  # it would read the part
        lambda store, _: store.compact(),
    ],
    ids=["by id", "by seq", "a third", "compact"],
)
def test_who_stands_at_a_vacuumed_version_hears_of_a_conflict(
    tmp_path: Path, change: Callable[[Store, Ids], object]
) -> None:
    store, ids = _new(tmp_path / "i"), points_of(12).ids
    store.commit(added=points_of(2, start=12))
    stale = Store.open(tmp_path / "i")
    store.compact(tree_of(4, seed=2))
    store.vacuum(1)
    before = files_under(tmp_path / "i")
    with pytest.raises(ConflictError, match="another writer committed first"):
        change(stale, ids)
    assert files_under(tmp_path / "i") == before
