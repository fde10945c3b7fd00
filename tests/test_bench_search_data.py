"""The data of the search benchmark, its exact neighbours, and how recall is judged by them."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.searching import data as data_room
from benchmarks.searching.data import DataSet, Recipe, load
from benchmarks.searching.glove import HeavyTails, heavy_tailed
from benchmarks.searching.judge import recall_of
from benchmarks.searching.sift import dense_sift, unseen
from benchmarks.searching.truth import exact, local_dimension, unit_rows


def made(n=200, q=40, d=6, seed=0):
    rng = np.random.default_rng(seed)
    base, queries = (rng.normal(size=(m, d)).astype(np.float32) for m in (n, q))
    reach, truth = exact(base, queries, 20)
    return DataSet("made", "l2", base, queries, truth, reach, {})


def test_exact_neighbours_are_those_of_all_distances():
    one = made()
    gaps = ((one.queries[:, None].astype(np.float64) - one.base) ** 2).sum(2)
    assert np.array_equal(one.truth, np.argsort(gaps, axis=1)[:, :20])
    assert np.allclose(one.reach, np.sort(gaps, axis=1)[:, :20], rtol=1e-4)


@pytest.mark.parametrize("m", [3, 12])
def test_local_dimension_is_that_of_a_ball(m):
    """In an m-ball around the query the k nearest of many points lie at U^(1/m)."""
    radii = np.sort(np.random.default_rng(0).uniform(size=(2_000, 100)) ** (1 / m), axis=1)
    found = local_dimension((radii**2).astype(np.float32))
    assert found["median"] == pytest.approx(m, rel=0.05)


def test_copies_of_a_query_say_nothing_about_dimension():
    squared = np.array([[0.0, 0.25, 1.0]], dtype=np.float32)
    assert local_dimension(squared)["mean"] == pytest.approx(1 / np.log(2))


def test_heavy_tails_are_reproducible_and_parts_are_apart():
    how = HeavyTails(d=12, clusters=20)
    rows = heavy_tailed(500, how)
    assert np.array_equal(rows, heavy_tailed(500, how))
    other = heavy_tailed(500, how, part=1)
    assert not set(map(bytes, rows)) & set(map(bytes, other))
    assert not np.array_equal(rows, heavy_tailed(500, replace(how, seed=1)))
    fat, thin = (kurtosis(heavy_tailed(20_000, replace(how, spread=0.0, norms=0.0, tails=t))) for t in (5, 1e6))
    assert fat > thin + 1


def kurtosis(x):
    return float((((x - x.mean(0)) / x.std(0)) ** 4).mean())


def test_a_set_is_made_once_and_a_prefix_has_neighbours_of_its_own(tmp_path, monkeypatch):
    calls = []

    def make(rows, queries, encoder):
        calls.append((rows, queries, encoder))
        one = made(rows, queries)
        return 3 * one.base, one.queries, {"made": "here", "asked": "apart"}

    monkeypatch.setitem(data_room.SETS, "small", Recipe("cosine", 300, 20, make))
    whole, part = load("small", tmp_path), load("small", tmp_path, rows=100)
    assert calls == [(300, 20, None)]
    assert np.allclose(np.linalg.norm(whole.base, axis=1), 1, atol=1e-6)
    assert np.array_equal(part.base, whole.base[:100])
    for one in (whole, part):
        assert np.array_equal(one.truth, np.argsort(-(one.queries @ one.base.T), axis=1)[:, :100])
    assert part.facts["rows"] == 100
    assert part.facts["asked"] == "apart"
    again = load("small", tmp_path)
    assert np.array_equal(again.truth, whole.truth)
    assert len(calls) == 1
    assert load("small", tmp_path, rows=10_000).facts["rows"] == 300


def test_a_set_that_needs_an_encoder_says_so(tmp_path, capsys):
    assert load("cifar-latents", tmp_path) is None
    assert "needs --encoder" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_the_halves_share_no_query_and_leave_none_out():
    one = made()
    first, second = one.halves()
    assert np.array_equal(np.concatenate([first.queries, second.queries]), one.queries)
    assert np.array_equal(np.concatenate([first.truth, second.truth]), one.truth)


# ---- judging


def test_recall_counts_ties_and_counts_a_row_once():
    base = np.array([[0.0], [1.0], [1.0], [3.0], [9.0]], dtype=np.float32)
    queries = np.zeros((1, 1), dtype=np.float32)
    reach, truth = exact(base, queries, 5)
    one = DataSet("ties", "l2", base, queries, truth, reach, {})
    assert recall_of(np.array([[0, 1]]), one, 2) == 1
    assert recall_of(np.array([[0, 2]]), one, 2) == 1  # as near as row 1
    assert recall_of(np.array([[0, 0]]), one, 2) == 0.5
    assert recall_of(np.array([[0, -1]]), one, 2) == 0.5
    assert recall_of(np.array([[4, 3]]), one, 2) == 0


def test_recall_without_ties_is_the_share_of_true_neighbours():
    one = made(q=700)
    found = np.where(np.random.default_rng(1).uniform(size=(700, 10)) < 0.7, one.truth[:, :10], -1)
    assert recall_of(found, one, 10) == pytest.approx((found >= 0).mean())


def test_unit_rows_leave_zero_rows():
    rows = unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]], dtype=np.float32))
    assert rows.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0, 0]]


@pytest.mark.filterwarnings("default")  # what OpenCV warns of is its own
def test_sift_sees_gradients_alone():
    pytest.importorskip("cv2")
    images = np.random.default_rng(0).integers(40, 120, (3, 32, 32)).astype(np.uint8)
    found = dense_sift(images)
    assert found.shape == (3 * 25, 128)
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.full(75, 512), rel=0.01)
    assert np.abs(dense_sift(images + 100) - found).max() <= 2  # brighter: the same but for rounding
    assert np.array_equal(dense_sift(images[1:2]), found[25:50])
    assert not np.allclose(dense_sift(images.transpose(0, 2, 1).copy()), found, atol=50)


@pytest.mark.filterwarnings("default")
def test_points_without_gradient_have_no_descriptor():
    pytest.importorskip("cv2")
    grey = np.full((2, 32, 32), 77, dtype=np.uint8)
    assert dense_sift(grey).shape == (0, 128)


def test_queries_that_lie_in_the_base_are_left_out():
    base = np.arange(12.0, dtype=np.float32).reshape(4, 3)
    queries = np.vstack([base[2], base[2] + 1, base[0]]).astype(np.float32)
    assert np.array_equal(unseen(queries, base), queries[1:2])
