"""Ctrl-C: a real process gets a real SIGINT, nothing is half-written, and the same command goes on."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from safetensors import safe_open
from sklearn.datasets import load_digits
from test_cli import run

from hierindex import HierIndex
from hierindex.learning.refine import fit_heads

EPOCHS = 40


def words(folder):
    return ["build", folder / "x.npy", folder / "d.index", "--epochs", EPOCHS]


def start(folder):
    command = [sys.executable, "-m", "hierindex", *map(str, words(folder))]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def short_fits(latent, config, progress):
    return fit_heads(latent, replace(config, head=replace(config.head, steps=5)), progress)


def epochs_in(path):
    """The epochs of a training that its state on disk knows of."""
    with safe_open(path, framework="np") as file:
        return json.loads(file.metadata()["about"])["history"]["epochs"]


def interrupted(process, state, least):
    """Wait for some epochs, then Ctrl-C; exit code, standard output and error."""
    deadline = time.monotonic() + 120
    while not (state.exists() and len(epochs_in(state)) >= least):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, " ".join(err.split())


def test_an_interrupted_build_goes_on_where_it_was(tmp_path, capsys, monkeypatch):
    images = np.round(load_digits().images[:60] * 255 / 16).astype(np.uint8)[..., None]
    np.save(tmp_path / "x.npy", images)
    state = tmp_path / "d.index.checkpoint"
    code, out, err = interrupted(start(tmp_path), state, least=2)
    assert (code, out) == (130, "")
    assert f"interrupted; {tmp_path / 'd.index'} was not written; the same command goes on from {state}" in err
    assert "Traceback" not in err
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".new") == ["d.index.checkpoint", "x.npy"]
    done = epochs_in(state)
    assert 2 <= len(done) < EPOCHS

    monkeypatch.setattr("hierindex.learning.learn.fit_heads", short_fits)  # what comes after the part that goes on
    code, out, err = run(capsys, *words(tmp_path), "--quiet", "--json")
    assert code == 0, err
    assert f"going on from {state}" in " ".join(err.split())
    index = HierIndex.open(tmp_path / "d.index")
    history = index.training.to_json()["epochs"]
    assert len(history) == EPOCHS
    assert history[: len(done)] == done  # these were not trained again: they even took the same seconds
    assert json.loads(out)["points"] == len(index) == 60
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.index", "x.npy"]


def ctrl_c(*_, **__):
    raise KeyboardInterrupt


@pytest.fixture
def table(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32))
    return ["build", tmp_path / "x.npy", tmp_path / "d.index", "--quiet"]


def test_vectors_have_no_training_to_go_on_from(table, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("hierindex.learning.learn_vectors", ctrl_c, raising=False)
    code, out, err = run(capsys, *table)
    assert (code, out) == (130, "")
    assert "d.index was not written; nothing was kept" in " ".join(err.split())
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]


def test_in_the_midst_of_saving_all_is_taken_back(table, tmp_path, capsys, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("hierindex.storage.draft.Draft.model", ctrl_c)
        assert run(capsys, *table)[0] == 130
    assert not any((tmp_path / "d.index").iterdir())
    assert run(capsys, *table)[0] == 0


def test_what_was_saved_already_is_said_to_be(table, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("hierindex.storage.store.sync_log", ctrl_c)
    code, _, err = run(capsys, *table)
    assert code == 130
    assert "d.index had just been saved, as version 0" in " ".join(err.split())
    assert len(HierIndex.open(tmp_path / "d.index")) == 40
