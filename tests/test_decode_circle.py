"""Trees on the circle: exact single linkage, and Ward between neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from hierindex.decode import Decode, decode
from hierindex.decode import circle as room
from hierindex.errors import InputError
from hierindex.tree import Tree

CIRCLE = (Decode.CIRCLE_SINGLE, Decode.CIRCLE_WARD)


def at(angles: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def angular_distances(points: np.ndarray) -> np.ndarray:
    x = points.astype(np.float64)
    angles = np.arctan2(x[:, 1], x[:, 0])
    apart = np.abs(angles[:, None] - angles)
    return squareform(np.minimum(apart, 2 * np.pi - apart), checks=False)


def cophenetic(tree: Tree) -> np.ndarray:
    return hierarchy.cophenet(tree.linkage)


def slow_circle_ward(points: np.ndarray, weights: np.ndarray) -> Tree:
    """By the book: a list of clusters around the circle; merge the cheapest two neighbours, n-1 times."""
    x = points.astype(np.float64)
    clusters = [(int(i), float(weights[i]), x[i]) for i in np.argsort(np.arctan2(x[:, 1], x[:, 0]), kind="stable")]
    children, heights = [], []
    for node in range(len(x), 2 * len(x) - 1):
        pairs = list(zip(clusters, clusters[1:] + clusters[:1], strict=True))
        costs = [2 * w * v / (w + v) * ((p - q) ** 2).sum() for (_, w, p), (_, v, q) in pairs]
        i = int(np.argmin(costs))
        (a, w, p), (b, v, q) = pairs[i]
        clusters[i] = (node, w + v, (w * p + v * q) / (w + v))
        del clusters[(i + 1) % len(clusters)]
        children.append((a, b))
        heights.append(np.sqrt(costs[i]))
    return Tree.from_merges(np.array(children), np.array(heights))


angle_lists = st.lists(st.floats(-3.140625, 3.140625, width=32), min_size=2, max_size=30)


@settings(max_examples=60, deadline=None)
@given(angle_lists)
def test_single_is_scipys_single_linkage_on_the_angles(angles: list[float]) -> None:
    points = at(np.array(angles))
    theirs = hierarchy.linkage(angular_distances(points), "single")
    np.testing.assert_allclose(cophenetic(decode(points, Decode.CIRCLE_SINGLE)), hierarchy.cophenet(theirs), atol=1e-14)


def test_single_at_six_hundred() -> None:
    points = at(np.random.default_rng(0).uniform(-np.pi, np.pi, 600)).astype(np.float32)
    theirs = hierarchy.linkage(angular_distances(points), "single")
    tree = decode(points, Decode.CIRCLE_SINGLE)
    np.testing.assert_allclose(cophenetic(tree), hierarchy.cophenet(theirs), atol=1e-14)
    for k in (2, 10, 100):
        assert len(set(zip(tree.cut(k), hierarchy.fcluster(theirs, k, "maxclust"), strict=True))) == k


def test_single_is_kruskal_on_the_depth_of_common_ancestors() -> None:
    a = np.random.default_rng(1).uniform(-np.pi, np.pi, 80)
    half = np.minimum(np.abs(a[:, None] - a), 2 * np.pi - np.abs(a[:, None] - a)) / 2
    np.fill_diagonal(half, 1.0)
    depth = np.log1p(np.cos(half)) - np.log(np.sin(half))
    far = depth.max() - depth
    np.fill_diagonal(far, 0)
    by_depth = hierarchy.linkage(squareform(far, checks=False), "single")
    tree = decode(at(a), Decode.CIRCLE_SINGLE)
    for k in (2, 5, 40):
        assert len(set(zip(tree.cut(k), hierarchy.fcluster(by_depth, k, "maxclust"), strict=True))) == k


@pytest.mark.parametrize("kind", CIRCLE)
@settings(max_examples=60, deadline=None)
@given(angles=angle_lists)
def test_the_leaf_order_goes_around_the_circle(kind: Decode, angles: list[float]) -> None:
    points = at(np.array(angles))
    tree = decode(points, kind)
    Tree.from_linkage(tree.linkage)
    around = np.arctan2(points[:, 1], points[:, 0])[tree.order]
    assert (np.diff(around) < 0).sum() + (around[-1] > around[0]) <= 1 + (around == around[0]).all()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("few", [1000, 10])
@settings(max_examples=60, deadline=None)
@given(angles=st.lists(st.floats(-np.pi, np.pi), min_size=2, max_size=40), seed=st.integers(0, 10**6))
def test_ward_merges_the_cheapest_neighbours(few: int, weighted: bool, angles: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    jittered = at(np.array(angles) + rng.uniform(0, 1e-3, len(angles)))  # no exact ties: their order is ours to choose
    weights = rng.integers(1, 100, len(angles)) if weighted else np.ones(len(angles))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "_FEW", few)
        tree = decode(jittered, Decode.CIRCLE_WARD, weights if weighted else None)
    if few == 1000:  # in bulk it may differ where arcs exceed a half circle
        np.testing.assert_allclose(cophenetic(tree), cophenetic(slow_circle_ward(jittered, weights)), rtol=1e-8)
    else:
        Tree.from_linkage(tree.linkage)


@pytest.mark.parametrize("spread", [0.001, 0.3, 5.0])
def test_ward_in_bulk_is_ward_one_by_one(spread: float, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    points = at(np.repeat(rng.uniform(-np.pi, np.pi, 12), 250) + rng.normal(0, spread, 3000))
    weights = rng.integers(1, 30, 3000)
    in_bulk = decode(points, Decode.CIRCLE_WARD, weights)
    monkeypatch.setattr(room, "_FEW", 10**9)
    one_by_one = decode(points, Decode.CIRCLE_WARD, weights)
    np.testing.assert_allclose(in_bulk.linkage, one_by_one.linkage, rtol=1e-9, atol=1e-12)


def test_ward_finds_well_separated_clusters() -> None:
    rng = np.random.default_rng(2)
    cluster = np.repeat(np.arange(9), 40)
    angles = 2 * np.pi * cluster / 9 + rng.normal(0, 0.03, 360) + 0.2
    rows = rng.permutation(360)
    labels = decode(at(angles)[rows].astype(np.float32), Decode.CIRCLE_WARD).cut(9)
    assert len(set(zip(labels, cluster[rows], strict=True))) == 9


def test_ward_on_an_arc_is_ward() -> None:
    points = at(np.random.default_rng(3).uniform(0, 0.02, 40))  # nearly a line: neighbours on it are the nearest
    free = decode(points, Decode.WARD)
    np.testing.assert_allclose(cophenetic(decode(points, Decode.CIRCLE_WARD)), cophenetic(free), rtol=1e-6)


def test_a_row_of_weight_w_is_w_equal_rows() -> None:
    rng = np.random.default_rng(4)
    points, weights = at(rng.uniform(-np.pi, np.pi, 30)), rng.integers(1, 9, 30)
    tree = decode(points, Decode.CIRCLE_WARD, weights)
    repeated = decode(np.repeat(points, weights, axis=0), Decode.CIRCLE_WARD)
    np.testing.assert_allclose(tree.linkage[:, 2], repeated.linkage[-29:, 2], rtol=1e-9)


def test_single_does_not_see_weights() -> None:
    points = at(np.random.default_rng(5).uniform(-np.pi, np.pi, 30))
    np.testing.assert_array_equal(
        decode(points, Decode.CIRCLE_SINGLE, np.arange(1, 31)).linkage, decode(points, Decode.CIRCLE_SINGLE).linkage
    )


def test_across_the_cut_at_pi_points_are_neighbours() -> None:
    angles = np.array([np.pi - 0.01, 0.5, -np.pi + 0.01, -0.5])
    for kind in CIRCLE:
        assert decode(at(angles), kind).linkage[0, :2].tolist() in ([0, 2], [2, 0])
    minus_one = np.array([[-1.0, 0.0], [1.0, 0.0], [-1.0, -0.0]])  # arctan2 tells 0.0 from -0.0
    for kind in CIRCLE:
        assert decode(minus_one, kind).linkage[0].tolist() == [0, 2, 0, 2]


@pytest.mark.parametrize("kind", CIRCLE)
@pytest.mark.parametrize("angles", [np.zeros(3000), np.tile([0.0, 1.0], 1500), np.arange(3000) * 2 * np.pi / 3000])
def test_equal_points_and_equal_gaps(kind: Decode, angles: np.ndarray) -> None:
    tree = decode(at(angles), kind)
    assert tree.n == 3000
    Tree.from_linkage(tree.linkage)
    np.testing.assert_array_equal(decode(at(angles), kind).linkage, tree.linkage)
    distinct = len(np.unique(at(angles), axis=0))
    assert (tree.linkage[:, 2] == 0).sum() == 3000 - distinct


def test_equal_gaps_merge_in_the_order_of_the_circle() -> None:
    single = decode(at(np.zeros(3000)), Decode.CIRCLE_SINGLE)
    np.testing.assert_array_equal(single.linkage[:, 0], [0, *range(3000, 5998)])
    np.testing.assert_array_equal(single.linkage[:, 1], np.arange(1, 3000))
    pairs = decode(at(np.repeat(np.sort(np.random.default_rng(6).uniform(0, 3, 1000)), 2)), Decode.CIRCLE_SINGLE)
    np.testing.assert_array_equal(pairs.linkage[:1000, 0], np.arange(0, 2000, 2))
    ward = decode(at(np.zeros(8)), Decode.CIRCLE_WARD)  # clusters made first merge first: balanced
    assert ward.linkage[:, :2].tolist() == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11], [12, 13]]


@pytest.mark.parametrize("kind", CIRCLE)
def test_more_than_two_dimensions(kind: Decode) -> None:
    with pytest.raises(InputError, match=rf"{kind.value!r} needs points on the circle.* found shape \(4, 3\)"):
        decode(np.ones((4, 3), np.float32), kind)
