"""The formats as they were given out: small indexes that must be read for ever, and the page that describes it."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from hierindex import HierIndex, Table
from hierindex.storage import Store

_HERE = Path(__file__).parent
_GOLDEN = _HERE / "golden" / "v1"
_WHOLE = _HERE / "golden" / "v1-whole"
_RESHAPED = _HERE / "golden" / "v2"
_REMOVED = _HERE / "golden" / "v3"
_PAGE = _HERE.parent / "docs" / "format.md"


def test_the_golden_index_gives_what_was_put_in() -> None:
    store = Store.open(_GOLDEN)
    assert store.version == 2
    points, tree, model = (getattr(store.load(), part) for part in ("points", "tree", "model"))
    assert points.ids.tolist() == ["p0", "p1", "p2", "p4", "p5", "p6", "p7", "p8", "p9"]
    assert points.seq.tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert points.leaf.tolist() == [1, 1, 1, 1, 1, 1, 1, 4, 4]
    assert points.rows[:4].tolist() == [[0, 0, 1], [0.25, -1, 1], [0.5, -2, 1], [1, -4, 1]]
    assert points.payload.to_pylist()[:3] == [
        {"word": None, "year": 1990},
        {"word": "word 1", "year": 1991},
        {"word": "word 2", "year": 1992},
    ]
    assert tree.about == {"metric": "l2", "made": 2}
    assert tree.nodes.parent.tolist() == [-1, 0, 0, 1, 1]
    assert tree.nodes.height.tolist() == [4, 3, 0, 0, 0]
    assert tree.nodes.centroid[3].tolist() == [0.75, -3, 1]
    assert tree.nodes.ball[4].tolist() == [0.25, -0.25]
    assert tree.nodes.count.tolist() == [0, 2, 4, 6, 8]
    assert model.spec == {"kind": "golden", "dim": 3}
    assert model.arrays["w"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_its_older_versions_and_history() -> None:
    assert Store.open(_GOLDEN, version=0).load().points.ids.tolist() == [f"p{i}" for i in range(8)]
    assert Store.open(_GOLDEN, version=0).load().tree.about["made"] == 1
    assert len(Store.open(_GOLDEN, version=1).load().points) == 10
    found = [(v.operation, v.rows, v.tree, v.model) for v in Store.open(_GOLDEN).history()]
    assert found == [("delete", 9, 2, 1), ("add", 10, 2, 1), ("create", 8, 1, 1)]


def test_it_can_be_written_on(tmp_path: Path) -> None:
    shutil.copytree(_GOLDEN, tmp_path / "i")
    store = Store.open(tmp_path / "i")
    assert store.commit(deleted=np.array(["p0"], object)) == 3
    assert len(store.load().points) == 8


def test_the_writer_of_today_still_makes_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(_GOLDEN.parent)
    sys.modules.pop("make", None)
    from make import make

    make(tmp_path / "i")
    sys.modules.pop("make")
    for version in range(3):
        old, new = (Store.open(path, version=version).load() for path in (_GOLDEN, tmp_path / "i"))
        assert old.points.rows.tobytes() == new.points.rows.tobytes()
        assert old.points.payload == new.points.payload
        assert old.tree.about == new.tree.about
    for name in ("tree/000001.parquet", "tree/000002.parquet"):
        old, new = pq.ParquetFile(_GOLDEN / name), pq.ParquetFile(tmp_path / "i" / name)
        assert old.schema_arrow == new.schema_arrow
        assert old.read() == new.read()
        assert old.metadata.metadata == new.metadata.metadata
    for name in ("model/000001/spec.json", "model/000001/weights.safetensors"):
        assert (_GOLDEN / name).read_bytes() == (tmp_path / "i" / name).read_bytes()
    old, new = (DeltaTable(path / "points").schema() for path in (_GOLDEN, tmp_path / "i"))
    assert old == new


@pytest.mark.parametrize("golden", [_GOLDEN, _REMOVED], ids=["v1", "v3"])
def test_the_page_reads_it_without_hierindex(golden: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(golden, tmp_path / "my.index")
    monkeypatch.chdir(tmp_path)
    block = re.search(r"```python\n(.*?)```", _PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    names: dict[str, object] = {}
    exec(block.group(1), names)
    wanted = Store.open(golden).load()
    assert names["about"] == wanted.tree.about
    assert names["points"]["id"].to_pylist() == wanted.points.ids.tolist()  # type: ignore[index]
    np.testing.assert_array_equal(names["vectors"], wanted.points.rows)  # type: ignore[arg-type]
    np.testing.assert_array_equal(names["centroids"], wanted.tree.nodes.centroid)  # type: ignore[arg-type]


def test_the_page_names_every_column_and_key() -> None:
    page = _PAGE.read_text(encoding="utf-8")
    tree = pq.ParquetFile(_GOLDEN / "tree/000002.parquet")
    own = [field.name for field in DeltaTable(_GOLDEN / "points").schema().fields][:4]
    keys = [key.decode() for key in tree.metadata.metadata]
    for name in own + tree.schema_arrow.names + keys:
        assert f"| `{name}` |" in page, name
    for name in ("hierindex.tree", "hierindex.model", "hierindex.removed"):
        assert f"`{name}`" in page
        assert DeltaTable(_REMOVED / "points").transaction_version(name) is not None
    leaves = tree.read().to_pylist()
    assert [(row["depth"], row["level"]) for row in leaves] == [(0, 2), (1, 1), (1, 0), (2, 0), (2, 0)]


def test_a_whole_index_answers_as_it_did() -> None:
    """Encoder, heads, codes and operating points of the day when the format was given out."""
    answers = json.loads(_WHOLE.with_suffix(".json").read_text(encoding="utf-8"))
    index = HierIndex.open(_WHOLE)
    assert index.version == 5
    assert index.ids.tolist() == answers["order"]
    assert index.payload().to_pylist() == answers["payload"]  # type: ignore[union-attr]
    assert [[v.operation, v.rows] for v in index.history()] == answers["history"]
    assert index.committed("sent once") == 1
    assert index.path("p9") == answers["path"]
    assert index.labels(3).tolist() == answers["labels"]
    queries = Table(np.array(answers["queries"], np.float32))
    np.testing.assert_allclose(index.encode(queries), answers["encoded"], rtol=1e-4, atol=1e-5)
    hits = index.search(queries, k=5, recall=1)
    assert hits.ids.tolist() == answers["ids"]
    np.testing.assert_allclose(hits.distances, answers["distances"], rtol=1e-3, atol=1e-5)
    through = index.search(queries, k=5, nprobe=2).ids
    shared = [len(set(a) & set(b)) for a, b in zip(through.tolist(), answers["through_leaves"], strict=True)]
    assert np.mean(shared) > 4  # leaves may be scanned otherwise one day; what is stored says which they are
    for version, (_, rows) in zip(range(5, -1, -1), answers["history"], strict=True):
        assert len(HierIndex.open(_WHOLE, version=version)) == rows


def test_a_whole_index_can_be_changed(tmp_path: Path) -> None:
    shutil.copytree(_WHOLE, tmp_path / "i")
    index = HierIndex.open(tmp_path / "i")
    row = Table(np.full((1, 5), 2, np.float32))
    assert index.add(row, ids=["new"], payload=[{"year": 2026, "word": None}], token="sent once").tolist() == []
    index.add(row, ids=["new"], payload=[{"year": 2026, "word": None}], token="sent now")
    assert HierIndex.open(tmp_path / "i").search(row, k=1).ids.tolist() == [["new"]]
    index.compact()
    assert index.vacuum(retain=1).oldest == index.version == 7


def test_a_golden_index_that_was_reshaped_answers_as_it_did(tmp_path: Path) -> None:
    known = json.loads(_RESHAPED.with_suffix(".json").read_text())
    shutil.copytree(_RESHAPED, tmp_path / "i")
    index = HierIndex.open(tmp_path / "i")
    queries = np.array(known["queries"], np.float32)
    assert sum(known["did"]) > 0
    assert known["retired"]
    assert index.search(queries, k=5, recall=1).ids.tolist() == known["ids"]
    assert index.search(queries, k=5, nprobe=2).ids.tolist() == known["through_leaves"]
    assert [index.path(point) for point in range(0, 20, 4)] == known["paths"]
    assert np.flatnonzero(index._view.snapshot.nodes.retired).tolist() == known["retired"]
    assert len(index._view.snapshot.table.moves) > 0
    index.add(queries, ids=np.arange(300, 305))
    assert index.search(queries, k=1).ids.ravel().tolist() == [300, 301, 302, 303, 304]
    assert len(HierIndex.open(tmp_path / "i")) == 245


def test_a_golden_index_with_removed_rows_answers_as_it_did(tmp_path: Path) -> None:
    known = json.loads(_REMOVED.with_suffix(".json").read_text())
    shutil.copytree(_REMOVED, tmp_path / "i")
    index = HierIndex.open(tmp_path / "i")
    queries = np.array(known["queries"], np.float32)
    assert index.ids.tolist() == known["order"]
    assert index.payload().to_pylist() == known["payload"]  # type: ignore[union-attr]
    assert index.labels(4).tolist() == known["labels"]
    assert index.search(queries, k=5, recall=1).ids.tolist() == known["ids"]
    assert index.search(queries, k=5, nprobe=2).ids.tolist() == known["through_leaves"]
    assert [[v.operation, v.rows] for v in index.history()] == known["history"]
    assert index.committed("sent once") == 4
    for version, (_, rows) in enumerate(reversed(known["history"])):
        assert len(HierIndex.open(tmp_path / "i", version=version)) == rows
    assert len(Store.open(tmp_path / "i")._log.removed) > 3
    index.delete(["p1"])
    index.compact()
    assert HierIndex.open(tmp_path / "i").ids.tolist() == [i for i in known["order"] if i != "p1"]
    assert len(Store.open(tmp_path / "i")._log.removed) == 0
