"""What cannot be stored or opened is refused by name, and nothing is changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from storage_cases import MODEL, files_under, points_of, tree_of

from hierindex.errors import DuplicateIdError, InputError, NotAnIndexError, StorageError, UnknownIdError
from hierindex.storage import ModelFile, Points, Store, TreeFile


def _bad(**changes: object) -> Points:
    return replace(points_of(4), **changes)


_BAD_POINTS = [
    (_bad(ids=np.array([1, 2, 2, 3])), DuplicateIdError, "ids should be unique"),
    (_bad(ids=np.array([1, 2, 3])), InputError, "ids should be 4"),
    (_bad(ids=np.array([1, "b", 3, 4], object)), InputError, "all integers or all non-empty strings"),
    (_bad(ids=np.array(["a", "\ud800", "c", "d"], object)), InputError, "strings that UTF-8 can hold"),
    (_bad(seq=np.array([0, 1, 1, 2])), InputError, "seq should rise"),
    (_bad(seq=np.array([-1, 1, 2, 3])), InputError, "seq should rise from 0"),
    (_bad(seq=np.arange(4.0)), InputError, "seq should be int64"),
    (_bad(leaf=np.array([0, 1, 2, 7])), InputError, r"leaf should be a node, 0\.\.6; found 0\.\.7"),
    (_bad(leaf=np.array([0, -1, 2, 3])), InputError, r"leaf should be a node"),
    (_bad(rows=np.zeros((4, 3), np.float32)), InputError, r"rows should be float32 \(n, 4\); found float32 \(4, 3\)"),
    (_bad(rows=np.zeros((4, 4))), InputError, "found float64"),
    (_bad(rows=np.full((4, 4), np.nan, np.float32)), InputError, "rows should be finite"),
    (_bad(payload=pa.table({"a": [1]})), InputError, "payload should have 4 rows"),
]


@pytest.mark.parametrize(("points", "error", "match"), _BAD_POINTS)
def test_points_that_cannot_be_stored(tmp_path: Path, points: Points, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        Store.create(tmp_path / "new", points, tree_of(4), MODEL)
    assert not (tmp_path / "new").exists() or files_under(tmp_path / "new") == []
    store = Store.create(tmp_path / "old", points_of(0), tree_of(4), MODEL)
    before = files_under(tmp_path / "old")
    with pytest.raises(error, match=match):
        store.commit(added=points)
    assert files_under(tmp_path / "old") == before


_BAD_PAYLOADS = [
    (pa.table({"Leaf": [1]}), "other than id, seq, leaf, vector"),
    (pa.table({"a": [1], "A": [2]}), "names of their own"),
    (pa.table({"": [1]}), "names of their own"),
    (pa.table({"a": pa.nulls(1)}), "found 'a' of type null; cast it"),
    (pa.table({"a": pa.array([1], pa.duration("s"))}), r"type duration\[s\]; cast it"),
    (pa.table({"a": pa.array([2**64 - 1], pa.uint64())}), "'a' should be storable as int64 without loss"),
    (pa.table({"a": pa.array([1], pa.timestamp("ns"))}), r"as timestamp\[us\] without loss"),
]


@pytest.mark.parametrize(("payload", "match"), _BAD_PAYLOADS)
def test_payload_that_cannot_be_stored(tmp_path: Path, payload: pa.Table, match: str) -> None:
    with pytest.raises(InputError, match=match):
        Store.create(tmp_path / "i", points_of(1, payload=payload), tree_of(4), MODEL)


def test_trees_and_models_that_cannot_be_stored(tmp_path: Path) -> None:
    nodes = tree_of(4).nodes
    cycle = replace(nodes, parent=np.array([-1, 0, 0, 1, 1, 5, 5]))
    bad: list[tuple[TreeFile, ModelFile, str]] = [
        (TreeFile(cycle, {}), MODEL, "nodes should form a binary tree"),
        (TreeFile(nodes, {"x": float("nan")}), MODEL, "about should hold plain JSON"),
        (TreeFile(nodes, {"x": np.int64(3)}), MODEL, "about should hold plain JSON"),
        (tree_of(4), ModelFile({"f": print}, {}), "spec should hold plain JSON"),
        (tree_of(4), ModelFile({}, {"w": np.array([object()])}), "arrays should be numeric .* 'w': dtype object"),
        (tree_of(4), ModelFile({}, {"w": [1.0]}), "arrays should be numeric .* 'w': list"),  # type: ignore[dict-item]
    ]
    for tree, model, match in bad:
        with pytest.raises(InputError, match=match):
            Store.create(tmp_path / "i", points_of(2), tree, model)
    assert not (tmp_path / "i").exists()


def test_changes_that_do_not_fit_what_is_stored(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "i", points_of(6, payload=pa.table({"a": [*range(6)]})), tree_of(4), MODEL)
    before = files_under(tmp_path / "i")
    ints = np.array([99, 0])
    with pytest.raises(DuplicateIdError, match=r"found 1 that it holds: \[3\]"):
        store.commit(added=replace(points_of(2, start=6), ids=np.array([40, 3])))
    with pytest.raises(DuplicateIdError, match="found more than once"):
        store.commit(deleted=np.array([3, 3]))
    with pytest.raises(UnknownIdError, match=r"found 1 that are not: \[99\]"):
        store.commit(deleted=ints)
    with pytest.raises(UnknownIdError, match="found 1 that are not"):
        store.commit(deleted=np.array([1]))  # between two ids that exist
    with pytest.raises(InputError, match="ids should be of type int64, as those of the index are; found string"):
        store.commit(deleted=np.array(["0"], object))
    with pytest.raises(InputError, match="ids should be of type int64, as those of the index are; found string"):
        store.commit(added=points_of(2, start=6, strings=True))
    with pytest.raises(InputError, match="seq should be above 5, the last one stored; found 5"):
        store.commit(added=replace(points_of(2, start=6), seq=np.array([5, 6])))
    with pytest.raises(InputError, match=r"rows should be float32 \(n, 4\)"):
        store.commit(added=points_of(2, dim=5, start=6))
    with pytest.raises(InputError, match=r"those of the index, \['a'\]; found also \['b'\]"):
        store.commit(added=points_of(1, start=6, payload=pa.table({"a": [1], "b": [2]})))
    with pytest.raises(InputError, match="column 'a' should be storable as int64 without loss"):
        store.commit(added=points_of(1, start=6, payload=pa.table({"a": ["x"]})))
    with pytest.raises(InputError, match="nodes should only be appended; found 5, but points lie in leaf 6"):
        store.commit(tree=tree_of(4, leaves=3))
    last = replace(points_of(1), leaf=np.array([5]))
    other = Store.create(tmp_path / "other", last, tree_of(4), MODEL)
    with pytest.raises(InputError, match="found 5, but points lie in leaf 5"):
        other.commit(tree=tree_of(4, leaves=3))
    with pytest.raises(InputError, match="centroids should have 4 dimensions"):
        store.commit(tree=tree_of(5))
    assert store.version == store.latest() == 0
    assert files_under(tmp_path / "i") == before


def test_paths_that_are_no_index(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "other" / "points").mkdir(parents=True)
    (tmp_path / "other" / "points" / "a.csv").write_text("1,2")
    for name, match in (("none", "found nothing there"), ("file", "found a file"), ("empty", "found no log at")):
        with pytest.raises(NotAnIndexError, match=match):
            Store.open(tmp_path / name)
    with pytest.raises(NotAnIndexError, match="found no log at"):
        Store.open(tmp_path / "other")


def test_create_leaves_alone_what_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "other" / "points").mkdir(parents=True)
    (tmp_path / "other" / "points" / "a.csv").write_text("1,2")
    for overwrite in (False, True):
        with pytest.raises(NotAnIndexError, match="found a file"):
            Store.create(tmp_path / "file", points_of(2), tree_of(4), MODEL, overwrite=overwrite)
        with pytest.raises(NotAnIndexError, match=r"found points/a\.csv, which is no part of an index"):
            Store.create(tmp_path / "other", points_of(2), tree_of(4), MODEL, overwrite=overwrite)
    Store.create(tmp_path / "i", points_of(2), tree_of(4), MODEL)
    with pytest.raises(StorageError, match="found an index; set overwrite=True"):
        Store.create(tmp_path / "i", points_of(2), tree_of(4), MODEL)
    assert files_under(tmp_path / "other") == ["points/a.csv"]
    (tmp_path / "empty").mkdir()
    assert Store.create(tmp_path / "empty", points_of(2), tree_of(4), MODEL).version == 0
    assert Store.create(tmp_path / "a" / "b", points_of(2), tree_of(4), MODEL).version == 0


def test_versions_that_are_not_there(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "i", points_of(2), tree_of(4), MODEL)
    store.commit(deleted=np.array([0]))
    for version in (-1, 2, 10**30):
        with pytest.raises(StorageError, match=rf"version should be in 0\.\.1, .*; found {version}"):
            Store.open(tmp_path / "i", version=version)
    with pytest.raises(InputError, match="version should be an integer"):
        Store.open(tmp_path / "i", version=True)
