"""The command line, run as a user runs it."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from hierindex import HierIndex, __version__
from hierindex.cli import main

QUICK = ["--epochs", "1", "--quiet"]


def run(capsys, *words):
    """Exit code, standard output, standard error."""
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    out, err = capsys.readouterr()
    return stop.value.code or 0, out, err


@pytest.fixture
def saved(image_index, tmp_path):
    """The path of a saved index of 100 digits."""
    HierIndex(image_index._view).save(tmp_path / "d.index")
    return tmp_path / "d.index"


def test_from_a_folder_to_answers(photos, tmp_path, capsys):
    path = tmp_path / "p.index"
    code, out, _ = run(capsys, "build", photos, path, *QUICK, "--json")
    assert (code, json.loads(out)["points"]) == (0, 40)
    code, out, _ = run(capsys, "search", path, photos / "even" / "004.png", "-k", 3, "--json")
    (found,) = json.loads(out)
    assert (code, len(found), found[0]["id"]) == (0, 3, "even/004.png")
    _, out, _ = run(capsys, "search", path, photos, "--limit", 5, "-k", 1, "--json")
    assert [hits[0]["id"] for hits in json.loads(out)] == sorted(HierIndex.open(path).ids)[:5]
    code, out, _ = run(capsys, "bench", path, "--queries", photos, "--limit", 5, "--json")
    assert code == 0
    code, out, _ = run(capsys, "delete", path, "even/004.png", "--json")
    assert json.loads(out) == {"deleted": 1, "points": 39, "version": 1}
    code, out, _ = run(capsys, "add", path, photos / "even" / "004.png", "--json")
    assert json.loads(out) == {"added": ["even/004.png"], "points": 40, "version": 2} or "004.png" in out
    code, out, _ = run(capsys, "info", path, "--json")
    assert json.loads(out)["saved"] == {"path": str(path), "version": 2}


def test_vectors_from_a_file(vectors, tmp_path, capsys):
    np.save(tmp_path / "x.npy", vectors[:60])
    np.save(tmp_path / "q.npy", vectors[7:9])
    code, _, err = run(capsys, "build", tmp_path / "x.npy", tmp_path / "v.index", "--metric", "l2", "--limit", 50, "-q")
    assert code == 0, err
    assert len(HierIndex.open(tmp_path / "v.index")) == 50
    _, out, _ = run(capsys, "search", tmp_path / "v.index", tmp_path / "q.npy", "-k", 1, "--json")
    assert [[hit["id"] for hit in found] for found in json.loads(out)] == [[7], [8]]
    _, out, _ = run(capsys, "search", tmp_path / "v.index", tmp_path / "q.npy", "-k", 1, "--limit", 1)
    assert "l2 distance" in out


def test_search_by_radius(vectors, tmp_path, capsys):
    HierIndex.from_vectors(vectors[:60], metric="l2", path=tmp_path / "v.index")
    np.save(tmp_path / "q.npy", vectors[7:9])
    gaps = np.linalg.norm(vectors[7:9, None] - vectors[None, :60], axis=2)
    wanted = [np.flatnonzero(row <= 1.5).tolist() for row in gaps]
    asked = ("search", tmp_path / "v.index", tmp_path / "q.npy", "--radius", 1.5, "--json")
    found = json.loads(run(capsys, *asked, "--threads", 2)[1])
    assert [sorted(hit["id"] for hit in hits) for hits in found] == wanted
    assert max(map(len, wanted)) > 2
    assert [hits[:2] for hits in found] == json.loads(run(capsys, *asked, "-k", 2)[1])


def test_the_tree_as_lines_json_newick_and_picture(saved, tmp_path, capsys):
    _, out, _ = run(capsys, "tree", saved, "--depth", 2)
    assert "100 points" in out
    _, out, _ = run(capsys, "tree", saved, "--depth", 1, "--json")
    top = json.loads(out)
    assert (top["points"], sum(child["points"] for child in top["children"])) == (100, 100)
    _, out, _ = run(capsys, "tree", saved, "--newick")
    assert out.strip().endswith(";")
    assert out.count(",") == 99  # a binary tree over 100 points
    run(capsys, "tree", saved, "--plot", tmp_path / "disk.png")
    assert (tmp_path / "disk.png").read_bytes().startswith(b"\x89PNG")


def test_bench_beside_flat_faiss(saved, digits, tmp_path, capsys):
    np.save(tmp_path / "q.npy", digits[100:])
    _, out, _ = run(capsys, "bench", saved, "--queries", tmp_path / "q.npy", "--json")
    assert [one["recall"] for one in json.loads(out)["measured"]] == [1, 1, 1, 1]
    code, out, _ = run(capsys, "bench", saved, "--limit", 20)
    assert code == 0
    assert "flat FAISS" in out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["info", "no-such.index"], 1, "NotAnIndexError: .*found nothing there"),
        (["search", "INDEX", "no-such.npy"], 1, "InputError: .*no-such.npy should be a .npy file; found nothing there"),
        (["search", "INDEX", "no-such.png"], 1, "no-such.png"),
        (["delete", "INDEX", "five"], 1, "ids of this index should be integers; found"),
        (["delete", "INDEX", "5000"], 1, "UnknownIdError"),
        (["build", "PHOTOS", "INDEX"], 1, "StorageError: .*should be free"),
        (["build", "PHOTOS", "new.index", "--limit", "0"], 1, "limit should be an integer of at least 1"),
        (["search", "INDEX"], 2, "Missing argument"),
        (["nonsense"], 2, "No such command"),
    ],
)
def test_errors_are_one_line_and_an_exit_code(words, code, message, saved, photos, capsys):
    named = {"INDEX": saved, "PHOTOS": photos}
    got, out, err = run(capsys, *(named.get(word, word) for word in words))
    assert got == code
    assert out == ""
    assert "Traceback" not in err
    assert re.search(message, err.replace("\n", " ")), err


def test_the_demo_takes_a_folder_of_whatever_images(photos, tmp_path, capsys):
    Image.new("RGB", (30, 20), "red").save(photos / "odd" / "large.png")
    (photos / "odd" / "broken.png").write_bytes(b"no picture")
    code, out, err = run(capsys, "demo", photos, "--out", tmp_path / "out", "--epochs", 1)
    assert code == 0, err
    assert "bringing all images to 64 pixels" in err
    assert "broken.png" in err
    assert "The tree beside the labels that were held back" in out  # the names of the sub-folders
    wanted = re.search(r"the\s+first\s+hit\s+should\s+be\s+(\d+)", out)
    assert re.search(rf"│ 1 │\s+{wanted[1]} │", out)
    for picture in ("disk.png", "dendrogram.png", "training.png"):
        assert (tmp_path / "out" / picture).read_bytes().startswith(b"\x89PNG")
    assert len(HierIndex.open(tmp_path / "out" / "demo.index")) == 35


def test_every_command_shows_an_example(capsys):
    _, out, _ = run(capsys, "--help")
    keeping = ("upsert", "compact", "vacuum", "history")
    for command in ("build", "search", "add", "delete", *keeping, "info", "tree", "tiers", "bench", "demo"):
        assert command in out
        _, told, _ = run(capsys, command, "--help")
        assert f"hierindex {command} " in told


def test_as_a_module():
    done = subprocess.run([sys.executable, "-m", "hierindex", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == __version__
