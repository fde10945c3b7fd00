"""What is written is read back, by this process and by another, at every version."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from storage_cases import MODEL, assert_contents, assert_points, assert_tree, files_under, points_of, tree_of

from hierindex.index.nodes import Nodes
from hierindex.storage import ModelFile, Points, Store, TreeFile, parts

_texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
_columns = {
    "a": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "Größe": (pa.float64(), st.floats(allow_nan=False)),
    "text": (pa.string(), st.text(st.characters(exclude_categories=["Cs"]), max_size=8)),
    "raw": (pa.binary(), st.binary(max_size=8)),
    "flag": (pa.bool_(), st.booleans()),
    "day": (pa.date32(), st.dates()),
    "words": (pa.list_(pa.string()), st.lists(st.none() | st.just("w"), max_size=3)),
    "at": (pa.struct([("x", pa.int32())]), st.fixed_dictionaries({"x": st.none() | st.integers(-9, 9)})),
}


@st.composite
def _points(draw: st.DrawFn) -> Points:
    n, dim = draw(st.integers(0, 12)), draw(st.integers(1, 5))
    whole = st.integers(0, 2**63 - 1)
    ids = draw(st.lists(draw(st.sampled_from([whole, _texts])), min_size=n, max_size=n, unique=True))
    kind = object if ids and isinstance(ids[0], str) else np.int64
    finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
    rows = draw(hnp.arrays(np.float32, (n, dim), elements=finite))
    seq = sorted(draw(st.lists(st.integers(0, 2**62), min_size=n, max_size=n, unique=True)))
    leaf = draw(st.lists(st.integers(0, 6), min_size=n, max_size=n))
    payload = None
    if names := draw(st.lists(st.sampled_from(sorted(_columns)), unique=True)):
        values = {name: draw(st.lists(st.none() | _columns[name][1], min_size=n, max_size=n)) for name in names}
        payload = pa.table({name: pa.array(values[name], _columns[name][0]) for name in names})
    return Points(np.array(ids, kind), np.array(seq, np.int64), np.array(leaf, np.int64), rows, payload)


def test_all_kinds_of_points_come_back() -> None:
    @settings(max_examples=25, deadline=None)
    @given(_points())
    def law(points: Points) -> None:
        tree = tree_of(points.rows.shape[1])
        with TemporaryDirectory() as folder:
            Store.create(Path(folder) / "i", points, tree, MODEL)
            assert_contents(Store.open(Path(folder) / "i").load(), points, tree)

    law()


def test_many_parts_and_row_groups_keep_the_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_GROUP_BYTES", 4 * 4 * 3)  # 3 rows a group, 6 a part
    points = points_of(50, strings=True)
    Store.create(tmp_path / "i", points, tree_of(4), MODEL)
    assert sum(name.startswith("points/part-") for name in files_under(tmp_path / "i")) == 9
    assert_points(Store.open(tmp_path / "i").load().points, points)


def test_a_deleted_point_is_gone_and_the_rest_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_GROUP_BYTES", 4 * 4 * 3)
    points = points_of(50)
    store = Store.create(tmp_path / "i", points, tree_of(4), MODEL)
    before = set(files_under(tmp_path / "i" / "points"))
    assert store.commit(deleted=points.ids[[0, 7, 49]]) == 1
    kept = np.setdiff1d(np.arange(50), [0, 7, 49])
    wanted = Points(points.ids[kept], points.seq[kept], points.leaf[kept], points.rows[kept])
    assert_points(Store.open(tmp_path / "i").load().points, wanted)
    assert before <= set(files_under(tmp_path / "i" / "points"))  # a file is never changed or taken away


def test_deleting_all_and_adding_again(tmp_path: Path) -> None:
    points = points_of(9)
    store = Store.create(tmp_path / "i", points, tree_of(4), MODEL)
    store.commit(deleted=points.ids)
    assert len(store.load().points) == 0
    assert store.load().points.rows.shape == (0, 4)
    store.commit(added=points)
    assert_points(Store.open(tmp_path / "i").load().points, points)


def test_every_version_can_be_opened_again(tmp_path: Path) -> None:
    trees = [tree_of(4), tree_of(4, leaves=8, seed=1, note="split")]
    one, two = points_of(9), points_of(3, start=9)
    store = Store.create(tmp_path / "i", one, trees[0], MODEL)
    assert store.commit(added=two) == 1
    assert store.commit(added=points_of(1, start=20), deleted=np.concatenate([one.ids, two.ids]), tree=trees[1]) == 2
    assert store.commit(tree=tree_of(4, leaves=8, seed=2)) == 3

    assert_contents(Store.open(tmp_path / "i", version=0).load(), one, trees[0])
    both = Points(*(np.concatenate([getattr(one, f), getattr(two, f)]) for f in ("ids", "seq", "leaf", "rows")))
    assert_contents(Store.open(tmp_path / "i", version=1).load(), both, trees[0])
    assert_contents(Store.open(tmp_path / "i", version=2).load(), points_of(1, start=20), trees[1])
    assert_tree(Store.open(tmp_path / "i").load().tree, tree_of(4, leaves=8, seed=2))

    history = Store.open(tmp_path / "i").history()
    assert [v.operation for v in history] == ["tree", "update", "add", "create"]
    assert [v.version for v in history] == [3, 2, 1, 0]
    assert [v.rows for v in history] == [1, 1, 12, 9]
    assert [(v.tree, v.model) for v in history] == [(3, 1), (2, 1), (1, 1), (1, 1)]
    assert all(a.timestamp >= b.timestamp for a, b in pairwise(history))
    assert len(Store.open(tmp_path / "i", version=1).history()) == 2


def test_points_may_go_into_the_leaves_of_a_new_tree(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "i", points_of(9), tree_of(4), MODEL)
    store.commit(tree=tree_of(4, leaves=8))
    store.commit(added=replace(points_of(1, start=9), leaf=np.array([14])))
    assert store.load().points.leaf[-1] == 14


def test_the_app_transactions_name_the_generations(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "i", points_of(9), tree_of(4), MODEL)
    store.commit(tree=tree_of(4, seed=1))
    for version, tree in ((0, 1), (1, 2)):
        table = DeltaTable(tmp_path / "i" / "points", version=version)
        assert table.transaction_version("hierindex.tree") == tree
        assert table.transaction_version("hierindex.model") == 1


def test_nothing_to_do_is_no_version(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "i", points_of(9), tree_of(4), MODEL)
    before = files_under(tmp_path)
    assert store.commit() == 0
    assert store.commit(added=points_of(0), deleted=np.zeros(0, np.int64)) == 0
    assert store.commit(deleted=[]) == 0
    assert store.latest() == 0
    assert files_under(tmp_path) == before


def test_overwriting_is_a_new_version_of_another_kind(tmp_path: Path) -> None:
    one = points_of(9)
    old = Store.create(tmp_path / "i", one, tree_of(4), MODEL)
    two = points_of(5, dim=3, strings=True, payload=pa.table({"new": [1, None, 3, 4, 5]}))
    model = ModelFile({"second": True}, {})
    store = Store.create(tmp_path / "i", two, tree_of(3), model, overwrite=True)
    assert store.version == 1
    assert store.history()[0].operation == "replace"
    assert_contents(store.load(), two, tree_of(3), model)
    assert_contents(old.load(), one, tree_of(4))  # a reader is not disturbed
    assert_contents(Store.open(tmp_path / "i", version=0).load(), one, tree_of(4))


def test_an_id_may_be_replaced_in_one_commit(tmp_path: Path) -> None:
    points = points_of(9)
    store = Store.create(tmp_path / "i", points, tree_of(4), MODEL)
    new = replace(points_of(1, start=30), ids=points.ids[[2]])
    assert store.commit(added=new, deleted=points.ids[[2]]) == 1
    found = store.load().points
    assert len(found) == 9
    assert found.ids[-1] == points.ids[2]
    np.testing.assert_array_equal(found.rows[-1], new.rows[0])


def test_a_payload_column_not_given_is_null(tmp_path: Path) -> None:
    store = Store.create(
        tmp_path / "i", points_of(2, payload=pa.table({"a": [1, 2], "b": ["x", "y"]})), tree_of(4), MODEL
    )
    store.commit(added=points_of(1, start=2))
    store.commit(added=points_of(1, start=3, payload=pa.table({"b": ["z"]})))
    payload = store.load().points.payload
    assert payload is not None
    assert payload.to_pydict() == {"a": [1, 2, None, None], "b": ["x", "y", None, "z"]}


def test_types_that_delta_has_not_are_widened(tmp_path: Path) -> None:
    given_, stored = zip(
        (pa.array([1, 255], pa.uint8()), pa.int16()),
        (pa.array([1, 2**63 - 1], pa.uint64()), pa.int64()),
        (pa.array(["x", None]).dictionary_encode(), pa.string()),
        (pa.array(["x", "y"], pa.large_string()), pa.string()),
        (pa.array([b"ab", b"cd"], pa.binary(2)), pa.binary()),
        (pa.array([1000, None], pa.timestamp("ns")), pa.timestamp("us")),
        (pa.array([1, 2], pa.timestamp("s", "Europe/Paris")), pa.timestamp("us", "UTC")),
        (pa.array([[1.0], None], pa.large_list(pa.float32())), pa.list_(pa.field("element", pa.float32()))),
        (pa.array([[1], None], pa.list_(pa.uint8())), pa.list_(pa.field("element", pa.int16()))),
        strict=True,
    )
    names = [f"c{i}" for i in range(len(given_))]
    payload = pa.table(dict(zip(names, given_, strict=True)))
    Store.create(tmp_path / "i", points_of(2, payload=payload), tree_of(4), MODEL)
    found = Store.open(tmp_path / "i").load().points.payload
    assert found is not None
    assert found.schema.types == list(stored)
    for name, kind in zip(names, stored, strict=True):
        assert found[name].to_pylist() == payload[name].cast(kind).to_pylist()


def test_another_process_reads_the_same(tmp_path: Path) -> None:
    points = points_of(30, strings=True, payload=pa.table({"n": list(range(30))}))
    store = Store.create(tmp_path / "i", points, tree_of(4), MODEL)
    store.commit(added=points_of(2, start=30, strings=True), tree=tree_of(4, leaves=8, seed=3))
    code = """
