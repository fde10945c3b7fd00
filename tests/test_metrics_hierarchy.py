"""Hierarchical precision: hand-worked cases, a slow plain version, and bounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hierindex.errors import InputError
from hierindex.metrics import (
    ClassMeasure,
    class_similarity,
    coarse_similarity,
    hierarchical_precision,
    mean_average_hierarchical_precision,
)

#     6 root
#     |-- 4 -- 0, 1
#     `-- 5 -- 2, and 3 -- (7, 8)
PARENTS = np.array([4, 4, 5, 5, 6, 6, -1, 3, 3])


def walk(node: int) -> list[int]:
    return [node, *walk(PARENTS[node])] if node >= 0 else []


def test_similarities_by_hand() -> None:
    by_height = class_similarity(PARENTS)  # classes 0, 1, 2, 7, 8; heights: root 3, node 5 two, nodes 3 and 4 one
    third = 1 / 3
    np.testing.assert_allclose(
        by_height,
        [
            [1, 2 * third, 0, 0, 0],
            [2 * third, 1, 0, 0, 0],
            [0, 0, 1, third, third],
            [0, 0, third, 1, 2 * third],
            [0, 0, third, 2 * third, 1],
        ],
        atol=1e-15,
    )
    wu_palmer = class_similarity(PARENTS, measure=ClassMeasure.WU_PALMER)
    np.testing.assert_allclose(wu_palmer[0], [1, 2 * 2 / 6, 2 * 1 / 6, 2 * 1 / 7, 2 * 1 / 7])
    np.testing.assert_allclose(wu_palmer[3], [2 / 7, 2 / 7, 2 * 2 / 7, 1, 2 * 3 / 8])


def test_any_nodes_may_be_classes() -> None:
    similarity = class_similarity(PARENTS, [3, 7, 6])
    np.testing.assert_allclose(similarity, [[1 - 1 / 3, 1 - 1 / 3, 0], [1 - 1 / 3, 1, 0], [0, 0, 0]])
    for measure in ClassMeasure:
        chosen = [8, 0, 7]
        everything = class_similarity(PARENTS, np.arange(9), measure)
        np.testing.assert_array_equal(class_similarity(PARENTS, chosen, measure), everything[np.ix_(chosen, chosen)])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=15), st.sampled_from(ClassMeasure))
def test_similarity_is_that_of_the_first_common_ancestor(seeds: list[int], measure: ClassMeasure) -> None:
    parents = [-1] + [seed % (i + 1) for i, seed in enumerate(seeds)]  # each below an earlier node
    paths = []
    for node in range(len(parents)):
        path = [node]
        while parents[path[-1]] >= 0:
            path.append(parents[path[-1]])
        paths.append(path)
    similarity = class_similarity(parents, np.arange(len(parents)), measure)
    height = [max(path.index(node) for path in paths if node in path) for node in range(len(parents))]
    for a, over_a in enumerate(paths):
        for b, over_b in enumerate(paths):
            lcs = next(node for node in over_a if node in over_b)
            by_height = 1 - height[lcs] / height[0]
            by_depth = 2 * len(paths[lcs]) / (len(over_a) + len(over_b))
            assert similarity[a, b] == pytest.approx(by_height if measure is ClassMeasure.LCS_HEIGHT else by_depth)


def test_two_levels() -> None:
    coarse = np.array([2, 0, 2, 1])
    expected = np.where(np.eye(4, dtype=bool), 1, np.where(coarse[:, None] == coarse, 0.5, 0))
    np.testing.assert_array_equal(coarse_similarity(coarse), expected)
    np.testing.assert_array_equal(class_similarity([-1]), [[1.0]])


SIMILARITY = coarse_similarity([0, 0, 1, 1, 1])


def slow_curve(found: np.ndarray, query: int, database: list[int]) -> list[float]:
    """HP@1 .. HP@m, the best ranking found by sorting the database."""
    best = sorted((SIMILARITY[query, c] for c in database), reverse=True)
    gained = [SIMILARITY[query, c] if c >= 0 else 0.0 for c in found]
    return [sum(gained[: k + 1]) / sum(best[: k + 1]) if sum(best[: k + 1]) else 1.0 for k in range(len(found))]


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 6), st.booleans())
def test_it_is_the_sum_over_the_best_sum(data: st.DataObject, k: int, leave_one_out: bool) -> None:
    database = data.draw(st.lists(st.integers(0, 4), min_size=k, max_size=12))
    queries = data.draw(st.lists(st.sampled_from(database), min_size=1, max_size=4))
    found = np.array([data.draw(st.lists(st.integers(-1, 4), min_size=k, max_size=k)) for _ in queries])
    first = data.draw(st.integers(1, k))
    curves = []
    for query, row in zip(queries, found, strict=True):
        others = list(database)
        if leave_one_out:
            others.remove(query)
        curves.append(slow_curve(row, query, others))
    counts = np.bincount(database, minlength=5)
    here, mean = (
        measure(found, queries, SIMILARITY, first, counts=counts, leave_one_out=leave_one_out)
        for measure in (hierarchical_precision, mean_average_hierarchical_precision)
    )
    assert here == pytest.approx(np.mean([curve[first - 1] for curve in curves]))
    assert mean == pytest.approx(np.mean([curve[:first] for curve in curves]))


def test_a_perfect_ranking_scores_one_where_the_class_is_small() -> None:
    database = np.repeat(np.arange(5), 3)
    ranked = np.argsort(-SIMILARITY[:, database], axis=1, kind="stable")[:, :8]
    scores = [
        measure(database[ranked], np.arange(5), SIMILARITY, counts=np.full(5, 3))
        for measure in (hierarchical_precision, mean_average_hierarchical_precision)
    ]
    assert scores == pytest.approx([1, 1])
    own = np.array([[c] * 2 + [other for other in range(5) if SIMILARITY[c, other] == 0.5][:1] for c in range(5)])
    args = (own, np.arange(5), SIMILARITY)
    assert hierarchical_precision(*args, counts=np.full(5, 3), leave_one_out=True) == pytest.approx(1)
    assert hierarchical_precision(*args, counts=np.full(5, 3)) == pytest.approx(2.5 / 3)
    for itself in (False, True):  # without counts: as many of each class as are looked at
        assert hierarchical_precision(*args, leave_one_out=itself) == pytest.approx(2.5 / 3)


def test_near_classes_are_worth_more_than_far_ones() -> None:
    near, far = (hierarchical_precision([[c, c]], [0], SIMILARITY) for c in (1, 2))
    assert (near, far) == (0.5, 0.0)
    early, late = (mean_average_hierarchical_precision([row], [0], SIMILARITY) for row in ([0, 2], [2, 0]))
    assert (early, late) == (0.75, 0.25)


def test_where_nothing_similar_exists_nothing_better_can_be_done() -> None:
    assert hierarchical_precision([[2, -1]], [0], SIMILARITY, counts=[0, 0, 1, 0, 0]) == 1.0


@pytest.mark.parametrize(
    ("parents", "message"),
    [
        ([1, 0], "found a cycle, or not one root"),
        ([-1, -1], "found a cycle, or not one root"),
        ([-1, 2, 1], "found a cycle"),
        ([-1, 1], "found a cycle"),
        ([-1, 5], "parents should be a node"),
        ([-2, 0], "parents should be a node"),
        ([], "parents should be a node"),
        ([[-1]], "parents should be a node"),
        ([-1.0, 0.0], "parents should be a node"),
    ],
)
def test_parents_that_are_no_tree(parents: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        class_similarity(parents)


@pytest.mark.parametrize("classes", [[9], [-1], [0.5], [[0]]])
def test_classes_that_are_no_nodes(classes: list[int]) -> None:
    with pytest.raises(InputError, match="classes should be nodes from 0 to 8 of the hierarchy; found"):
        class_similarity(PARENTS, classes)


@pytest.mark.parametrize("coarse", [[], [0, -1], [0.5], [[0]]])
def test_coarse_classes_that_are_none(coarse: list[int]) -> None:
    with pytest.raises(InputError, match="coarse_of_fine should hold a coarse class"):
        coarse_similarity(coarse)


@pytest.mark.parametrize("measure", [hierarchical_precision, mean_average_hierarchical_precision])
def test_inputs_that_do_not_fit(measure) -> None:
    with pytest.raises(InputError, match=r"found_labels should be \(n, k\) and query_labels \(n,\); found"):
        measure([[0, 1]], [0, 1], SIMILARITY)
    with pytest.raises(InputError, match="found_labels should be"):
        measure(np.empty((0, 2), int), np.empty(0, int), SIMILARITY)
    with pytest.raises(InputError, match="classes from 0 to 4"):
        measure([[5]], [0], SIMILARITY)
    with pytest.raises(InputError, match="classes from 0 to 4"):
        measure([[-2]], [0], SIMILARITY)
    with pytest.raises(InputError, match="classes from 0 to 4"):
        measure([[0]], [-1], SIMILARITY)
    with pytest.raises(InputError, match="k should be at most 2, the number of results; found 3"):
        measure([[0, 1]], [0], SIMILARITY, 3)
    with pytest.raises(InputError, match="k should be an integer of at least 1; found 0"):
        measure([[0, 1]], [0], SIMILARITY, 0)
    for counts in ([1, 1], [1, 1, 1, 1, -1], [1.5] * 5):
        with pytest.raises(InputError, match="counts should be 5 integers, one for each class"):
            measure([[0, 1]], [0], SIMILARITY, counts=counts)
    with pytest.raises(InputError, match="queries included"):
        measure([[0, 1]], [0], SIMILARITY, counts=[0, 1, 1, 1, 1], leave_one_out=True)
