"""The contrastive loss against its formula, pair by pair."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hierindex.errors import InputError
from hierindex.learning.batches import near_batches, plain_batches
from hierindex.learning.contrastive import ContrastiveLoss, nt_xent, view_positives


def simclr_loss(z, tau):
    """NT-Xent of n first views and then their n second views, as SimCLR's eq. (1) writes it."""
    rows = [row / row.norm() for row in z.double()]
    n, total = len(rows) // 2, 0.0
    for i, row in enumerate(rows):
        scores = {j: math.exp(float(row @ other) / tau) for j, other in enumerate(rows) if j != i}
        total -= math.log(scores[(i + n) % (2 * n)] / sum(scores.values()))
    return total / len(rows)


def general_loss(z, positives, excluded, phi, psi):
    """InfoHier eq. (2), sum by sum."""
    rows = [row / row.norm() for row in z.double()]
    terms = []
    for i, row in enumerate(rows):
        for p in positives[i].tolist():
            inner = 0.0
            for j, other in enumerate(rows):
                if j != i and j not in positives[i].tolist() and not (excluded is not None and excluded[i, j]):
                    inner += psi(float((row - rows[p]).square().sum() - (row - other).square().sum()))
            terms.append(phi(inner))
    return sum(terms) / len(terms)


@settings(max_examples=25, deadline=None)
@given(n=st.integers(2, 6), tau=st.floats(0.1, 2), seed=st.integers(0, 1000))
def test_nt_xent_is_simclr(n, tau, seed):
    z = torch.randn(2 * n, 5, generator=torch.Generator().manual_seed(seed))
    assert nt_xent(tau)(z, view_positives(n)).item() == pytest.approx(simclr_loss(z, tau), rel=1e-4)


def test_general_family():
    generator = torch.Generator().manual_seed(1)
    z = torch.randn(8, 4, generator=generator)
    positives = torch.tensor([[4, 1], [5, 0], [6, 3], [7, 2], [0, 5], [1, 4], [2, 7], [3, 6]])
    excluded = torch.rand(8, 8, generator=generator) < 0.2
    found = ContrastiveLoss(torch.sqrt, torch.nn.functional.softplus)(z, positives, excluded)
    wanted = general_loss(z, positives, excluded, math.sqrt, lambda x: math.log1p(math.exp(x)))
    assert found.item() == pytest.approx(wanted, rel=1e-5)


def test_lower_for_agreeing_views():
    z = torch.randn(6, 8, generator=torch.Generator().manual_seed(2))
    alike, unlike = torch.cat([z, z + 0.01]), torch.cat([z, z.roll(1, 0)])
    loss, positives = nt_xent(), view_positives(6)
    assert loss(alike, positives) < loss(unlike, positives)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("make", [torch.ones, torch.zeros])
def test_finite_where_all_rows_are_equal(make, dtype):
    z = make(8, 4).to(dtype).requires_grad_()
    loss = nt_xent(0.03)(z, view_positives(4))
    loss.backward()
    assert loss.dtype == torch.float32
    assert torch.isfinite(loss)
    assert torch.isfinite(z.grad).all()


def test_too_small_a_temperature_is_refused():
    with pytest.raises(InputError, match=r"at least 0\.03; found 0\.01"):
        nt_xent(0.01)


def test_plain_batches_cover_the_set_once():
    batches = list(plain_batches(23, 5, torch.Generator().manual_seed(0)))
    rows = torch.cat([batch.rows for batch in batches])
    assert len(batches) == 4
    assert len(rows.unique()) == len(rows) == 20


def test_near_batches_pair_anchors_with_neighbours():
    n, k = 40, 3
    near = (torch.arange(n)[:, None] + torch.arange(1, k + 1)) % n  # the next three on a ring
    batches = list(near_batches(near, 10, torch.Generator().manual_seed(0)))
    assert len(batches) == 4
    for batch in batches:
        r = len(batch.rows)
        assert all(partner in near[anchor] for anchor, partner in zip(batch.rows[:5], batch.rows[5:], strict=True))
        row_of = torch.cat([batch.rows, batch.rows])
        for i in range(2 * r):
            mine = batch.positives[i].tolist()
            partner = (i + 5) % r if i < r else (i - r + 5) % r
            assert set(mine) == {(i + r) % (2 * r), partner, partner + r}
            for j in range(2 * r):
                gap = int((row_of[i] - row_of[j]) % n)
                assert bool(batch.excluded[i, j]) == (min(gap, n - gap) <= k)
