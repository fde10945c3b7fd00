"""Recall counts what was found; the kNN vote beside a slow plain one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hierindex.errors import InputError
from hierindex.metrics import knn_accuracy, recall
from hierindex.metrics import search as room


def test_recall_counts_hits_in_any_order() -> None:
    truth = np.array([[1, 2, 3, 4], [5, 6, 7, 8]])
    assert recall(truth, truth) == 1.0
    assert recall(truth[:, ::-1], truth) == 1.0
    assert recall([[1, 2, 9, 9], [5, 5, 5, 5]], truth) == 3 / 8
    assert recall([[9, 9]], [[1, 2]]) == 0.0
    assert recall([[1, 2, 3, 4, 5, 6]], [[6]]) == 1.0  # more found than asked


def test_missing_hits_never_count() -> None:
    assert recall([[1, -1, -1]], [[1, 2, -1]]) == 0.5
    assert recall([[-1, -1]], [[-1, -1]]) == 1.0  # nothing to find
    assert recall([[-1]], [[3]]) == 0.0
    names = np.array([["a", None], ["b", "c"]], dtype=object)
    assert recall(names, np.array([["a", None], ["c", "-1"]], dtype=object)) == 2 / 3


def test_recall_counts_neighbours_not_queries() -> None:
    assert recall([[1, -1], [2, 3]], [[1, -1], [4, 5]]) == 1 / 3


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 5), st.integers(1, 6))
def test_recall_is_the_share_of_each_row(data: st.DataObject, n: int, k: int) -> None:
    row = st.lists(st.integers(0, 9), min_size=k, max_size=k, unique=True)
    found, truth = (np.array(data.draw(st.lists(row, min_size=n, max_size=n))) for _ in range(2))
    slow = np.mean([np.isin(t, f).mean() for f, t in zip(found, truth, strict=True)])
    assert recall(found, truth) == pytest.approx(slow)


@pytest.mark.parametrize(("found", "truth"), [([[1], [2]], [[1]]), ([1, 2], [1, 2]), ([[1]], [1]), ([1], [[1]])])
def test_tables_that_do_not_fit(found: list[object], truth: list[object]) -> None:
    with pytest.raises(InputError, match=r"ids \(n, k\) of the same n queries; found shapes"):
        recall(found, truth)


def slow_vote(base: np.ndarray, labels: np.ndarray, queries: np.ndarray, asked: np.ndarray, k: int) -> float:
    right = 0
    for query, wanted in zip(queries, asked, strict=True):
        cosine = base @ query / np.linalg.norm(base, axis=1) / np.linalg.norm(query)
        votes: dict[object, float] = {}
        for i in np.argsort(-cosine)[:k]:
            votes[labels[i]] = votes.get(labels[i], 0) + np.exp(cosine[i] / 0.07)
        right += max(votes, key=votes.__getitem__) == wanted
    return right / len(queries)


@pytest.mark.parametrize("k", [1, 10, 500])
def test_the_vote_is_the_plain_one(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    labels, asked = rng.integers(0, 4, 300), rng.integers(0, 5, 70)  # one class that the base has not
    centres = rng.normal(size=(5, 6))
    base, queries = centres[labels] + rng.normal(0, 1.5, (300, 6)), centres[asked] + rng.normal(0, 1.5, (70, 6))
    monkeypatch.setattr(room, "_QUERIES_AT_ONCE", 16)
    found = knn_accuracy(base, labels, queries, asked, k)
    assert found == slow_vote(base, labels, queries, asked, k)
    assert 0.3 < found < 0.9
    assert found == knn_accuracy(base * 5, labels.astype(str), queries * 0.1, asked.astype(str), k)


def test_vote_inputs_that_do_not_fit() -> None:
    x = np.eye(3)
    with pytest.raises(InputError, match="labels should be 3"):
        knn_accuracy(x, [0, 1], x, [0, 1, 2])
    with pytest.raises(InputError, match="labels should be 3"):
        knn_accuracy(x, [0, 1, 2], x, [0, 1])
    with pytest.raises(InputError, match="queries should have 3 dimensions"):
        knn_accuracy(x, [0, 1, 2], np.eye(2), [0, 1])
    with pytest.raises(InputError, match="k should be an integer of at least 1; found 0"):
        knn_accuracy(x, [0, 1, 2], x, [0, 1, 2], 0)
