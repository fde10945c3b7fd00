"""The head and the results: plain values with laws of their own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hierindex.errors import CorruptIndexError
from hierindex.head import Head, unit
from hierindex.results import Hits


def make_head(d=6, h=5, p=3, seed=0):
    rng = np.random.default_rng(seed)
    shapes = {"mean": (d,), "linear": (d, p), "w1": (d, h), "b1": (h,), "w2": (h, p)}
    arrays = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    return Head(scale=np.ones(d, np.float32), **arrays)


@given(st.integers(1, 40), st.integers(1, 7))
def test_points_lie_on_the_sphere_and_batches_do_not_matter(n, batch):
    head = make_head()
    z = np.random.default_rng(n).normal(size=(n, 6)).astype(np.float32)
    points = head(z)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(head(z, rows_at_once=batch), points, atol=1e-5)


def test_the_head_is_its_formula_row_by_row():
    head, z = make_head(), np.arange(12, dtype=np.float32).reshape(2, 6)
    for row, point in zip(z, head(z), strict=True):
        u = (row - head.mean) / head.scale
        y = u @ head.linear + np.maximum(u @ head.w1 + head.b1, 0) @ head.w2
        np.testing.assert_allclose(point, y / np.linalg.norm(y), atol=1e-5)


def test_a_head_comes_back_from_its_arrays():
    head, z = make_head(), np.ones((1, 6), np.float32)
    np.testing.assert_array_equal(Head.from_arrays(head.arrays())(z), head(z))


def test_arrays_that_make_no_head_are_refused():
    arrays = make_head().arrays()
    with pytest.raises(CorruptIndexError, match=r"missing: \['w2'\]"):
        Head.from_arrays({name: a for name, a in arrays.items() if name != "w2"})
    with pytest.raises(CorruptIndexError, match=r"'w1' should be \(6, 5\); found \(5, 5\)"):
        Head.from_arrays({**arrays, "w1": arrays["w1"][:5]})


def test_a_row_of_zeros_still_lies_on_the_sphere():
    np.testing.assert_array_equal(unit(np.zeros((2, 3), np.float32)), [[1, 0, 0], [1, 0, 0]])


def test_hits_are_counted_and_walked_without_the_missing_ones():
    hits = Hits(np.array([[4, 9], [4, -1]]), np.array([[0, 1], [2, np.inf]], np.float32), np.array([[5, 6], [5, -1]]))
    assert len(hits) == 2
    assert hits.found.tolist() == [2, 1]
    assert [[hit.id for hit in found] for found in hits] == [[4, 9], [4]]
