"""The door: what is let in, in which form, and what is refused in which words."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hierindex.errors import DuplicateIdError, EmptyInputError, HierIndexError, InputError, MissingExtraError, need
from hierindex.vectors import Metric, as_ids, as_labels, as_vectors, positive

FLOATS = hnp.arrays(
    np.float64, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=6), elements=st.floats(-1e3, 1e3)
)


@given(FLOATS)
def test_every_form_of_the_same_vectors_is_one_form_inside(x):
    wanted = x.astype(np.float32)
    for form in (x, x.tolist(), np.asfortranarray(x), torch.from_numpy(x.copy()), x[::-1][::-1]):
        inside = as_vectors(form)
        assert inside.dtype == np.float32
        assert inside.flags.c_contiguous
        np.testing.assert_array_equal(inside, wanted)


def test_one_vector_becomes_a_row():
    np.testing.assert_array_equal(as_vectors([1, 2, 3]), [[1, 2, 3]])


def test_the_callers_array_is_never_written_to():
    x = np.full((3, 4), 2, np.float32)
    before = x.copy()
    Metric.COSINE.prepare(as_vectors(x))
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.zeros((2, 2, 2)), r"shape \(n, d\) or \(d,\); found shape \(2, 2, 2\)"),
        (np.float32(3), r"found shape \(\)"),
        (np.array([["a", "b"]]), "real numbers"),
        (np.array([[1 + 2j]]), "found dtype complex128; convert"),
        (np.array([[True, False]]), "found dtype bool"),
        ([[1, 2], [3]], "rows of different lengths"),
        (np.array([[1, None]]), "found Python objects"),
        ([[1.0, np.nan]], r"NaN or infinity in 1 row\(s\): \[0\]"),
        ([[1.0, 1.0], [np.inf, 0.0]], r"NaN or infinity in 1 row\(s\): \[1\]"),
        ([[1e39, 0.0]], "finite in float32"),
    ],
)
def test_what_is_no_set_of_vectors_is_refused(x, words):
    with pytest.raises(InputError, match=words):
        as_vectors(x)


@pytest.mark.parametrize("shape", [(0, 4), (4, 0)])
def test_nothing_is_refused(shape):
    with pytest.raises(EmptyInputError, match=r"at least one vector of one dimension; found shape"):
        as_vectors(np.zeros(shape))


def test_another_dimension_is_refused():
    with pytest.raises(InputError, match="query should have 3 dimensions, as the index has; found 2"):
        as_vectors([[1, 2]], name="query", dim=3)


@given(FLOATS)
def test_cosine_rows_have_length_one_or_zero(x):
    prepared = Metric.COSINE.prepare(as_vectors(x))
    lengths = np.linalg.norm(prepared, axis=1)
    zero = ~as_vectors(x).any(axis=1)
    np.testing.assert_allclose(lengths[~zero], 1, atol=1e-5)
    assert not prepared[zero].any()


@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1.0, 1e20, 1e38])
def test_cosine_survives_any_scale(scale):
    prepared = Metric.COSINE.prepare(as_vectors(np.array([[3.0, 4.0]]) * scale / 5))
    np.testing.assert_allclose(prepared, [[0.6, 0.8]], rtol=1e-5)


@given(hnp.arrays(np.float32, (4, 5), elements=st.floats(-8, 8, width=32)))
def test_distances_are_the_true_ones(x):
    q, rows = x[:1], x[1:]
    by_hand = {
        Metric.L2: np.linalg.norm(q - rows, axis=1),
        Metric.IP: -(rows @ q[0]),
        Metric.COSINE: 1 - Metric.COSINE.prepare(rows) @ Metric.COSINE.prepare(q)[0],
    }
    for metric, wanted in by_hand.items():
        a, b = metric.prepare(q), metric.prepare(rows)
        raw = b @ a[0] if metric.by_product else ((a - b) ** 2).sum(axis=1)
        np.testing.assert_allclose(metric.distances(raw), wanted, atol=1e-4)


def test_metric_names():
    assert [Metric.parse(name) for name in ("cosine", "l2", "ip", Metric.L2)] == [
        Metric.COSINE,
        Metric.L2,
        Metric.IP,
        Metric.L2,
    ]
    with pytest.raises(InputError, match="one of 'cosine', 'l2', 'ip'; found 'manhattan'"):
        Metric.parse("manhattan")


@given(st.lists(st.integers(0, 2**63 - 1), unique=True, max_size=20))
def test_integer_ids_pass_unchanged(ids):
    clean = as_ids(np.array(ids, dtype=np.uint64), len(ids))
    assert clean.dtype == np.int64
    assert clean.tolist() == ids


@given(st.lists(st.text(min_size=1), unique=True, min_size=1, max_size=20))
def test_string_ids_pass_unchanged(ids):
    assert as_ids(ids, len(ids)).tolist() == ids
    assert as_ids(_objects(ids), len(ids)).tolist() == ids


def _objects(values):
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def test_ids_are_numbered_where_none_are_given():
    assert as_ids(None, 3, start=5).tolist() == [5, 6, 7]


@pytest.mark.parametrize(
    ("ids", "error", "words"),
    [
        ([1, 2], InputError, "should be 3, one for each point; found shape"),
        ([[1, 2, 3]], InputError, "one for each point"),
        ([1, 2, 1], DuplicateIdError, r"found more than once: \[1\]"),
        (["a", "b", "a"], DuplicateIdError, r"found more than once: \['a'\]"),
        ([1.0, 2.0, 3.0], InputError, "all integers or all non-empty strings; found 1.0"),
        (["a", "", "b"], InputError, "found ''"),
        (["a", 1, "b"], InputError, "found 1 in an array of object"),
        (_objects(["a", 1, "b"]), InputError, "found 1 in an array of object"),
        ([1, -1, 2], InputError, "0 or above .* found -1"),
        (np.array([1, 2, 2**64 - 1], np.uint64), InputError, "fit in int64"),
    ],
)
def test_ids_that_cannot_be_are_refused(ids, error, words):
    with pytest.raises(error, match=words):
        as_ids(ids, 3)


def test_labels_become_numbers_and_must_fit():
    assert as_labels(np.array(["b", "a", "b"]), 3).tolist() == [1, 0, 1]
    with pytest.raises(InputError, match="labels should be 2, one for each point"):
        as_labels([1, 2, 3], 2)


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "3", None])
def test_a_count_is_an_integer_of_at_least_one(value):
    with pytest.raises(InputError, match="k should be an integer of at least 1; found"):
        positive(value, "k")


def test_every_error_is_one_of_ours_and_of_pythons_kind():
    assert issubclass(InputError, HierIndexError)
    assert issubclass(InputError, ValueError)
    assert issubclass(MissingExtraError, ImportError)


def test_a_missing_extra_names_the_pip_line():
    with pytest.raises(MissingExtraError, match=r"'no_such_package'.*pip install 'hierindex\[plots\]'"):
        need("no_such_package.part", "plots")


@given(st.integers(0, 1_000), st.integers(1, 40), st.sampled_from([1e-20, 1e-3, 1.0, 7.0, 1e18]))
def test_what_is_prepared_stays_as_it_is(seed, dim, scale):
    x = (scale * np.random.default_rng(seed).normal(size=(50, dim))).astype(np.float32)
    for metric in Metric:
        once = metric.prepare(x)
        assert metric.prepare(once).tobytes() == once.tobytes()


@given(st.integers(0, 1_000), st.integers(1, 300), st.sampled_from([0.0, 1e-20, 1e-3, 1.0, 7.0, 1e18]))
def test_one_vector_is_prepared_as_many_are(seed, dim, scale):
    x = (scale * np.random.default_rng(seed).normal(size=(20, dim))).astype(np.float32)
    x[10:] = Metric.COSINE.prepare(x[:10])
    together = Metric.COSINE.prepare(x)
    assert np.concatenate([Metric.COSINE.prepare(row[None]) for row in x]).tobytes() == together.tobytes()
    assert not np.shares_memory(Metric.COSINE.prepare(x[-1:]), x)  # a caller may write to theirs


def test_rows_of_nearly_unit_length_are_still_scaled():
    x = np.array([[1 + 1e-6, 0.0]], np.float32)
    assert Metric.COSINE.prepare(x).tolist() == [[1.0, 0.0]]
