"""Places in the ball: a pair lies at its lowest common ancestor, everything lies inside."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hierindex.decode import Decode, ball_points, decode, klein_to_poincare, tree_points
from hierindex.errors import InputError
from hierindex.tree import Tree


def ideal(n: int, p: int, seed: int) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(n, p))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def geodesic(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Points of the geodesic between two ideal points: a circle through both, at right angles to the boundary."""
    middle = (a + b) / 2
    centre = middle / (middle @ middle)
    radius = np.sqrt(centre @ centre - 1)
    towards_a, towards_b = (a - centre) / radius, (b - centre) / radius
    share = np.linspace(0, 1, 2001)[:, None]
    arc = towards_a * (1 - share) + towards_b * share
    return centre + radius * arc / np.linalg.norm(arc, axis=1, keepdims=True)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 16), st.integers(0, 10**6), st.floats(-4, 0.3))
def test_a_pair_lies_at_the_closed_form_of_its_common_ancestor(p: int, seed: int, log_apart: float) -> None:
    a, step = ideal(2, p, seed)
    b = a + 10**log_apart * step
    b /= np.linalg.norm(b)
    place = tree_points(Tree.from_linkage([[0, 1, 1, 2]]), np.stack([a, b]))[2]
    ch, sh = np.linalg.norm(a + b) / 2, np.linalg.norm(a - b) / 2
    depth = min(np.log1p(ch) - np.log(sh), 10.708207)  # the edge, where places stop
    np.testing.assert_allclose(2 * np.arctanh(np.linalg.norm(place)), depth, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(place) * (a + b), place * 2 * ch, atol=1e-9)  # half way, by symmetry


def test_a_pair_lies_at_the_point_of_its_geodesic_nearest_to_the_origin() -> None:
    a, b = ideal(2, 3, seed=1)
    place = tree_points(Tree.from_linkage([[0, 1, 1, 2]]), np.stack([a, b]))[2]
    curve = geodesic(a, b)
    np.testing.assert_allclose(place, curve[np.linalg.norm(curve, axis=1).argmin()], atol=1e-3)


def test_a_node_lies_at_the_klein_mean_of_its_members() -> None:
    points = ideal(60, 5, seed=2).astype(np.float32)
    tree = decode(points, Decode.WARD)
    places = tree_points(tree, points)
    assert places.shape == (119, 5)
    for node in range(60, 119):
        mean = points[tree.members(node)].astype(np.float64).mean(axis=0)
        np.testing.assert_allclose(2 * places[node] / (1 + places[node] @ places[node]), mean, atol=1e-6)
    labels = tree.cut(7)
    np.testing.assert_allclose(ball_points(points, labels, 7), places[tree.nodes_at(7)], atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 16), st.integers(0, 10**6))
def test_everything_lies_inside_the_ball_even_in_float32(p: int, seed: int) -> None:
    points = ideal(20, p, seed).astype(np.float32)
    points[10:] = points[0]  # equal points: their mean is on the boundary
    tree = Tree.from_merges(np.arange(38).reshape(-1, 2), np.zeros(19))
    places = tree_points(tree, points)
    assert (np.linalg.norm(places.astype(np.float32), axis=1) < 1).all()
    np.testing.assert_allclose(places[:20], points, atol=1e-4)
    deepest = np.linalg.norm(places[:20], axis=1)
    np.testing.assert_allclose(deepest, deepest[0], rtol=1e-9)  # all leaves equally deep, whatever float32 rounded


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 16), st.floats(0, 0.999), st.integers(0, 10**6))
def test_klein_to_poincare_keeps_directions_and_distances_from_the_origin(p: int, radius: float, seed: int) -> None:
    klein = radius * ideal(4, p, seed)
    place = klein_to_poincare(klein)
    depth = 2 * np.arctanh(np.linalg.norm(place, axis=1))
    np.testing.assert_allclose(depth, np.arctanh(np.linalg.norm(klein, axis=1)), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(place * radius, klein * np.linalg.norm(place, axis=1, keepdims=True), atol=1e-12)


def test_a_point_outside_is_drawn_in_along_its_direction() -> None:
    np.testing.assert_allclose(klein_to_poincare([[3.0, 4.0]]), klein_to_poincare([[0.6, 0.8]]), rtol=1e-12)


def test_a_parent_is_never_deeper_than_its_deepest_child() -> None:
    points = ideal(100, 3, seed=4).astype(np.float32)
    tree = decode(points, Decode.WARD)
    depth = np.linalg.norm(tree_points(tree, points), axis=1)
    assert (depth[tree.n :] <= depth[tree.children].max(axis=1)).all()


def test_opposite_points_meet_at_the_origin() -> None:
    points = np.array([[0.6, 0.8], [-0.6, -0.8]], np.float32)
    np.testing.assert_array_equal(ball_points(points, np.array([0, 0]), 1), [[0, 0]])


def test_a_group_without_points_lies_at_the_origin() -> None:
    places = ball_points(np.array([[1, 0]], np.float32), np.array([2]), 3)
    assert places[:2].tolist() == [[0, 0], [0, 0]]
    assert places[2, 0] > 0.9999


def test_the_input_is_left_alone() -> None:
    points = ideal(5, 2, seed=0).astype(np.float32)
    before = points.copy()
    klein = points.astype(np.float64)
    tree_points(decode(points, Decode.WARD), points)
    ball_points(points, np.zeros(5, np.int64), 1)
    klein_to_poincare(klein)
    np.testing.assert_array_equal(points, before)
    np.testing.assert_array_equal(klein, before)


@pytest.mark.parametrize("groups", [[0, 1], [0, 1, 2], [0, -1, 1]])
def test_groups_that_do_not_fit(groups: list[int]) -> None:
    with pytest.raises(InputError, match="groups should be 3 numbers from 0 to 1; found"):
        ball_points(np.ones((3, 2), np.float32), np.array(groups), 2)


def test_a_tree_over_other_points() -> None:
    with pytest.raises(InputError, match="points should be 2, one for each leaf of the tree; found 3"):
        tree_points(Tree.from_linkage([[0, 1, 1, 2]]), np.ones((3, 2), np.float32))
