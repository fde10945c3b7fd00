"""Damaged and hostile files: an error that names the file, never a crash, a hang, a wrong answer, or code run."""

from __future__ import annotations

import json
import pickle
import random
import re
import shutil
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, TableFeatures, write_deltalake
from storage_cases import MODEL, Bomb, assert_contents, files_under, points_of, resealed, tree_of

from hierindex.errors import CorruptIndexError, FormatVersionError, HierIndexError, StorageError
from hierindex.storage import ModelFile, Store, TreeFile, tree_file
from hierindex.storage.sealed import digest


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pristine") / "i"
    payload = pa.table({"s": ["a", None, "c"] * 3, "l": [["x"], None, []] * 3})
    store = Store.create(path, points_of(9, strings=True, payload=payload), tree_of(4), MODEL)
    store.commit(added=points_of(3, start=9, strings=True), tree=tree_of(4, leaves=8, seed=1))
    return path


@pytest.fixture
def index(pristine: Path, tmp_path: Path) -> Path:
    shutil.copytree(pristine, tmp_path / "i")
    return tmp_path / "i"


def _read(path: Path) -> None:
    store = Store.open(path)
    store.load()
    store.history()


def _live(path: Path) -> list[str]:
    """The files that the newest version needs."""
    return [name for name in files_under(path) if name != "tree/000001.parquet"]


def _refused(index: Path, name: str, match: str = "") -> None:
    with pytest.raises(CorruptIndexError, match=rf"(?s){re.escape(str(index / name))}.* should be .*; found .*{match}"):
        _read(index)


