"""Clusters beside classes: scikit-learn, brute force over matchings, and what renaming must not change."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from hierindex.errors import EmptyInputError, InputError
from hierindex.metrics import adjusted_rand, cluster_accuracy, leaf_purity, nmi

MEASURES = (leaf_purity, cluster_accuracy, nmi)
pairs = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=40).map(
    lambda both: tuple(np.array(both).T)
)


@settings(max_examples=60, deadline=None)
@given(pairs)
def test_nmi_is_scikit_learns(both: tuple[np.ndarray, np.ndarray]) -> None:
    clusters, labels = both
    np.testing.assert_allclose(nmi(clusters, labels), normalized_mutual_info_score(labels, clusters), atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(pairs)
def test_adjusted_rand_is_scikit_learns(both: tuple[np.ndarray, np.ndarray]) -> None:
    clusters, labels = both
    np.testing.assert_allclose(adjusted_rand(clusters, labels), adjusted_rand_score(labels, clusters), atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(pairs)
def test_accuracy_is_the_best_of_all_matchings(both: tuple[np.ndarray, np.ndarray]) -> None:
    clusters, labels = both
    best = max(np.mean(np.array(names)[clusters] == labels) for names in permutations(range(5)))
    np.testing.assert_allclose(cluster_accuracy(clusters, labels), best)


@settings(max_examples=60, deadline=None)
@given(pairs)
def test_purity_is_the_share_of_the_most_frequent_class(both: tuple[np.ndarray, np.ndarray]) -> None:
    clusters, labels = both
    right = sum(np.bincount(labels[clusters == c]).max() for c in np.unique(clusters))
    np.testing.assert_allclose(leaf_purity(clusters, labels), right / len(labels))


@pytest.mark.parametrize("measure", MEASURES)
@settings(max_examples=60, deadline=None)
@given(both=pairs)
def test_names_do_not_matter_and_all_lie_between_0_and_1(measure, both: tuple[np.ndarray, np.ndarray]) -> None:
    clusters, labels = both
    score = measure(clusters, labels)
    assert 0 <= score <= 1 + 1e-12
    assert measure(clusters * -7 + 3, labels.astype(str)) == pytest.approx(score, abs=1e-12)
    order = np.random.default_rng(0).permutation(len(labels))
    assert measure(clusters[order], labels[order]) == pytest.approx(score, abs=1e-12)


@pytest.mark.parametrize("measure", MEASURES)
def test_the_same_partition_scores_one(measure) -> None:
    labels = np.random.default_rng(1).integers(0, 5, 200)
    assert measure(labels + 10, labels) == pytest.approx(1.0)
    assert measure([0, 0], ["a", "a"]) == 1.0


def test_one_cluster_for_each_of_many_points_needs_little_memory() -> None:
    n = 200_000  # as a dense table of 200,000 x 1,000 this would take 1.6 GB
    clusters, labels = np.arange(n), np.arange(n) % 1_000
    assert leaf_purity(clusters, labels) == 1.0
    assert nmi(clusters, labels) == pytest.approx(2 * np.log(1_000) / (np.log(1_000) + np.log(n)))


def test_unrelated_is_zero() -> None:
    assert nmi([0, 0, 1, 1], [0, 1, 0, 1]) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("measure", MEASURES)
def test_inputs_that_do_not_fit(measure) -> None:
    with pytest.raises(InputError, match="labels should be 3"):
        measure([0, 1, 1], [0, 1])
    with pytest.raises(InputError, match="labels should be 4"):
        measure([[0, 1], [1, 1]], [0, 1, 1, 1])
    with pytest.raises(EmptyInputError, match="at least one point"):
        measure([], [])
