"""upsert, maintain, compact, vacuum and history from a terminal."""

import json

import numpy as np
import pytest
from test_cli import run
from updates_cases import DIM, seed_index

from hierindex import BuildConfig, HierIndex
from hierindex.index.config import IndexConfig
from hierindex.learning.config import HeadConfig, LearnConfig


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A saved index without payload."""
    path = tmp_path_factory.mktemp("plain") / "v.index"
    x = np.eye(20, DIM, dtype=np.float32) * np.arange(1, 21, dtype=np.float32)[:, None]
    HierIndex.from_vectors(
        x, metric="l2", config=BuildConfig(learn=LearnConfig(head=HeadConfig(steps=2))), path=path, ids=range(20)
    )
    return path


def test_points_in_the_place_of_others(plain, tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.full((2, DIM), [[50], [60]], np.float32))
    (tmp_path / "ids.txt").write_text("3\n99\n")
    code, out, _ = run(capsys, "upsert", plain, tmp_path / "x.npy", "--ids", tmp_path / "ids.txt", "--json")
    assert (code, json.loads(out)) == (0, {"upserted": [3, 99], "points": 21, "version": 1})
    assert HierIndex.open(plain).search(np.full(DIM, 50), k=1).ids.tolist() == [[3]]
    _, _, err = run(capsys, "upsert", plain, tmp_path / "x.npy", "--ids", tmp_path / "ids.txt")
    assert "put in 2 points; the index now holds 21 (version 2)" in err
    code, _, err = run(capsys, "upsert", plain, tmp_path / "x.npy", "--ids", tmp_path / "none.txt")
    assert code == 1
    assert "should be a text file with an id a line" in err
    code, out, _ = run(capsys, "delete", plain, "99", "1000", "--missing", "ignore", "--json")
    assert json.loads(out)["deleted"] == 1


def test_few_files_few_versions(tmp_path, capsys):
    index = seed_index()
    index.save(tmp_path / "v.index")
    index.delete([1])
    index.add(np.zeros((1, DIM)), ids=[50], payload=[{"rev": 0, "note": None}])
    _, out, _ = run(capsys, "history", tmp_path / "v.index", "--json")
    assert [(v["version"], v["operation"], v["rows"]) for v in json.loads(out)] == [
        (2, "add", 20),
        (1, "delete", 19),
        (0, "create", 20),
    ]
    code, out, _ = run(capsys, "compact", tmp_path / "v.index", "--json")
    assert (code, json.loads(out)) == (0, {"version": 3, "parts_before": 2, "parts_after": 1})
    _, out, _ = run(capsys, "vacuum", tmp_path / "v.index", "--json")
    assert json.loads(out) == {"files": 0, "bytes": 0, "oldest": 0}  # all of it is younger than a week
    _, out, _ = run(capsys, "vacuum", tmp_path / "v.index", "--versions", 1, "--json")
    freed = json.loads(out)
    assert freed["oldest"] == 3
    assert freed["bytes"] > 0
    _, out, _ = run(capsys, "history", tmp_path / "v.index")
    assert "compact" in out
    assert "create" not in out
    index.refresh()
    assert len(index) == len(HierIndex.open(tmp_path / "v.index")) == 20


def test_upkeep_from_a_terminal(tmp_path, capsys):
    rng = np.random.default_rng(0)
    config = BuildConfig(
        learn=LearnConfig(head=HeadConfig(steps=2)), index=IndexConfig(flat_below=0, tune_queries=10, split_factor=8.0)
    )
    index = HierIndex.from_vectors(rng.normal(size=(40, 4)), metric="l2", config=config, path=tmp_path / "v.index")
    index.add(rng.normal(size=(400, 4)), ids=np.arange(40, 440))
    code, out, _ = run(capsys, "maintain", tmp_path / "v.index", "--steps", 1, "--json")
    done = json.loads(out)
    assert (code, done["version"]) == (0, 2)
    assert done["split"] > 0
    _, _, err = run(capsys, "maintain", tmp_path / "v.index")
    assert "0 left to do" in err
    _, _, err = run(capsys, "maintain", tmp_path / "v.index")
    assert "nothing to do" in err
    code, _, err = run(capsys, "maintain", tmp_path / "v.index", "--steps", 0)
    assert code != 0
    assert "steps should be" in err
