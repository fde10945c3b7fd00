"""Eq. (3): the joined gradient is what the weighted sum of the losses would give."""

from __future__ import annotations

import pytest
import torch

from hierindex.learning.balance import FixedBalance, GradientRatio, without_conflict


def two_gradients(seed=0, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(6, 4, generator=generator), scale * torch.randn(6, 4, generator=generator)


def test_fixed_weights_are_the_gradient_of_the_weighted_sum():
    z = torch.randn(6, 4, generator=torch.Generator().manual_seed(1), requires_grad=True)
    (0.7 * z.pow(3).sum() + 0.3 * z.sin().sum()).backward()
    contrast, tree = 3 * z.detach() ** 2, z.detach().cos()
    joined = FixedBalance(0.7, 0.3).join(contrast, tree, 0.5)
    assert torch.allclose(joined.gradient, z.grad, atol=1e-6)
    assert joined.weight == 0.3


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e5])
def test_tree_pulls_with_the_share_rho_whatever_its_scale(scale):
    contrast, tree = two_gradients(scale=scale)
    if (contrast * tree).sum() < 0:
        tree = -tree
    joined = GradientRatio(0.25, ramp=0, limits=(1e-12, 1e12)).join(contrast, tree, 0.0)
    assert (joined.gradient - contrast).norm().item() == pytest.approx(0.25 * contrast.norm().item(), rel=1e-3)
    assert joined.tree_norm == pytest.approx(tree.norm().item())


def test_ramp_and_limits():
    contrast, tree = two_gradients(scale=1e-9)
    weights = [GradientRatio(ramp=0.1).join(contrast, tree, done).weight for done in (0.0, 0.05, 0.1, 1.0)]
    assert weights == pytest.approx([0, 500, 1000, 1000])


def test_conflict_is_taken_out_on_one_side_only():
    contrast, tree = two_gradients()
    against, along = -tree * (tree * contrast).sum().sign(), tree * (tree * contrast).sum().sign()
    freed = without_conflict(against, contrast)
    assert (freed * contrast).sum().item() == pytest.approx(0, abs=1e-4)
    assert torch.equal(without_conflict(along, contrast), along)
    joined = GradientRatio().join(contrast, against, 1.0)
    assert joined.cosine < 0
    assert (joined.gradient * contrast).sum() >= contrast.square().sum() * 0.999


def test_norms_are_followed_slowly():
    contrast, tree = two_gradients()
    balance = GradientRatio(0.2, ramp=0, momentum=0.9)
    steady = balance.join(contrast, tree, 1.0).weight
    outlier = balance.join(contrast, 100 * tree, 1.0).weight
    assert outlier == pytest.approx(steady / (0.9 + 0.1 * 100), rel=1e-3)


def test_state_goes_on():
    whole, first, second = GradientRatio(), GradientRatio(), GradientRatio()
    pairs = [two_gradients(seed, 1 + seed) for seed in range(6)]
    weights = [whole.join(*pair, 1.0).weight for pair in pairs]
    for pair in pairs[:3]:
        first.join(*pair, 1.0)
    second.restore(first.state())
    assert [second.join(*pair, 1.0).weight for pair in pairs[3:]] == weights[3:]


def test_zero_gradients_stay_finite():
    zero = torch.zeros(3, 2)
    joined = GradientRatio().join(zero, zero, 1.0)
    assert torch.isfinite(joined.gradient).all()
    assert joined.cosine == 0