def test_any_file_missing_or_cut_short(index: Path) -> None:
    for name in _live(index):
        whole = (index / name).read_bytes()
        where = "points/_delta_log" if "_delta_log" in name else name
        for cut in sorted({0, 1, 4, len(whole) // 3, len(whole) // 2, len(whole) - 9, len(whole) - 2}):
            (index / name).write_bytes(whole[:cut])
            _refused(index, where)
        (index / name).unlink()
        if name.endswith("00001.json"):
            assert Store.open(index).version == 0  # a commit that is not there never was
        else:
            _refused(index, where)
        (index / name).write_bytes(whole)
    _read(index)


def test_flipped_bytes_are_seen_or_change_nothing(index: Path) -> None:
    wanted = Store.open(index).load()
    rng = random.Random(0)
    refused = 0
    for name in _live(index):
        whole = (index / name).read_bytes()
        for _ in range(25):
            broken = bytearray(whole)
            broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
            (index / name).write_bytes(broken)
            try:
                found = Store.open(index).load()
            except HierIndexError as error:
                assert isinstance(error, StorageError), error  # noqa: PT017
                refused += 1
            else:
                assert_contents(found, wanted.points, wanted.tree, wanted.model)
        (index / name).write_bytes(whole)
    assert refused > 75


def test_generations_and_parts_that_changed_places(index: Path) -> None:
    def swap(a: str, b: str) -> None:
        (index / a).rename(index / "x")
        (index / b).rename(index / a)
        (index / "x").rename(index / b)

    swap("tree/000001.parquet", "tree/000002.parquet")
    _refused(index, "tree/000002.parquet", "generation '1' under the name of 2")
    swap("tree/000001.parquet", "tree/000002.parquet")

    Store.create(index, points_of(2), tree_of(4), ModelFile({"other": 1}, {}), overwrite=True)
    swap("model/000001", "model/000002")
    _refused(index, "model/000002/spec.json", "generation 1 under the name of 2")
    swap("model/000001", "model/000002")
    swap("model/000001/weights.safetensors", "model/000002/weights.safetensors")
    _refused(index, "model/000002/weights.safetensors", "do not fit the sha256")
    swap("model/000001/weights.safetensors", "model/000002/weights.safetensors")

    parts = [name for name in files_under(index) if "part-" in name]
    swap(parts[0], parts[1])
    with pytest.raises(CorruptIndexError, match=r"part-.* where the log says"):
        Store.open(index, version=1).load()


def test_weights_that_are_no_safetensors(index: Path, tmp_path: Path) -> None:
    bomb = tmp_path / "ran"
    absurd = json.dumps({"w": {"dtype": "F32", "shape": [2**40, 2**20], "data_offsets": [0, 2**62]}}).encode()
    for weights in (
        pickle.dumps(Bomb(bomb)),
        b"",
        struct.pack("<Q", 2**62) + b"{}",
        struct.pack("<Q", len(absurd)) + absurd,
        struct.pack("<Q", 4) + b"\xff\xfe{}",
    ):
        (index / "model/000001/weights.safetensors").write_bytes(weights)
        _refused(index, "model/000001/weights.safetensors", "do not fit the sha256")
        resealed(index, lambda _: None, weights)
        _refused(index, "model/000001/weights.safetensors", "SafetensorError")
    assert not bomb.exists()


def test_specs_that_are_no_json_of_ours(index: Path) -> None:
    spec = index / "model/000001/spec.json"
    for text in (
        "",
        "[]",
        "null",
        "{",
        '{"body": 3, "sha256": "x"}',
        '{"body": {}}',
        "[" * 100_000,
        '{"a": NaN}',
        "\xff",
    ):
        spec.write_text(text, encoding="latin-1")
        _refused(index, "model/000001/spec.json")
    spec.unlink()
    spec.mkdir()
    with pytest.raises(StorageError, match=r"spec\.json should be readable; found Is a directory"):
        _read(index)


def test_a_changed_value_in_the_spec_is_seen(index: Path) -> None:
    spec = index / "model/000001/spec.json"
    spec.write_text(spec.read_text().replace('"layers":[4,2]', '"layers":[4,3]'))
    _refused(index, "model/000001/spec.json", "a body that does not fit its sha256")


def test_a_newer_format_says_to_upgrade(index: Path) -> None:
    match = r"should be of format version 3 or lower.*; found version 4; upgrade with: pip install --upgrade hierindex"
    resealed(index, lambda body: body.update(format=4))
    with pytest.raises(FormatVersionError, match=rf"spec\.json {match}"):
        _read(index)
    _replace_tree(index, replace(tree_of(4), format=4))
    with pytest.raises(FormatVersionError, match=rf"000002\.parquet {match}"):
        Store.open(index)
    for version, found in (("two", "which is no number"), (0, "which never existed")):
        _replace_tree(index, replace(tree_of(4), format=version))
        _refused(index, "tree/000002.parquet", found)


def _replace_tree(index: Path, tree: TreeFile) -> None:
    """Another tree under the name of generation 2, as if it had been written so."""
    other = index.parent / "other"
    shutil.rmtree(other, ignore_errors=True)
    other.mkdir()
    (other / "000001.parquet").touch()
    assert tree_file.write_tree(other, tree) == 2
    (other / "000002.parquet").replace(index / "tree/000002.parquet")


def test_a_tree_that_does_not_fit_the_points(index: Path) -> None:
    _replace_tree(index, tree_of(5))
    with pytest.raises(CorruptIndexError, match=r"part-.*\.parquet .* found .*not all of 20 bytes, 5 float32 values"):
        _read(index)
    _replace_tree(index, tree_of(4, leaves=3))
    _refused(index, "points", r"leaves 3\.\.6 in a tree of 5 nodes")


def _edit_tree(index: Path, change: Callable[[pa.Table], pa.Table], metadata: dict[str, str] | None = None) -> None:
    path = index / "tree/000002.parquet"
    kept = {k.decode(): v.decode() for k, v in pq.read_metadata(path).metadata.items()}
    table = change(pq.read_table(path))
    with pq.ParquetWriter(path, table.schema, store_schema=False) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(kept | (metadata or {}))


def _with(name: str, values: object) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.set_column(table.column_names.index(name), name, values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda t: t.drop_columns("parent"), "parent"),
        (lambda t: t.slice(0, 6), "an odd number of nodes"),
        (lambda t: t.slice(0, 0), "an odd number of nodes"),
        (lambda t: t.take([1, 0, *range(2, 15)]), "nodes out of order"),
        (_with("parent", pa.array([-1, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 99])), "parents in"),
        (_with("parent", pa.array([-1, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 13, 13, 11, 11])), "no cycles"),
        (_with("parent", pa.array([-1] * 15)), "one root"),
        (_with("parent", pa.array([None] * 15, pa.int64())), "15 nulls"),
        (_with("height", pa.array([float("nan")] * 15)), "finite values in height"),
        (_with("count", pa.array(["1"] * 15)), "count of type string"),
        (_with("centroid", pa.array([b"abc"] * 15, pa.binary(3))), r"type fixed_size_binary\[3\]"),
        (_with("centroid", pa.array([[1.0]] * 15)), "vectors of type list"),
        (_with("ball", pa.array([b"\xff" * 8] * 15, pa.binary(8))), "finite values in ball"),
    ],
)
def test_trees_that_are_none(index: Path, change: Callable[[pa.Table], pa.Table], found: str) -> None:
    _edit_tree(index, change)
    _refused(index, "tree/000002.parquet", found)


def test_what_the_tree_says_of_itself(index: Path) -> None:
    for metadata, found in (
        ({"hierindex.about": '{"dim": 5}'}, "does not fit its sha256"),
        ({"hierindex.about": "[" * 50_000, "hierindex.sha256": digest("[" * 50_000)}, "RecursionError"),
        ({"hierindex.about": "3", "hierindex.sha256": digest("3")}, "a JSON int in place of an object"),
        ({"hierindex.generation": "x"}, "generation 'x'"),
    ):
        whole = (index / "tree/000002.parquet").read_bytes()
        _edit_tree(index, lambda table: table, metadata)
        _refused(index, "tree/000002.parquet", found)
        (index / "tree/000002.parquet").write_bytes(whole)
    pq.write_table(pa.table({"centroid": [1]}), index / "tree/000002.parquet")
    _refused(index, "tree/000002.parquet", "hierindex.format")


