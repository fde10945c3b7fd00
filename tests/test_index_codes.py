"""Short codes: turned to the axes that matter, of a length that pays, and stored whole."""

import json
from dataclasses import replace

import numpy as np
import pytest
from index_cases import build, mixture

from hierindex.errors import CorruptIndexError
from hierindex.index import coding
from hierindex.index.codes import Axes, Coder, part_width
from hierindex.index.coding import _candidates, _cheapest, _ladders, _place, choose_coder
from hierindex.index.cost import ScanCost, Work
from hierindex.index.judged import Judged, Routed, held_out
from hierindex.index.leaves import PqLeaves
from hierindex.index.packed import pack
from hierindex.index.router import ALL, Router
from hierindex.index.tuning import tune
from hierindex.vectors import Metric


def flat_cloud(n, d, filled, seed=0):
    """``(n, d)``: rows that fill few dimensions, turned at random, with a little noise in all."""
    rng = np.random.default_rng(99)
    turn = np.linalg.qr(rng.normal(size=(d, d)))[0][:filled]
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, filled)) @ turn + 0.01 * rng.normal(size=(n, d))).astype(np.float32)


@pytest.mark.parametrize("d", [1, 2, 7, 16, 33])
def test_a_full_turn_keeps_distances_and_products(d):
    x = mixture(200, d)
    coder = Axes.of(x, np.arange(200), seed=0).coder(-(-d // 2), seed=0)
    turned = coder.turned(x)
    np.testing.assert_allclose(turned @ turned.T, x @ x.T, rtol=1e-3, atol=1e-3)
    assert coder.width == turned.shape[1] == d + d % 2


@pytest.mark.parametrize("d", [3, 8, 33])
def test_a_part_for_each_dimension_keeps_distances_and_tells_more(d):
    x = mixture(400, d)
    axes = Axes.of(x, np.arange(400), seed=0)
    fine, coarse = axes.coder(d, seed=0), axes.coder(-(-d // 2), seed=0)
    np.testing.assert_allclose(fine.turned(x) @ fine.turned(x).T, x @ x.T, rtol=1e-3, atol=1e-3)
    assert fine.centroids.shape == (d, 16, 1)

    def lost(coder):
        return np.square(coder.quantizer.decode(coder.encode(x)) - coder.turned(x)).sum()

    assert lost(fine) < lost(coarse) / 2


def test_spread_is_the_same_in_all_parts():
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(4_000, 16)) * 2.0 ** -np.arange(16)).astype(np.float32)
    parts = Axes.of(x, np.arange(4_000), seed=0).turn(8).reshape(16, 8, 2)
    spread = np.log2(np.std(np.einsum("nd,dpw->npw", x, parts), axis=0)).sum(axis=1)
    assert np.ptp(spread) < 0.5  # dealt out one after the other it would be 28
    assert np.allclose(parts.reshape(16, 16).T @ parts.reshape(16, 16), np.eye(16), atol=1e-5)


@pytest.mark.parametrize(("d", "parts"), [(48, 12), (700, 64)])  # the second in more than one piece a row
def test_what_is_turned_does_not_depend_on_the_batch(d, parts):
    x = mixture(500, d)
    coder = Axes.of(x, np.arange(500), seed=0).coder(parts, seed=0)
    one_by_one = np.concatenate([coder.turned(row[None]) for row in x])
    np.testing.assert_array_equal(one_by_one, coder.turned(x))
    np.testing.assert_allclose(coder.turned(x), x @ coder.turn, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(coder.encode(x, at_once=7), coder.encode(x))


@pytest.mark.parametrize(("d", "parts"), [(48, 12), (7, 4), (700, 64)])
def test_one_query_is_turned_in_its_buffer_as_in_a_batch(d, parts):
    x = mixture(50, d)
    coder = Axes.of(x, np.arange(50), seed=0).coder(parts, seed=0)
    query, turned = np.empty((1, d), np.float32), np.empty((1, coder.width), np.float32)
    turn = coder.turning(query, turned)
    for row, expected in zip(x, coder.turned(x), strict=True):
        query[0] = row
        turn()
        np.testing.assert_array_equal(turned[0], expected)


def seen(x):
    """A snapshot of some leaves, its held-out rows, the leaf of each row, and the ways of the held-out ones."""
    snapshot = build(x, flat_below=0, n_leaves=40, leaf_scan="flat")
    judged = Judged.of(snapshot.table, Metric.L2, held_out(snapshot.live_rows, 200, seed=0))
    leaf_of = snapshot.nodes.leaf_position[snapshot.leaf]
    sizes = np.bincount(leaf_of)
    routed = Routed.of(Router.over(snapshot.nodes, by_product=False), judged.queries, judged, leaf_of, sizes, ALL)
    return snapshot, judged, leaf_of, routed


def chosen(x):
    snapshot, judged, leaf_of, routed = seen(x)
    return choose_coder(snapshot.table, leaf_of, Metric.L2, judged, routed, seed=0)


def test_rows_that_fill_few_dimensions_get_short_codes():
    few, many = chosen(flat_cloud(4_000, 64, filled=6)), chosen(flat_cloud(4_000, 64, filled=64))
    assert few.n_parts <= 8
    assert many.n_parts >= 2 * few.n_parts


def test_rows_that_fill_all_dimensions_evenly_get_a_part_for_each():
    """Coarser codes find hardly a neighbour there, so a walk that only goes down hill would never begin."""
    coder = chosen(np.random.default_rng(0).random((4_000, 24), dtype=np.float32))
    assert coder.centroids.shape == (24, 16, 1)


def test_candidates_are_counted_among_the_rows_of_the_leaves_or_a_sample_of_them(monkeypatch):
    x = np.random.default_rng(0).normal(size=(6_000, 16)).astype(np.float32)
    snapshot, _, leaf_of, _ = seen(x)
    coder, way = Axes.of(x, np.arange(len(x)), seed=0).coder(4, seed=0), np.arange(30, 0, -1)
    members = np.flatnonzero(np.isin(leaf_of, way))
    whole, sampled = (_at(monkeypatch, snapshot, leaf_of, way, most) for most in (len(x), 400))
    np.testing.assert_array_equal(whole.rows, x[members])
    np.testing.assert_array_equal(whole.weight, 1)
    assert len(sampled.rows) < len(members) / 2
    assert sampled.weight.sum() == pytest.approx(len(members))

    coded = coder.quantizer.decode(coder.encode(whole.rows))
    apart = ((coder.turned(whole.rows[whole.own])[:, None] - coded[None]) ** 2).sum(axis=2)
    apart[np.arange(len(whole.own)), whole.own] = np.inf
    place = apart.argsort(axis=1).argsort(axis=1)
    expected = np.quantile(np.take_along_axis(place, whole.truth, axis=1), 0.99, method="higher") + 1
    assert expected > 20
    assert _candidates(coder, [whole], Metric.L2) == pytest.approx(expected, rel=0.2)
    assert _candidates(coder, [sampled], Metric.L2) == pytest.approx(expected, rel=0.4)


def _at(monkeypatch, snapshot, leaf_of, way, most):
    monkeypatch.setattr(coding, "_ROWS", most)
    return _place(snapshot.table, leaf_of, Metric.L2, way, np.random.default_rng(0))


def test_a_way_through_emptied_leaves_says_nothing_of_codes():
    x = np.random.default_rng(0).normal(size=(3_000, 16)).astype(np.float32)
    snapshot, judged, leaf_of, routed = seen(x)
    in_three = np.flatnonzero(leaf_of == 3)
    for gone in (in_three, in_three[1:]):
        table = snapshot.table.remove(gone)
        assert _place(table, leaf_of, Metric.L2, np.array([3]), np.random.default_rng(0)) is None
        through = replace(routed, lists=np.full_like(routed.lists, 3), rank=np.zeros_like(routed.rank))
        assert choose_coder(table, leaf_of, Metric.L2, judged, through, seed=0).dim == 16


def test_codes_that_tell_little_are_made_up_for_by_candidates():
    """Where a thousand are not enough, more are compared: asked for .95, all rows would be."""
    x = np.random.default_rng(0).random((6_000, 24), dtype=np.float32)
    snapshot, judged, _, _ = seen(x)
    coder = Axes.of(x, np.arange(len(x)), seed=0).coder(4, seed=0)
    packed = pack(snapshot.table, snapshot.nodes, Metric.L2, coder, None, len(x))
    point = tune(snapshot.table, packed, judged).lookup(10, 0.95)
    assert point is not None
    assert point.candidates > 1_000


@pytest.mark.parametrize("start", [1, 4, 30])
@pytest.mark.parametrize(
    ("costs", "cheapest"),
    [
        ((np.inf, np.inf, 5, 4, 6), 8),
        ((9, 5, 4, 6, 7), 6),
        ((1, 2, 3, 4, 5), 2),
        ((9, 8, 7, 6, 5), 10),
        ((np.inf,) * 5, 10),
    ],
)
def test_the_walk_ends_at_the_lowest_cost_of_a_valley(start, costs, cheapest):
    ladder = [2, 4, 6, 8, 10]
    assert _cheapest(ladder, start, dict(zip(ladder, costs, strict=True)).__getitem__) == cheapest


@pytest.mark.parametrize("dim", [1, 2, 3, 16, 100, 129, 256, 2_000])
def test_every_number_of_parts_that_is_tried_can_be_made(dim):
    for number, (ladder, start) in enumerate(_ladders(dim)):
        assert ladder == sorted(set(ladder))
        assert start > 0
        assert {part_width(parts, dim) for parts in ladder} == {2 - number}
        assert ladder[-1] <= min(dim, 128)


@pytest.mark.parametrize("parts", [6, 20])
def test_a_coder_comes_back_from_json(parts):
    x = mixture(300, 20)
    coder = Axes.of(x, np.arange(300), seed=0).coder(parts, seed=0)
    again = Coder.from_json(json.loads(json.dumps(coder.to_json())))
    np.testing.assert_array_equal(again.encode(x), coder.encode(x))
    plain = Coder(20, np.ones((10, 16, 2), np.float32))  # as stored before rows were turned
    stored = Coder.from_json(plain.to_json())
    assert stored.turn is None
    np.testing.assert_array_equal(stored.turned(x), x)


@pytest.mark.parametrize(
    "broken",
    [{"turn": "AAAA"}, {"shape": [6, 8, 2]}, {"centroids": "?"}, {"dim": 21}, {"shape": [12, 16]}],
)
def test_a_broken_coder_is_refused(broken):
    x = mixture(300, 20)
    values = Axes.of(x, np.arange(300), seed=0).coder(6, seed=0).to_json()
    with pytest.raises(CorruptIndexError, match="stored codebook should"):
        Coder.from_json(values | broken)


@pytest.mark.parametrize("n_parts", [None, 16])
@pytest.mark.parametrize("more", ["centroids", "nprobe", "lists", "rows", "candidates"])
def test_more_work_costs_more(n_parts, more):
    work = Work(100, True, 10, 5.0, 1_000.0, 50)
    harder = Work(**{**work.__dict__, more: 2 * getattr(work, more)})
    price = ScanCost(64, n_parts)
    assert price.in_batch(harder) > price.in_batch(work)
    assert price.alone(harder) > price.alone(work)
    assert price.in_batch(work) < price.of_both(work) < price.alone(work)


def test_codes_of_directions_are_compared_by_distance():
    rng = np.random.default_rng(0)
    crowds = rng.normal(size=(20, 64))
    x = Metric.COSINE.prepare(
        (crowds[rng.integers(20, size=4_000)] + 0.3 * rng.normal(size=(4_000, 64))).astype(np.float32)
    )
    snapshot = build(x, metric=Metric.COSINE, flat_below=0, n_leaves=40, leaf_scan="pq")
    packed, queries = snapshot.packed, x[:200] + 0.1 * x[200:400]
    truth = np.argsort(-(queries @ x.T), axis=1)[:, :10]
    every = np.tile(np.arange(len(packed.sizes)), (200, 1))

    def share(lists):
        found = lists.scan(packed.turned(queries), every, 30, None)
        return (found[:, :, None] == truth[:, None]).any(axis=1).mean()

    by_product = PqLeaves.pack(
        packed.coder, packed.codes.values, packed.list_of.astype(np.int64), len(packed.sizes), True
    )
    assert share(packed.lists) > share(by_product) + 0.2
