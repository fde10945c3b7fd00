"""Neighbours within a set: those of a plain sort, whichever arithmetic looks first."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hierindex.learning import neighbours
from hierindex.learning.neighbours import nearest
from hierindex.learning.tree_loss import centred


def rows(n, dims, d=24, seed=0):
    """Unit rows ``(n, d)`` that vary in ``dims`` dimensions: the fewer, the closer they lie."""
    rng = np.random.default_rng(seed)
    return centred(torch.from_numpy((rng.normal(size=(n, dims)) @ rng.normal(size=(dims, d))).astype(np.float32)))


def least_cosines(x, found, k, queries=None):
    """How far, at most, the rows found are less alike than the true ones; own rows do not count."""
    asked = x if queries is None else queries
    scores = (asked.double() @ x.double().T).numpy()
    if queries is None:
        np.fill_diagonal(scores, -np.inf)
    best = -np.sort(-scores, axis=1)[:, :k]
    return float(np.abs(np.take_along_axis(scores, found.numpy(), axis=1) - best).max())


@pytest.fixture(params=[False, True], ids=["float32", "bfloat16 first"])
def halves(request, monkeypatch):
    """Both ways, on a CPU of either kind."""
    monkeypatch.setattr(neighbours, "_halves_are_fast", lambda _: request.param)
    monkeypatch.setattr(neighbours, "_HALVES_FROM", 1)
    return request.param


@pytest.mark.parametrize("dims", [2, 4, 8, 24])
def test_neighbours_are_those_of_a_sort(halves, dims):
    x = rows(3_000, dims)
    found = nearest(x, 6)
    assert least_cosines(x, found, 6) < 1e-6
    assert all(len(set(row)) == 6 and i not in row for i, row in enumerate(found.tolist()))


def test_neighbours_of_other_rows(halves):
    x, queries = rows(3_000, 12), rows(150, 12, seed=1)
    assert least_cosines(x, nearest(x, 6, queries=queries), 6, queries) < 1e-6


def test_rows_of_any_length(halves):
    x = rows(3_000, 12) * torch.linspace(0.01, 30, 3_000)[:, None]
    assert least_cosines(x, nearest(x, 6), 6) < 1e-3


def test_equal_rows_are_each_others_neighbours(halves):
    x = rows(100, 8).repeat_interleave(20, dim=0)
    found = nearest(x, 6)
    assert (found // 20 == torch.arange(2_000)[:, None] // 20).all()
    assert (found != torch.arange(2_000)[:, None]).all()


def test_bfloat16_is_believed_only_where_it_can_tell(monkeypatch):
    """Three dimensions hold 3,000 rows too close for it: it alone would be wrong, and it gives up after one look."""
    monkeypatch.setattr(neighbours, "_halves_are_fast", lambda _: True)
    monkeypatch.setattr(neighbours, "_HALVES_FROM", 1)
    x, looked, scores = rows(3_000, 3), [], neighbours._scores
    monkeypatch.setattr(neighbours, "_scores", lambda a, *rest: looked.append(a.dtype) or scores(a, *rest))
    assert least_cosines(x, nearest(x, 6), 6) < 1e-6
    assert looked.count(torch.bfloat16) == 1
    monkeypatch.setattr(neighbours, "_ERROR", -9.0)  # nothing is ever in doubt
    assert least_cosines(x, nearest(x, 6), 6) > 1e-4


def test_no_more_than_there_are(halves):
    x = rows(4, 3)
    assert nearest(x, 10).shape == (4, 3)
    assert nearest(x, 10, queries=x[:2]).shape == (2, 4)


@settings(max_examples=20, deadline=None)
@given(n=st.integers(2, 300), k=st.integers(1, 12), seed=st.integers(0, 999))
def test_nearest_is_brute_force(n, k, seed):
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(seed))
    found = nearest(x, k)
    scores = (x @ x.T).fill_diagonal_(-math.inf)
    wanted = scores.sort(dim=1, descending=True).values[:, : min(k, n - 1)]
    assert torch.allclose(scores.gather(1, found), wanted, atol=1e-5)


@pytest.mark.parametrize("n", [1_152, 1_200, 2_000])
def test_nearest_in_groups_of_columns_is_brute_force(n):
    """The largest maxima may all lie in one group, or in the columns that fill none."""
    x = torch.nn.functional.normalize(torch.randn(n, 5, generator=torch.Generator().manual_seed(n)), dim=1)
    x[-30:] = x[-1] + 0.01 * x[-30:]
    found = nearest(x, 4)
    scores = (x @ x.T).fill_diagonal_(-math.inf)
    assert torch.allclose(scores.gather(1, found), scores.topk(4, dim=1).values, atol=1e-5)
    assert (found != torch.arange(n)[:, None]).all()
