"""The head of the walks: its formula, its start from all rows, and an index whose tree is taken from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from learning_samples import quick
from test_learning_vectors import clusters, split_right

from hierindex import HierIndex
from hierindex.api.config import BuildConfig
from hierindex.decode import Decode
from hierindex.errors import CorruptIndexError
from hierindex.head import AnchorHead, Head, head_of, unit
from hierindex.learning.anchors import anchor_head
from hierindex.learning.config import HeadConfig, LearnConfig
from hierindex.learning.learn import learn_vectors
from hierindex.learning.selection import Choice, choose_tree
from hierindex.progress import Silent


def rows_of(n, d=6, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def make_head(m=7, d=6, p=3, temperature=0.2):
    return AnchorHead(rows_of(1, d)[0], unit(rows_of(m, d, 1)), rows_of(m, p, 2), np.array([temperature], np.float32))


def drawn(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("rows_at_once", [1, 3, 100])
def test_the_head_is_its_formula_row_by_row(rows_at_once):
    head, z = make_head(), rows_of(8, seed=3)
    for row, point in zip(z, head(z, rows_at_once=rows_at_once), strict=True):
        u = row - head.mean
        weights = np.exp(head.anchors @ (u / np.linalg.norm(u)) / head.temperature[0])
        y = weights @ head.places
        np.testing.assert_allclose(point, y / np.linalg.norm(y), atol=1e-5)


def test_a_cold_head_stays_finite_and_gives_each_anchor_its_own_place():
    head = make_head(temperature=1e-4)
    points = head(head.anchors + head.mean)
    np.testing.assert_allclose(points, unit(head.places), atol=1e-4)


def test_a_head_of_either_kind_comes_back_from_its_arrays():
    head, z = make_head(), rows_of(2)
    again = head_of(head.arrays())
    assert isinstance(again, AnchorHead)
    np.testing.assert_array_equal(again(z), head(z))
    flat = learn_vectors(rows_of(9), quick(steps=1), Silent()).head
    assert isinstance(head_of(flat.arrays()), Head)
    with pytest.raises(CorruptIndexError, match="missing"):  # what a hierindex says that knows of no anchors
        Head.from_arrays(head.arrays())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"places": np.zeros((6, 3))}, r"'places' should be \(7, 3\); found \(6, 3\)"),
        ({"anchors": np.zeros((7, 5))}, r"'anchors' should be \(7, 6\)"),
        ({"temperature": np.zeros(1)}, "temperature should be above 0; found 0"),
        ({"temperature": np.full(1, np.nan)}, "temperature should be above 0; found nan"),
        ({"temperature": np.ones(2)}, r"'temperature' should be \(1,\)"),
    ],
)
def test_arrays_that_make_no_head_are_refused(wrong, message):
    with pytest.raises(CorruptIndexError, match=message):
        head_of({**make_head().arrays(), **wrong})
    with pytest.raises(CorruptIndexError, match=r"missing: \['places'\]"):
        head_of({name: array for name, array in make_head().arrays().items() if name != "places"})


def test_an_anchor_lies_at_the_mean_of_all_rows_that_it_counts_for(monkeypatch):
    monkeypatch.setattr("hierindex.learning.anchors._ANCHORS", 5)
    monkeypatch.setattr("hierindex.learning.anchors._AT_ONCE", 4)
    z, places = rows_of(23), rows_of(23, 2, seed=1)
    head = anchor_head(torch.from_numpy(z), torch.from_numpy(places), drawn())
    assert head.anchors.shape == (5, 6)
    for anchor, place in zip(head.anchors, head.places, strict=True):
        u = unit(z - z.mean(0))
        all_weights = np.exp(u @ head.anchors.T / head.temperature[0])
        weights = np.exp(u @ anchor / head.temperature[0]) / all_weights.sum(1)
        np.testing.assert_allclose(place, weights @ places / weights.sum(), rtol=1e-3, atol=1e-5)


def test_rows_that_were_not_there_lie_with_their_group():
    x, labels = clusters()
    more, same = clusters(seed=0, per=60)
    places = np.eye(6, dtype=np.float32)[labels]
    head = anchor_head(torch.from_numpy(x), torch.from_numpy(places), drawn())
    assert (head(more).argmax(1) == same).mean() > 0.95


@pytest.mark.parametrize("seed", range(3))
def test_groups_that_no_neighbour_joins_are_found_and_left_to_the_learned_head(seed):
    """The graph falls apart, so that walks find the groups and know little of how they lie."""
    x, labels = clusters(noise=0.05, seed=seed)
    learned = learn_vectors(x, quick(steps=60), Silent())
    assert split_right(learned.walk(x), labels)
    assert not choose_tree(x, learned.head, learned.disk, learned.walk).on_walk


def test_there_is_none_without_diffusion_or_above_the_sample():
    x = rows_of(30)
    for head in (HeadConfig(diffusion=None, steps=1), HeadConfig(sample=29, steps=1)):
        assert learn_vectors(x, LearnConfig(head=head, device="cpu"), Silent()).walk is None
    assert learn_vectors(x, LearnConfig(head=HeadConfig(sample=30, steps=1), device="cpu"), Silent()).walk is not None


@pytest.mark.parametrize("x", [np.ones((5, 3), np.float32), np.eye(2, dtype=np.float32), rows_of(3)])
def test_odd_sets_stay_finite(x):
    walk = learn_vectors(x, quick(steps=1), Silent()).walk
    np.testing.assert_allclose(np.linalg.norm(walk(x), axis=1), 1, atol=1e-5)


def test_it_is_taken_where_its_cuts_keep_neighbours_together():
    x, _ = clusters()
    learned = learn_vectors(x, quick(steps=1), Silent())
    poor, flat = (replace(h, linear=0 * h.linear, w2=0 * h.w2) for h in (learned.head, learned.disk))  # one place
    choice = choose_tree(x, poor, flat, learned.walk)
    assert (choice.on_walk, choice.on_disk, choice.decode) == (True, False, Decode.WARD)
    assert choose_tree(x, learned.head, learned.disk).name != "walk"


def test_an_index_keeps_the_head_that_was_taken(monkeypatch, tmp_path):
    x, _ = clusters()
    walk = Choice("walk", Decode.WARD, ())
    monkeypatch.setattr("hierindex.api.build.choose_tree", lambda *args, **named: walk)
    index = HierIndex.from_vectors(x[20:], config=BuildConfig(learn=quick(steps=1)), path=tmp_path / "w.index")
    monkeypatch.undo()
    index.add(x[:20])
    again = HierIndex.open(tmp_path / "w.index")
    assert isinstance(again._view.model.head, AnchorHead)
    np.testing.assert_array_equal(index.labels(6), again.labels(6))
    found = again.labels(6)
    assert (found[-20:] == found[0]).mean() > 0.8  # what was added is with the rest of its group
    np.testing.assert_array_equal(index.search(x[:5], 3).ids, again.search(x[:5], 3).ids)
