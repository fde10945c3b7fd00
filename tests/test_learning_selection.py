"""The choice of the tree: what it is measured by, and that it takes the better head."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hierindex.decode import Decode
from hierindex.head import Head
from hierindex.learning.selection import choose_tree, modularity


def linear_head(weights):
    d, p = weights.shape
    none = np.zeros((d, 1), np.float32), np.zeros(1, np.float32), np.zeros((1, p), np.float32)
    return Head(np.zeros(d, np.float32), np.ones(d, np.float32), weights.astype(np.float32), *none)


def groups(n=240, d=6, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(8, size=n)
    return (3 * rng.normal(size=(8, d))[labels] + 0.3 * rng.normal(size=(n, d))).astype(np.float32), labels


def slow_modularity(labels, near):
    """Newman's modularity of the directed graph row -> near row, pair by pair of clusters."""
    edges = [(labels[i], labels[j]) for i, row in enumerate(near) for j in row]
    total = 0.0
    for cluster in set(labels.tolist()):
        inside = sum(a == b == cluster for a, b in edges)
        out, into = sum(a == cluster for a, _ in edges), sum(b == cluster for _, b in edges)
        total += inside / len(edges) - out / len(edges) * into / len(edges)
    return total


@settings(max_examples=25, deadline=None)
@given(n=st.integers(4, 20), k=st.integers(1, 3), clusters=st.integers(1, 5), seed=st.integers(0, 999))
def test_modularity_is_newmans(n, k, clusters, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(clusters, size=n)
    near = np.array([rng.choice(np.delete(np.arange(n), i), k, replace=False) for i in range(n)])
    assert modularity(labels, near) == pytest.approx(slow_modularity(labels, near), abs=1e-9)


def test_one_straggler_scores_nothing():
    n = 100
    ring = (np.arange(n)[:, None] + [1, 2]) % n
    straggler, halves = np.zeros(n, np.int64), (np.arange(n) >= 50).astype(np.int64)
    straggler[0] = 1
    assert modularity(straggler, ring) < 0.02
    assert modularity(halves, ring) > 0.4


def test_takes_the_head_that_keeps_neighbours_together():
    x, _ = groups()
    x -= x.mean(axis=0)
    plane = np.linalg.svd(x, full_matrices=False)[2][:2].T
    one = np.zeros((6, 2))
    one[0, 0] = 1  # the sign of one coordinate is all that such a head keeps
    good = choose_tree(x, linear_head(np.eye(6)), linear_head(one))
    assert (good.on_disk, good.decode) == (False, Decode.WARD)
    flat = choose_tree(x, linear_head(np.eye(6)[:, :1] @ np.ones((1, 3))), linear_head(plane))
    assert flat.on_disk
    for choice in (good, flat):
        best = max(score.agreement for score in choice.scores)
        picked = next(s for s in choice.scores if (s.on_disk, s.decode) == (choice.on_disk, choice.decode))
        assert picked.agreement >= best - 0.01


def test_cost_decides_between_near_equals_only(monkeypatch):
    x, _ = groups()
    x -= x.mean(axis=0)
    one = np.zeros((6, 2))
    one[0, 0] = 1
    for ball, disk, ward_wins in ((np.eye(6), one, True), (np.eye(6)[:, :2], np.eye(6)[:, :2], False)):
        costs = iter([0.9, 0.5, 0.1])  # the circle is always cheaper
        monkeypatch.setattr("hierindex.learning.selection.dasgupta_cost", lambda *_, costs=costs, **__: next(costs))
        choice = choose_tree(x, linear_head(ball), linear_head(disk))
        near = [s for s in choice.scores if s.agreement >= max(t.agreement for t in choice.scores) - 0.01]
        assert (not choice.on_disk) == ward_wins == (len(near) == 1)


def test_scores_are_told_and_repeat():
    x, _ = groups()
    heads = linear_head(np.eye(6)), linear_head(np.eye(6)[:, :2])
    chosen = choose_tree(x, *heads, sample=100)
    assert chosen == choose_tree(x, *heads, sample=100)
    assert {(s.on_disk, s.decode) for s in chosen.scores} == {
        (False, Decode.WARD),
        (True, Decode.CIRCLE_WARD),
        (True, Decode.CIRCLE_SINGLE),
    }
    assert all(-1 <= s.agreement <= 1 and 0 < s.cost < 2 for s in chosen.scores)
    assert json.loads(json.dumps(chosen.to_json()))["decode"] == chosen.decode.value


@pytest.mark.parametrize("n", [2, 3, 5])
def test_small_and_equal_sets(n):
    heads = linear_head(np.eye(6)), linear_head(np.eye(6)[:, :2])
    for x in (groups(n)[0], np.ones((n, 6), np.float32)):
        assert isinstance(choose_tree(x, *heads).decode, Decode)
