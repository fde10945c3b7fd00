"""The nearest leaves are those that comparing every centroid by the book gives, for one query and for many."""

import numpy as np
import pytest

from hierindex.index import centroids as module
from hierindex.index.centroids import Centroids


def by_the_book(queries, values, by_product):
    """``(q, L)`` float64: squared distances, of products in the space with one dimension more."""
    q, c = queries.astype(np.float64), values.astype(np.float64)
    squared = ((q[:, None] - c[None]) ** 2).sum(-1)
    norms = (c**2).sum(-1)
    return squared + (norms.max() - norms) if by_product else squared


@pytest.mark.parametrize("by_product", [False, True])
@pytest.mark.parametrize(("n_leaves", "n"), [(1, 1), (2, 1), (50, 50), (333, 40)])
def test_the_nearest_stand_first_with_their_distances(monkeypatch, by_product, n_leaves, n):
    monkeypatch.setattr(module, "_AT_ONCE", 4 * n_leaves * 7)  # seven queries at once
    rng = np.random.default_rng(n_leaves)
    values, queries = (rng.normal(size=(size, 9)).astype(np.float32) for size in (n_leaves, 40))
    book = by_the_book(queries, values, by_product)
    if by_product:  # nearness is a larger product
        np.testing.assert_array_equal(book.argsort(axis=1), (-(queries @ values.T)).argsort(axis=1))
    some = Centroids.of(values, by_product)
    leaves, squared = some.nearest(queries, n)
    np.testing.assert_array_equal(leaves, book.argsort(axis=1)[:, :n])
    np.testing.assert_allclose(squared, np.sort(book, axis=1)[:, :n], rtol=1e-4, atol=1e-5)
    alone = [some.nearest(query[None], n) for query in queries]
    np.testing.assert_array_equal(np.concatenate([each for each, _ in alone]), leaves)
    np.testing.assert_allclose(np.concatenate([each for _, each in alone]), squared, rtol=1e-4, atol=1e-5)


def test_no_distance_is_below_zero():
    """|q|^2 - 2 qc + |c|^2 rounds to less than 0 at a centroid that is far from the origin."""
    values = (1_000 + np.random.default_rng(0).normal(size=(64, 16))).astype(np.float32)
    leaves, squared = Centroids.of(values, by_product=False).nearest(values, 3)
    assert (squared >= 0).all()
    assert leaves.shape == squared.shape == (64, 3)