import hashlib, json, sys
from hierindex.storage import Store
c = Store.open(sys.argv[1]).load()
assert "torch" not in sys.modules
print(json.dumps([c.points.ids.tolist(), c.points.seq.tolist(), hashlib.sha256(c.points.rows).hexdigest(),
                  hashlib.sha256(c.tree.nodes.centroid).hexdigest(), c.tree.about, c.model.spec,
                  hashlib.sha256(c.model.arrays["w"]).hexdigest(), c.points.payload["n"].to_pylist()]))
"""
    out = subprocess.run([sys.executable, "-c", code, str(tmp_path / "i")], capture_output=True, check=True, text=True)
    found = json.loads(out.stdout)
    mine = store.load()
    assert found == [
        [f"id-{i}" for i in range(32)],
        list(range(32)),
        hashlib.sha256(mine.points.rows).hexdigest(),
        hashlib.sha256(tree_of(4, leaves=8, seed=3).nodes.centroid).hexdigest(),
        tree_of(4).about,
        MODEL.spec,
        hashlib.sha256(MODEL.arrays["w"]).hexdigest(),
        [*range(30), None, None],
    ]


def test_another_delta_tool_may_compact_and_clean_the_table(tmp_path: Path) -> None:
    payload = pa.table({"words": [["a"], None, []], "when": pa.array([1, None, 3], pa.timestamp("us"))})
    store = Store.create(tmp_path / "i", points_of(3, payload=payload), tree_of(4), MODEL)
    for i in range(3, 9):
        store.commit(added=points_of(1, start=i), tree=tree_of(4, seed=i))
    wanted = store.load()
    table = DeltaTable(tmp_path / "i" / "points")
    table.optimize.compact()
    table.create_checkpoint()
    for entry in (tmp_path / "i/points/_delta_log").glob("*.json"):
        if int(entry.stem) < table.version():  # what log clean-up does
            entry.unlink()
    again = Store.open(tmp_path / "i")
    assert again.version == 7
    assert [(v.operation, v.rows) for v in again.history()] == [("OPTIMIZE", None)]
    assert_contents(again.load(), wanted.points, wanted.tree, wanted.model)
    assert again.commit(added=points_of(1, start=9), deleted=wanted.points.ids[:1]) == 8
    assert len(again.load().points) == 9


def test_a_table_in_another_order_is_brought_back_to_seq(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "i", points_of(9, payload=pa.table({"n": list(range(9))})), tree_of(4), MODEL)
    store.commit(added=points_of(3, start=9))
    wanted = store.load()
    DeltaTable(tmp_path / "i" / "points").optimize.z_order(["leaf"])
    assert_contents(Store.open(tmp_path / "i").load(), wanted.points, wanted.tree, wanted.model)


def test_a_deep_tree_and_a_single_node(tmp_path: Path) -> None:
    m = 2 * 3000 - 1  # a caterpillar: every inner node has a leaf and the next inner node below it
    node = np.arange(m)
    parent = np.where(node > 0, (node - 1) // 2 * 2, -1).astype(np.int64)
    height = np.where(node % 2 == 0, (m - node).astype(float), 0.0)
    ball = np.zeros((m, 16), np.float32)
    deep = TreeFile(Nodes(parent, height, np.ones((m, 2), np.float32), ball, np.ones(m, np.int64)), {})
    points = replace(points_of(5, dim=2), leaf=np.array([1, 3, 5, m - 1, m - 2]))
    store = Store.create(tmp_path / "deep", points, deep, MODEL)
    assert_contents(store.load(), points, deep)
    written = pq.read_table(tmp_path / "deep" / "tree" / "000001.parquet")
    assert written["depth"].to_pylist()[:5] == [0, 1, 1, 2, 2]
    assert written["level"].to_pylist()[:5] == [2999, 0, 2998, 0, 2997]

    single = tree_of(2, leaves=1)
    alone = replace(points_of(5, dim=2), leaf=np.zeros(5, np.int64))
    assert_contents(Store.create(tmp_path / "one", alone, single, MODEL).load(), alone, single)
