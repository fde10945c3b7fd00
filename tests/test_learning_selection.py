"""The choice of the tree: what it is measured by, and that it takes the better head."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hierindex.decode import Decode, decode
from hierindex.errors import InputError
from hierindex.head import Head
from hierindex.learning.selection import (
    Candidate,
    Rule,
    Score,
    choose_among,
    choose_tree,
    modularity,
    neighbour_purity,
    stability,
)
from hierindex.metrics import dendrogram_purity, random_tree


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
        picked = next(s for s in choice.scores if (s.name, s.decode) == (choice.name, choice.decode))
        assert picked.agreement >= best - 0.02


def test_stability_decides_between_near_equals_only(monkeypatch):
    x, _ = groups()
    x -= x.mean(axis=0)
    one = np.zeros((6, 2))
    one[0, 0] = 1
    for ball, disk, ward_wins in ((np.eye(6), one, True), (np.eye(6)[:, :2], np.eye(6)[:, :2], False)):
        steady = iter([0.1, 0.5, 0.9])  # the circle is always steadier
        monkeypatch.setattr("hierindex.learning.selection.stability", lambda *_, steady=steady, **__: next(steady))
        choice = choose_tree(x, linear_head(ball), linear_head(disk))
        near = [s for s in choice.scores if s.agreement >= max(t.agreement for t in choice.scores) - 0.02]
        assert (not choice.on_disk) == ward_wins == (len(near) == 1)


def test_stability_is_high_for_groups_and_low_for_noise():
    rng = np.random.default_rng(0)
    noise = unit_rows(rng.normal(size=(600, 16)))
    groups_of_eight = unit_rows(4 * rng.normal(size=(8, 16))[rng.integers(8, size=600)] + rng.normal(size=(600, 16)))
    assert stability(noise, Decode.WARD) < 0.2
    assert stability(groups_of_eight, Decode.WARD) > stability(noise, Decode.WARD) + 0.2
    assert stability(noise, Decode.WARD, seed=3) == stability(noise, Decode.WARD, seed=3)
    assert stability(noise[:5], Decode.WARD) == 1.0


def unit_rows(x):
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def test_a_large_set_is_looked_at_four_times():
    x, _ = groups(400)
    heads = linear_head(np.eye(6)), linear_head(np.eye(6)[:, :2])
    whole, drawn = choose_tree(x, *heads), choose_tree(x, *heads, sample=100)
    assert drawn.name == whole.name
    other = choose_tree(x, *heads, sample=100, seed=1)
    assert [s.agreement for s in drawn.scores] != [s.agreement for s in other.scores]


def test_scores_are_told_and_repeat():
    x, _ = groups()
    heads = linear_head(np.eye(6)), linear_head(np.eye(6)[:, :2])
    chosen = choose_tree(x, *heads, sample=100)
    assert chosen == choose_tree(x, *heads, sample=100)
    assert [(s.name, s.dim, s.decode) for s in chosen.scores] == [
        ("ball", 6, Decode.WARD),
        ("disk", 2, Decode.CIRCLE_WARD),
        ("disk", 2, Decode.CIRCLE_SINGLE),
    ]
    assert all(-1 <= s.agreement <= 1 and 0 < s.cost < 2 and 0 < s.purity <= 1 for s in chosen.scores)
    assert json.loads(json.dumps(chosen.to_json()))["decode"] == chosen.decode.value


@pytest.mark.parametrize("n", [2, 3, 5])
def test_small_and_equal_sets(n):
    heads = linear_head(np.eye(6)), linear_head(np.eye(6)[:, :2])
    for x in (groups(n)[0], np.ones((n, 6), np.float32)):
        assert isinstance(choose_tree(x, *heads).decode, Decode)


def test_any_number_of_heads_may_compete():
    x, _ = groups()
    x -= x.mean(axis=0)
    one = np.zeros((6, 2))
    one[0, 0] = 1
    kinds = [Decode.WARD, Decode.AVERAGE]
    heads = {
        "poor": linear_head(one),
        "flat": linear_head(np.eye(6)[:, :1] @ np.ones((1, 3))),
        "whole": linear_head(np.eye(6)),
    }
    tried = [Candidate(name, head, kind) for name, head in heads.items() for kind in kinds]
    choice = choose_among(x, tried)
    assert [(s.name, s.decode) for s in choice.scores] == [(c.name, c.decode) for c in tried]
    assert [s.dim for s in choice.scores] == [2, 2, 3, 3, 6, 6]
    assert choice.name == "whole"
    assert not choice.on_disk
    assert choose_among(x, tried[::-1]).name == "whole"
    assert choose_among(x, tried, Rule.CUTS).scores == choice.scores
    assert choose_among(x, tried[:1]).name == "poor"


def test_what_the_rules_ask():
    def score(name, agreement, steady, purity):
        return Score(name, 2, Decode.WARD, agreement, 0.9, purity, steady)

    scores = [
        score("a", 0.5, 0.4, 0.1),
        score("b", 0.6, 0.1, 0.2),
        score("c", 0.595, 0.2, 0.2),
        score("d", 0.4, 0.9, 0),
    ]
    assert Rule.TREE.pick(scores).name == "b"  # the first of equals
    assert Rule.CUTS.pick(scores).name == "c"  # steadiest of the near equals, not of all
    assert Rule.CUTS.pick(scores[:2]).name == "b"
    assert Rule.CUTS.pick([score("e", 0.59, 0.18, 0), *scores]).name == "e"  # of equally steady ones the first


def test_a_choice_needs_a_candidate():
    with pytest.raises(InputError, match="candidates should be at least one head with a decoding; found none"):
        choose_among(groups()[0], [])


@settings(max_examples=25, deadline=None)
@given(n=st.integers(3, 20), k=st.integers(1, 4), seed=st.integers(0, 999))
def test_neighbour_purity_is_the_share_of_neighbours_in_each_smallest_node(n, k, seed):
    rng = np.random.default_rng(seed)
    tree, k = random_tree(n, rng), min(k, n - 1)
    near = np.array([rng.choice(np.delete(np.arange(n), i), k, replace=False) for i in range(n)])
    shares = []
    for i, row in enumerate(near):
        for j in row:
            node = set(tree.members(int(tree.lca(i, j))).tolist())
            shares.append(len(node & {i, *row.tolist()}) / len(node))
    assert neighbour_purity(tree, near) == pytest.approx(np.mean(shares))


def test_neighbour_purity_is_dendrogram_purity_where_the_neighbours_are_the_class():
    x, _ = groups(60)
    labels = np.arange(60) % 5
    near = np.array([np.setdiff1d(np.flatnonzero(labels == labels[i]), i) for i in range(60)])
    tree = decode(x, Decode.AVERAGE)
    assert neighbour_purity(tree, near) == pytest.approx(dendrogram_purity(tree, labels))
