"""Where leaves go: laws of the placement, against all placements of small cases."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hierindex.cluster.config import ClusterConfig, Placing
from hierindex.cluster.placement import Placement, runs, weights
from hierindex.errors import InputError

some_weights = st.lists(st.floats(0, 100, width=32), min_size=1, max_size=9).map(np.array)


@given(some_weights, st.integers(1, 5))
def test_runs_are_as_even_as_runs_can_be(weight, k):
    run = runs(weight, k)
    assert (np.diff(run) >= 0).all()
    assert (np.diff(run) <= 1).all()
    assert run.max() == min(k, len(weight)) - 1  # nobody stands idle where there is a leaf for him
    parts = min(k, len(weight))
    best = min(
        max(part.sum() for part in np.split(weight, cut)) for cut in combinations(range(1, len(weight)), parts - 1)
    )
    heaviest = max(weight[run == r].sum() for r in range(parts))
    assert heaviest <= best * (1 + 1e-6) + 1e-9


@given(st.integers(1, 60), st.integers(1, 8), st.data())
def test_every_leaf_lies_on_as_many_different_workers_as_asked(n, workers, data):
    replicas = data.draw(st.integers(1, workers))
    placing = data.draw(st.sampled_from(Placing))
    placement = Placement.of(np.ones(n), workers, replicas, placing)
    assert placement.holders.shape == (n, replicas)
    assert all(len(set(row)) == replicas for row in placement.holders.tolist())
    for worker in range(workers):
        assert set(placement.held_by(worker).tolist()) == {i for i in range(n) if worker in placement.holders[i]}


@given(st.integers(0, 2**32), st.integers(1, 4))
def test_a_query_asks_for_each_leaf_one_living_worker_that_has_it(seed, replicas):
    rng = np.random.default_rng(seed)
    placement = Placement.of(rng.random(30), 6, replicas)
    alive = rng.random(6) < 0.7
    leaves = np.where(rng.random((5, 8)) < 0.8, rng.integers(0, 30, (5, 8)), -1)
    asked = placement.asked(leaves, alive)
    for leaf, worker in zip(leaves.ravel(), asked.ravel(), strict=True):
        living = [] if leaf < 0 else [w for w in placement.holders[leaf] if alive[w]]
        assert worker in living if living else worker == -1


def on_a_line(n, reach, rng):
    """Leaves on a line, in no order, each probed with those beside it: the line, and ``(n, 2 reach + 1)`` lists."""
    line = rng.permutation(n)
    beside = np.arange(n)[:, None] + np.arange(-reach, reach + 1)
    probed = np.empty((n, 2 * reach + 1), np.int64)
    probed[line] = np.where((beside >= 0) & (beside < n), line[np.clip(beside, 0, n - 1)], -1)
    return line, probed


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 6))
def test_leaves_that_are_probed_together_lie_together_and_evenly(seed, workers):
    rng = np.random.default_rng(seed)
    line, probed = on_a_line(120, 3, rng)
    weight = rng.uniform(0.5, 1.5, 120)
    together = Placement.of(weight, workers, 1, Placing.PROBED, probed)
    load = np.bincount(together.holders[:, 0], weight, workers)
    assert load.max() <= 1.1 * load.mean()
    alive = np.ones(workers, bool)
    runs_of = int((np.diff(together.holders[line, 0]) != 0).sum()) + 1
    assert runs_of <= 3 * workers  # of 120: the line is found, nearly
    doubled = Placement.of(weight, workers, 1, Placing.PROBED, probed, borders=0.2)
    assert np.array_equal(doubled.holders[:, 0], together.holders[:, 0])
    copies = (doubled.holders >= 0).sum(axis=1)
    assert ((copies - 1) * weight).sum() <= 0.2 * weight.sum() + 1e-9
    for worker in range(workers):
        held = np.flatnonzero((doubled.holders == worker).any(axis=1))
        assert doubled.held_by(worker).tolist() == held.tolist()
        assert weight[held].sum() <= 1.2 * 1.03 * weight.sum() / workers + weight.max() or copies[held].max() == 1
    asked = [each.asked(probed, alive) for each in (together, doubled)]
    fan_out = [np.mean([len(set(row[row >= 0].tolist())) for row in each]) for each in asked]
    assert fan_out[1] < fan_out[0]
    for leaf, worker in zip(probed.ravel(), asked[1].ravel(), strict=True):
        assert worker in doubled.holders[leaf] if leaf >= 0 else worker == -1


def test_a_copy_at_the_border_serves_when_its_owner_is_dead():
    _, probed = on_a_line(60, 4, np.random.default_rng(0))
    placement = Placement.of(np.ones(60), 4, 1, Placing.PROBED, probed, borders=0.3)
    alive = np.array([True, False, True, True])
    asked = placement.asked(np.arange(60)[:, None], alive)[:, 0]
    lost = [leaf for leaf, row in enumerate(placement.holders.tolist()) if set(row) <= {1, -1}]
    assert np.flatnonzero(asked < 0).tolist() == lost == np.flatnonzero(placement.serving(alive) < 0).tolist()
    assert 0 < len(lost) < (placement.holders[:, 0] == 1).sum()


def test_few_leaves_are_placed_too():
    for n in (1, 2, 3, 5):
        placement = Placement.of(np.ones(n), 3, 1, Placing.PROBED, np.arange(n)[:, None], borders=0.2)
        assert len(set(placement.holders[:, 0].tolist())) == min(n, 3)


def test_copies_let_a_query_ask_fewer_workers():
    placement = Placement.of(np.ones(80), 8, 2)
    leaves = np.arange(15, 25)[None]  # across the border of the first two workers' runs, and of the next two
    alone = Placement.of(np.ones(80), 8, 1).asked(leaves, np.ones(8, bool))
    assert len(np.unique(alone)) == 2
    assert len(np.unique(placement.asked(leaves, np.ones(8, bool)))) == 1


def test_no_copy_stands_idle():
    placement = Placement.of(np.ones(40), 4, 4)
    leaves = np.stack([np.arange(38), np.arange(1, 39), np.arange(2, 40)], axis=1)
    asked = placement.asked(leaves, np.ones(4, bool))
    assert (asked == asked[:, :1]).all()  # everybody has everything: one worker is enough
    assert np.bincount(asked[:, 0], minlength=4).min() >= 8


def test_two_neighbours_must_die_before_a_leaf_is_lost():
    placement = Placement.of(np.ones(80), 8, 2)
    for dead in combinations(range(8), 2):
        alive = np.ones(8, bool)
        alive[list(dead)] = False
        lost = (placement.serving(alive) < 0).any()
        assert lost == ((dead[1] - dead[0]) % 8 in (1, 7))


def test_heat_moves_the_borders():
    sizes, touches = np.full(8, 100), np.array([50, 0, 0, 0, 0, 0, 0, 0])
    assert np.bincount(Placement.of(weights(sizes), 2, 1).holders[:, 0]).tolist() == [4, 4]
    hot = Placement.of(weights(sizes, touches, heat=0.8), 2, 1).holders[:, 0]
    assert np.bincount(hot).tolist() == [1, 7]
    assert weights(sizes, touches).sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"workers": 2, "replicas": 3}, "replicas should be at most workers"),
        ({"workers": 0}, "workers should be an integer"),
        ({"heat": 1.5}, "heat should be a share"),
        ({"borders": -0.1}, "borders should be a share"),
        ({"timeout": 0.0}, "timeout should be a number of seconds above 0"),
        ({"placing": "random"}, "placing should be one of"),
    ],
)
def test_settings_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        ClusterConfig(**arguments)


def test_weights_that_are_none_are_refused():
    with pytest.raises(InputError, match="finite and 0 or above"):
        Placement.of(np.array([1.0, np.nan]), 1, 1)
    with pytest.raises(InputError, match="replicas should be 1 to 2"):
        Placement.of(np.ones(3), 2, 3)
