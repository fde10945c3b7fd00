"""How many leaves a query scans: told from its distances, the same for one query as for many."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from index_cases import build, mixture, slow_distances

from hierindex.index.effort import features, fitted, harder, leaves_for_one, leaves_needed, only_needed
from hierindex.index.judged import Judged, Routed, held_out, without_own
from hierindex.index.router import ALL
from hierindex.vectors import Metric


def rising(n=50, width=70, seed=0):
    return np.sort(np.random.default_rng(seed).gamma(2.0, size=(n, width)), axis=1).astype(np.float32)


def test_a_line_in_the_features_is_found_again():
    distances, weights = rising(), np.array([0.3, -0.2, 0.1, 0.4, -0.5, 0.2, 0.1, -0.3, 1.5])
    needed = np.exp(features(distances) @ weights)
    np.testing.assert_allclose(fitted(features(distances), needed), weights, atol=1e-8)


@given(width=st.integers(1, 70), ratios=st.integers(0, 7), seed=st.integers(0, 99))
def test_one_query_needs_what_it_needs_among_many(width, ratios, seed):
    ratios = min(ratios, sum(place < width for place in (1, 2, 4, 8, 16, 32, 64)))
    effort = tuple(np.random.default_rng(seed).normal(size=ratios + 2))
    distances = rising(20, width, seed)
    many = leaves_needed(effort, distances)
    assert [leaves_for_one(effort, row.tolist()) for row in distances] == many.tolist()
    assert many.min() >= 1
    assert many.max() <= width


def test_what_is_not_needed_is_not_scanned():
    distances, leaves = rising(30, 40), np.tile(np.arange(40), (30, 1))
    effort = (-1.0, 0.5, 2.0)
    needed = leaves_needed(effort, distances)
    kept = only_needed(effort, leaves, distances)
    assert [row[row >= 0].tolist() for row in kept] == [list(range(n)) for n in needed]
    assert only_needed((), leaves, distances) is leaves
    assert only_needed(effort, leaves[:1], distances[:1]).tolist() == [list(range(needed[0]))]


def test_leaves_not_reached_and_centroids_hit_do_not_break_it():
    distances = np.array([[0.0, 0.0, 3.4e38, 3.4e38], [1e-30, 1.0, 2.0, 3.4e38]], np.float32)
    needed = leaves_needed((1.0, 1.0, 0.0, 0.5), distances)
    assert ((needed >= 1) & (needed <= 4)).all()
    assert [leaves_for_one((1.0, 1.0, 0.0, 0.5), row.tolist()) for row in distances] == needed.tolist()


def test_harder_asks_for_so_many_times_as_many():
    distances, effort = rising(40, 4_000), (-0.1, 0.0, 3.0)
    once, thrice = (leaves_needed(harder(effort, factor), distances) for factor in (1.0, 3.0))
    assert (abs(thrice - 3 * once) <= 3).all()
    assert harder((), 3.0) == ()


def test_held_out_rows_are_judged_without_themselves():
    snapshot = build(mixture(700, 8), flat_below=0, n_leaves=20)
    held = held_out(snapshot.live_rows, 1_000, seed=3)
    judged = Judged.of(snapshot.table, Metric.L2, held)
    true = slow_distances(snapshot.rows[held], snapshot.rows, Metric.L2)
    true[np.arange(len(held)), held] = np.inf
    assert len(held) == 70
    np.testing.assert_array_equal(judged.truth, np.argsort(true, axis=1, kind="stable")[:, :100])
    assert judged.measured_k == [1, 10, 100]


@pytest.mark.parametrize("beam", [ALL, 4])
def test_ways_say_where_neighbours_lie(beam):
    snapshot = build(mixture(3_000, 8, spread=0.8), flat_below=0, n_leaves=600, leaf_scan="flat")
    packed, table = snapshot.packed, snapshot.table
    judged = Judged.of(table, Metric.L2, held_out(snapshot.live_rows, 50, seed=0))
    leaf_of = snapshot.nodes.leaf_position[snapshot.leaf]
    way = Routed.of(packed.router, judged.queries, judged, leaf_of, packed.sizes, beam)
    for query in range(0, 50, 7):
        lists = way.lists[query].tolist()
        for neighbour, rank in zip(judged.truth[query], way.rank[query], strict=True):
            assert lists.index(leaf_of[neighbour]) == rank if rank < way.width else leaf_of[neighbour] not in lists
        held = [packed.sizes[leaf] if leaf >= 0 else 0 for leaf in lists]
        assert way.rows_up_to[query].tolist() == np.cumsum([0, *held]).tolist()
    assert way.widths[-1] == way.width
    assert (np.diff(way.widths) > 0).all()


def test_a_row_without_its_own_number():
    found = np.array([[3, 1, 2], [4, 5, 6]])
    assert without_own(found, np.array([1, 9])).tolist() == [[3, 2], [4, 5]]
    assert without_own(np.empty((0, 8), np.int64), np.empty(0, np.int64)).shape == (0, 7)
