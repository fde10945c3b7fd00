"""Every verb: help with an example, one JSON document, older versions, whole files, filters as they are typed."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from test_cli import run

from hierindex import BuildConfig, HierIndex
from hierindex.cli.main import app
from hierindex.cli.where import expression
from hierindex.errors import InputError
from hierindex.learning.config import HeadConfig, LearnConfig
from hierindex.progress import Bars

VERBS = sorted(command.name or command.callback.__name__ for command in app.registered_commands)
PROGRAM = Path(sys.executable).parent / "hierindex"


@pytest.fixture(scope="module")
def saved(vectors, tmp_path_factory):
    """60 points with payload, of which the newest version has lost one."""
    path = tmp_path_factory.mktemp("verbs") / "v.index"
    config = BuildConfig(learn=LearnConfig(head=HeadConfig(steps=5)))
    payload = {"price": np.arange(60) % 7, "kind": ["shoe" if at % 3 else "hat" for at in range(60)]}
    index = HierIndex.from_vectors(vectors[:60], metric="l2", config=config, payload=payload, path=path)
    index.delete([59])
    np.save(path.parent / "q.npy", vectors[100:103])
    return path


@pytest.fixture(scope="module")
def queries(saved):
    return saved.parent / "q.npy"


def answer(capsys, *words):
    code, out, err = run(capsys, *words, "--json")
    assert code == 0, err
    return json.loads(out)


def test_there_is_a_verb_for_what_the_library_does():
    methods = {"build", "search", "diverse", "explain", "add", "upsert", "delete", "compact", "vacuum", "history"}
    methods |= {"info", "export", "labels", "sample", "tiers", "maintain"}
    assert methods <= set(VERBS)
    assert all(hasattr(HierIndex, name) for name in methods)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_helps_with_an_example(verb, capsys):
    code, out, _ = run(capsys, verb, "--help")
    assert code == 0
    assert f"hierindex {verb} " in out


def test_help_names_the_exit_codes(capsys):
    out = " ".join(run(capsys, "--help")[1].split())
    assert "0 done, 1 an error of the library (one line says what), 2 wrong usage, 130 interrupted" in out


def test_diverse_answers_are_the_library_s(saved, queries, capsys):
    index, q = HierIndex.open(saved), np.load(queries)
    wanted = index.diverse(q, k=6, per_branch=1, n_clusters=4, filter=pc.field("price") < 5)
    found = answer(capsys, "diverse", saved, queries, "-k", 6, "--per-branch", 1, "--clusters", 4, "--where", "price<5")
    assert [[hit["id"] for hit in hits] for hits in found] == [[hit.id for hit in hits] for hits in wanted]
    without = answer(capsys, "diverse", saved, queries, "-k", 3, "--exclude", wanted.ids[0, 0], "--limit", 1)
    assert [hit["id"] for hit in without[0]] == index.diverse(q[0], k=3, exclude=wanted.ids[0, 0]).ids[0].tolist()
    merged = answer(capsys, "diverse", saved, queries, "-k", 6, "--per-branch", 1, "--clusters", 4, "--merged")
    (hits,) = index.diverse(q, k=6, per_branch=1, n_clusters=4, merged=True)
    assert [hit["id"] for hit in merged[0]] == [hit.id for hit in hits]


def test_a_query_explained(saved, queries, capsys):
    told = answer(capsys, "explain", saved, queries, "--row", 2)
    assert (told["exact"], told["scanned"], told["leaves"]) == (True, 59, [])
    assert "59 of 59" in run(capsys, "explain", saved, queries)[1]
    code, _, err = run(capsys, "explain", saved, queries, "--row", 3)
    assert (code, "row should be one of 0..2; found 3" in err) == (1, True)


def test_labels_as_csv_and_as_json(saved, capsys):
    levels = HierIndex.open(saved).labels([3, 8]).tolist()
    rows = list(csv.DictReader(io.StringIO(run(capsys, "labels", saved, 3, 8)[1])))
    assert [[int(row["of_3"]), int(row["of_8"])] for row in rows] == levels
    assert [int(row["id"]) for row in rows] == list(range(59))
    assert answer(capsys, "labels", saved, 3)[5] == {"id": 5, "of_3": levels[5][0]}


def test_a_sample_an_id_a_line(saved, capsys):
    index = HierIndex.open(saved)
    assert run(capsys, "sample", saved, 7, "--seed", 3)[1].split() == [str(i) for i in index.sample(7, seed=3).tolist()]
    assert answer(capsys, "sample", saved, 7, "--uniform") == index.sample(7, balanced=False).tolist()


def test_the_tree_for_other_programs(saved, tmp_path, capsys):
    told = answer(capsys, "export", saved, tmp_path / "t.parquet", "--clusters", 3, "--payload", "price")
    assert [Path(name).name for name in told["wrote"]] == ["t.nodes.parquet", "t.edges.parquet", "t.points.parquet"]
    assert pq.read_table(tmp_path / "t.nodes.parquet").num_rows == 5
    assert "payload.price" in pq.read_table(tmp_path / "t.points.parquet").column_names
    run(capsys, "export", saved, tmp_path / "t.ttl", "--base", "https://example.org/", "--no-points", "--depth", 1)
    assert "https://example.org/" in (tmp_path / "t.ttl").read_text()


def test_points_dumped_whole(saved, tmp_path, capsys):
    index = HierIndex.open(saved)
    told = answer(capsys, "dump", saved, tmp_path / "d.parquet")
    assert told == {"wrote": str(tmp_path / "d.parquet"), "points": 59}
    assert pq.read_table(tmp_path / "d.parquet").equals(index.to_arrow())
    run(capsys, "dump", saved, tmp_path / "d.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "d.npy"), index.vectors())
    run(capsys, "dump", saved, tmp_path / "d.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "d.csv").read_text())))
    assert [row["price"] for row in rows] == [str(at % 7) for at in range(59)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.csv", "d.npy", "d.parquet"]
    code, _, err = run(capsys, "dump", saved, tmp_path / "d.txt")
    assert (code, "should end with one of .parquet, .npy, .csv; found 'd.txt'" in " ".join(err.split())) == (1, True)
    code, _, err = run(capsys, "dump", saved, tmp_path / "none" / "d.npy")
    assert (code, "StorageError" in err) == (1, True)


def test_an_older_version_is_asked_and_looked_at(saved, queries, vectors, capsys):
    np.save(saved.parent / "last.npy", vectors[59:60])
    old = ("--version-of", 0)
    now, then = (answer(capsys, "search", saved, saved.parent / "last.npy", "-k", 1, *v) for v in ((), old))
    assert (then[0][0]["id"], now[0][0]["id"] == 59) == (59, False)
    assert [answer(capsys, "info", saved, *v)["points"] for v in ((), old)] == [59, 60]
    assert [len(answer(capsys, "labels", saved, 2, *v)) for v in ((), old)] == [59, 60]
    assert [answer(capsys, "tree", saved, *v)["points"] for v in ((), old)] == [59, 60]
    assert answer(capsys, "explain", saved, queries, *old)["scanned"] == 60
    assert answer(capsys, "dump", saved, saved.parent / "old.npy", *old)["points"] == 60
    assert len(answer(capsys, "sample", saved, 60, *old)) == 60
    code, _, err = run(capsys, "info", saved, "--version-of", 7)
    assert (code, "StorageError" in err) == (1, True)


def test_ids_and_payload_from_files(vectors, tmp_path, capsys):
    np.save(tmp_path / "x.npy", vectors[:30])
    (tmp_path / "ids.txt").write_text("".join(f"item {at}\n" for at in range(30)))
    (tmp_path / "p.csv").write_text("price\n" + "".join(f"{at}\n" for at in range(30)))
    files = ("--ids", tmp_path / "ids.txt", "--payload", tmp_path / "p.csv")
    answer(capsys, "build", tmp_path / "x.npy", tmp_path / "v.index", "-q", *files)
    np.save(tmp_path / "y.npy", vectors[40:41])
    (tmp_path / "ids.txt").write_text("late\n")
    pq.write_table(pa.table({"price": [99]}), tmp_path / "p.parquet")
    files = ("--ids", tmp_path / "ids.txt", "--payload", tmp_path / "p.parquet")
    assert answer(capsys, "add", tmp_path / "v.index", tmp_path / "y.npy", *files)["added"] == ["late"]
    dear = answer(capsys, "search", tmp_path / "v.index", tmp_path / "y.npy", "-k", 9, "--where", "price >= 29")
    assert [hit["id"] for hit in dear[0]] == ["late", "item 29"]
    (tmp_path / "p.parquet").unlink()
    pq.write_table(pa.table({"price": [1]}), tmp_path / "p.parquet")
    answer(capsys, "upsert", tmp_path / "v.index", tmp_path / "y.npy", *files)
    assert HierIndex.open(tmp_path / "v.index").payload()["price"][-1].as_py() == 1
    code, _, err = run(capsys, "add", tmp_path / "v.index", tmp_path / "y.npy", "--payload", tmp_path / "none.csv")
    assert (code, "should be a .csv or .parquet file of payload columns" in " ".join(err.split())) == (1, True)


@pytest.mark.parametrize(
    ("tests", "wanted"),
    [
        (["price = 3"], [3]),
        (["price==3"], [3]),
        (["price != 3", "price<5"], [0, 1, 2, 4]),
        (["price>=8"], [8, 9]),
        (["day < 2026-01-03"], [0, 1]),
        (["a name ~ b"], [1, 3, 5, 7, 9]),
        (["a name = xa", "price > 6"], [8]),
        (["new = true"], [0]),
        (None, list(range(10))),
    ],
)
def test_filters_as_they_are_typed(tests, wanted):
    days = pa.array([f"2026-01-{at + 1:02d}" for at in range(10)]).cast(pa.date32())
    table = pa.table({"price": range(10), "day": days, "a name": ["xa", "xb"] * 5, "new": [True] + [False] * 9})
    made = expression(tests, table.schema)
    assert (table if made is None else table.filter(made))["price"].to_pylist() == wanted


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("price", "should look like 'column < value', with one of = != < <= > >= ~; found 'price'"),
        ("colour = red", r"should name one of the payload columns \['price'\]; found 'colour'"),
        ("price < cheap", "should compare with a value of int64; found 'cheap'"),
    ],
)
def test_a_filter_that_cannot_be_is_said(test, message):
    with pytest.raises(InputError, match=message):
        expression([test], pa.schema({"price": pa.int64()}))


def test_bars_show_rate_and_time_left_on_a_narrow_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = io.StringIO()
    with Bars(shown) as bars:
        bars.stage("tree, 32 dimensions", 40)
        for _ in range(39):
            bars.step()
        bars.step(1, "a note that is much too long for what is left of the line on such a terminal")
    line = [line for line in shown.getvalue().splitlines() if "40/40" in line][-1]
    assert line.startswith("tree, 32 dimensions ")
    assert "it/s" in line
    assert "00:00" in line
    assert len(line.rstrip()) <= 80


@pytest.mark.skipif(not PROGRAM.exists(), reason="the program hierindex is not installed beside this Python")
def test_a_shell_completes_verbs_and_options():
    def completed(words, at):
        told = {"_HIERINDEX_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(at)}
        return subprocess.run([PROGRAM], env={**os.environ, **told}, capture_output=True, text=True).stdout.split()

    assert completed("hierindex s", 1) == ["search", "sample", "serve"]
    assert "--version-of" in completed("hierindex search --ver", 2)


@pytest.mark.skipif(not PROGRAM.exists(), reason="the program hierindex is not installed beside this Python")
@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash to be completed for")
def test_the_completion_script_is_the_one_of_the_shell_that_asks():
    # The shell is read off the process that calls; the second command keeps bash there to be found.
    asked = ["bash", "-c", f'"{PROGRAM}" --show-completion; true']
    shown = subprocess.run(asked, capture_output=True, text=True)
    assert "_HIERINDEX_COMPLETE=complete_bash" in shown.stdout, shown.stderr
