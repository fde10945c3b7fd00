"""Search by radius: what NumPy finds by comparing all, on every way there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from index_cases import add, build, mixture, slow_distances

from hierindex.errors import InputError
from hierindex.index import updates
from hierindex.index.cost import ScanCost
from hierindex.index.explain import NoWatch
from hierindex.index.heat import HeatCounter
from hierindex.index.ranges import Searched, all_within
from hierindex.index.rings import Rings
from hierindex.vectors import Metric

METRICS = list(Metric)


def a_radius(true, share):
    """A radius that this share of all distances is below, in the middle between two of them; for 1 above them all."""
    known = np.sort(true.ravel())
    at = max(1, int(share * len(known)))
    return float(known[at - 1] + (known[at] if share < 1 else known[-1] + 0.1)) / 2


def check(near, true, radius, allowed):
    wanted = (true <= radius) & allowed
    np.testing.assert_array_equal(np.diff(near.lims), wanted.sum(axis=1))
    for q, expected in enumerate(wanted):
        rows, distances = (values[near.lims[q] : near.lims[q + 1]] for values in (near.rows, near.distances))
        np.testing.assert_array_equal(np.sort(rows), np.flatnonzero(expected))
        np.testing.assert_allclose(distances, true[q, rows], rtol=1e-4, atol=2e-5)
        assert (np.lexsort((rows, distances)) == np.arange(len(rows))).all()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("d", [2, 7, 40])
@pytest.mark.parametrize("flat_below", [0, 10_000])
def test_all_that_numpy_finds(metric, d, flat_below):
    snapshot = build(mixture(1_500, d), metric, flat_below=flat_below, n_leaves=30)
    snapshot = updates.delete(add(snapshot, mixture(40, d, seed=6), np.arange(1_500, 1_540)), np.arange(0, 300, 3))
    queries = metric.prepare(mixture(25, d, seed=1))
    true = slow_distances(queries, snapshot.rows, metric)
    rng = np.random.default_rng(0)
    for share in (0.0005, 0.02, 0.4, 1):
        radius = a_radius(true, share)
        for mask in (None, rng.random(1_540) < 0.7, rng.random(1_540) < 0.05):
            allowed = snapshot.ids.alive if mask is None else snapshot.ids.alive & mask
            check(snapshot.within(queries, radius, mask), true, radius, allowed)
            check(snapshot.within(queries[:1], radius, mask), true[:1], radius, allowed)


@pytest.mark.parametrize("metric", METRICS)
def test_rings_leave_out_only_what_is_far(metric):
    x = metric.prepare(mixture(2_000, 3))
    snapshot = build(x, metric, flat_below=0, n_leaves=60)
    leaves = snapshot.nodes.leaf_position[snapshot.leaf]
    rings = Rings.of(snapshot.rows, leaves, snapshot.nodes.leaf_centroids)
    queries = metric.prepare(mixture(30, 3, seed=2))
    true = slow_distances(queries, snapshot.rows, metric)
    radius = a_radius(true, 0.01)
    runs = rings.runs(queries, radius, metric)
    query, row = runs.pairs(np.arange(30), rings.order)
    kept = np.zeros(true.shape, bool)
    kept[query, row] = True
    np.testing.assert_array_equal(runs.counts, kept.sum(axis=1))
    assert kept[true <= radius].all()
    assert kept.mean() < (0.8 if metric is Metric.IP else 0.25)


@given(st.integers(0, 10_000), st.sampled_from(METRICS), st.sampled_from([0.0, 3.0, 1e4]), st.floats(-4, 1))
def test_no_ring_is_too_narrow(seed, metric, away, exponent):
    rng = np.random.default_rng(seed)
    x = metric.prepare((rng.normal(size=(60, 5)) * 10.0 ** rng.integers(-3, 3) + away).astype(np.float32))
    x[rng.integers(0, 60, 5)] = 0
    q = np.concatenate([x[:4], metric.prepare((rng.normal(size=(4, 5)) + away).astype(np.float32))])
    leaves = rng.integers(0, 7, 60)
    rings = Rings.of(x, leaves, rng.normal(size=(7, 5)).astype(np.float32) + np.float32(away))
    true = slow_distances(q, x, metric)
    radius = float(true.min() + 10.0**exponent * (true.max() - true.min()))
    if metric is not Metric.IP:
        radius = max(radius, 0.0)
    query, row = rings.runs(q, radius, metric).pairs(np.arange(8), rings.order)
    kept = np.zeros(true.shape, bool)
    kept[query, row] = True
    assert kept[true <= radius].all()


@pytest.mark.parametrize("metric", [Metric.L2, Metric.COSINE])
@pytest.mark.parametrize("away", [0, 5_000])
def test_a_row_is_within_nothing_of_itself(metric, away):
    x = mixture(600, 8) * 0.01 + away
    snapshot = build(x, metric, flat_below=0, n_leaves=16)
    near = snapshot.within(snapshot.rows, 0.0 if metric is Metric.L2 else 1e-6)
    hit = np.repeat(np.arange(600), np.diff(near.lims))
    assert (np.bincount(hit[near.rows == hit], minlength=600) == 1).all()


def test_a_distance_found_is_a_radius_that_finds():
    snapshot = build(mixture(900, 12), flat_below=0, n_leaves=20)
    queries = mixture(10, 12, seed=3)
    rows, distances = snapshot.search(queries, 5, recall=1.0)
    for q in range(10):
        near = snapshot.within(queries[q : q + 1], float(distances[q, 4]))
        np.testing.assert_array_equal(near.rows, rows[q])
        np.testing.assert_array_equal(near.distances, distances[q])


def test_an_answer_does_not_depend_on_the_batch_or_the_way(monkeypatch):
    snapshot = build(mixture(2_000, 16), flat_below=0, n_leaves=40)
    queries = mixture(40, 16, seed=5)
    radius = a_radius(slow_distances(queries, snapshot.rows, Metric.L2), 0.05)
    near = snapshot.within(queries, radius)
    ways = [snapshot.within(queries[q : q + 1], radius) for q in range(40)]
    for price in (0.0, 1e30):  # always all rows, always rings
        monkeypatch.setattr(ScanCost, "whole", lambda self, rows, queries, price=price: price)
        ways.append(snapshot.within(queries, radius))
    np.testing.assert_array_equal(np.concatenate([way.rows for way in ways[:40]]), near.rows)
    for way in ways[40:]:
        np.testing.assert_array_equal(way.rows, near.rows)
        np.testing.assert_array_equal(way.distances, near.distances)


def test_many_queries_go_in_parts(monkeypatch):
    x = mixture(300, 4)
    monkeypatch.setattr("hierindex.index.ranges._QUERIES_AT_ONCE", 7)
    monkeypatch.setattr("hierindex.index.ranges._PAIRS_AT_ONCE", 100)
    snapshot = build(x, flat_below=0, n_leaves=20)
    true = slow_distances(x[:30], x, Metric.L2)
    for radius in (0.0, a_radius(true, 0.03)):
        check(snapshot.within(x[:30], radius), true, radius, np.ones(300, bool))


@pytest.mark.parametrize("rings", [False, True])
def test_identical_and_zero_rows(rings):
    snapshot = build(np.ones((300, 4), np.float32), flat_below=0 if rings else 1_000, n_leaves=17)
    near = snapshot.within(snapshot.rows[:2], 0.0)
    np.testing.assert_array_equal(near.rows, np.tile(np.arange(300), 2))
    zeros = build(np.zeros((50, 4), np.float32), Metric.IP, flat_below=0 if rings else 1_000)
    assert np.diff(zeros.within(np.ones((1, 4), np.float32), 0.0).lims).tolist() == [50]
    assert np.diff(zeros.within(np.ones((1, 4), np.float32), -1e-6).lims).tolist() == [0]


def test_no_queries_and_no_rows_that_match():
    snapshot = build(mixture(50, 4))
    assert snapshot.within(np.empty((0, 4), np.float32), 1.0).lims.tolist() == [0]
    assert snapshot.within(snapshot.rows[:3], 1.0, np.zeros(50, bool)).lims.tolist() == [0, 0, 0, 0]


def test_leaves_of_what_was_found_count_once_a_query():
    snapshot = build(mixture(500, 4), flat_below=0, n_leaves=10)
    counter, queries = HeatCounter(), snapshot.rows[:20]
    near = snapshot.within(queries, 0.5, watch=counter)
    query = np.repeat(np.arange(20), np.diff(near.lims))
    pairs = {(int(q), int(leaf)) for q, leaf in zip(query, snapshot.leaf[near.rows], strict=True)}
    heat = counter.heat(snapshot.nodes, snapshot.nodes.counts(snapshot.leaf))
    assert heat.queries == 20
    assert dict(zip(heat.leaves.tolist(), heat.counts.tolist(), strict=True)) == {
        leaf: sum(1 for _, other in pairs if other == leaf) for leaf in heat.leaves.tolist()
    }


def test_without_rings_rows_from_the_first_on_are_compared():
    x = mixture(100, 4)
    snapshot = build(x)
    near = all_within(x[:5], 0.7, Searched(x, Metric.L2), (snapshot.nodes, snapshot.leaf), NoWatch())
    check(near, slow_distances(x[:5], x, Metric.L2), 0.7, np.ones(100, bool))


@pytest.mark.parametrize(
    ("metric", "radius", "message"),
    [
        (Metric.L2, float("nan"), "finite number; found nan"),
        (Metric.IP, float("inf"), "finite number; found inf"),
        (Metric.L2, "3", "finite number; found '3'"),
        (Metric.L2, True, "finite number; found True"),
        (Metric.L2, -0.1, "0 or above for l2"),
        (Metric.COSINE, -1, "0 or above for cosine"),
    ],
)
def test_radii_that_cannot_be(metric, radius, message):
    snapshot = build(mixture(10, 3), metric)
    with pytest.raises(InputError, match=message):
        snapshot.within(snapshot.rows[:1], radius)