def _append(index: Path, **changes: object) -> None:
    """A row as a foreign writer might append it, past all checks."""
    vector = np.ones(4, "<f4").tobytes()
    row = {"id": "new", "seq": 50, "leaf": 3, "vector": vector, "s": None, "l": None, **changes}
    table = DeltaTable(index / "points")
    write_deltalake(table, pa.Table.from_pylist([row], schema=pa.schema(table.schema().to_arrow())), mode="append")


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"id": "id-3"}, "13 points with 12 distinct ids"),
        ({"seq": 3}, "points with the same seq"),
        ({"leaf": 15}, r"leaves 3\.\.15 in a tree of 15 nodes"),
        ({"leaf": -1}, r"leaves -1\.\.6 in a tree"),
        ({"vector": b"abc"}, "not all of 16 bytes"),
        ({"vector": b""}, "not all of 16 bytes"),
        ({"vector": b"\xff" * 16}, "vectors with NaN or infinity"),
    ],
)
def test_rows_of_a_foreign_writer(index: Path, changes: dict[str, object], found: str) -> None:
    _append(index)
    assert len(Store.open(index).load().points) == 13
    _append(index, **({"id": "newer", "seq": 60} | changes))
    with pytest.raises(CorruptIndexError, match=found.replace("13 points with 12", "14 points with 13")):
        _read(index)


def test_negative_ids(tmp_path: Path) -> None:
    Store.create(tmp_path / "i", points_of(3), tree_of(4), MODEL)
    table = DeltaTable(tmp_path / "i/points")
    row = {"id": -1, "seq": 9, "leaf": 3, "vector": b"\0" * 16}
    write_deltalake(table, pa.Table.from_pylist([row], schema=pa.schema(table.schema().to_arrow())), mode="append")
    with pytest.raises(CorruptIndexError, match="the id -1, where ids are 0 or above"):
        _read(tmp_path / "i")


def _edit_log(index: Path, old: str, new: str) -> None:
    entry = index / "points/_delta_log" / f"{1:020d}.json"
    text = entry.read_text()
    assert re.search(old, text)
    entry.write_text(re.sub(old, new, text))


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (r'"path":"part-', r'"path":"../../part-', "a part named"),
        (r'"path":"part-', r'"path":"/etc/part-', "a part named"),
        (r'"path":"part-', r'"path":"file:///etc/part-', "a part named"),
        (r'"path":"[^"]*"', r'"path":""', "a part named"),
        (r'numRecords\\": 3', r'numRecords\\": 900000000000000', "where|Unable to allocate|maximum|rows"),
        (r'numRecords\\": 3', r'numRecords\\": -3', "-3 as the number of rows"),
        (r'"size":\d+', '"size":1', "where the log says 1"),
        (r'hierindex\.tree","version":2', r'hierindex.tree","version":3', "in a commit that leads to .*'tree': 3"),
        (r'(tree":|hierindex\.tree","version":)2', r"\g<1>3", "no such file"),
        (r'"rows":12', r'"rows":11', "in a commit that leads to .*'rows': 12"),
        (r'"hierindex":{[^}]*}', r'"hierindex":7', "TypeError"),
        (r".*commitInfo.*\n", "", "0 lines of commitInfo"),
        (r'hierindex\.tree","version":2', r'hierindex.tree","version":-2', "-2 as application transaction"),
        (r'hierindex\.model","version":1', r'hierindex.model","version":999999', "leads to .*'model': 999999"),
        (r'(model":|hierindex\.model","version":)1', r"\g<1>9", "no such file"),
    ],
)
def test_logs_that_lie(index: Path, old: str, new: str, found: str) -> None:
    (index.parent / "part-outside").touch()
    _edit_log(index, old, new)
    with pytest.raises(CorruptIndexError, match=found):
        _read(index)


def test_another_delta_table_in_the_place_of_points(index: Path) -> None:
    shutil.rmtree(index / "points")
    write_deltalake(index / "points", pa.table({"x": [1]}))
    _refused(index, "points/_delta_log", "None as application transaction 'hierindex.tree'")


def test_delta_features_that_would_change_the_answer(index: Path) -> None:
    table = DeltaTable(index / "points")
    table.alter.add_feature(TableFeatures.DeletionVectors, allow_protocol_versions_increase=True)
    with pytest.raises(StorageError, match=r"without column mapping or deletion vectors; found .*deletionVectors"):
        Store.open(index)


def test_a_history_that_cannot_be_read(index: Path) -> None:
    store = Store.open(index)
    _edit_log(index, '"timestamp":', '"timestamp":1e400,"x":')
    with pytest.raises(CorruptIndexError, match="_delta_log"):
        store.history()


def test_rights_are_no_damage(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(StorageError, match=r"1\.json should be readable; found Permission denied") as caught:
        Store.open(index).load()
    assert not isinstance(caught.value, CorruptIndexError)
