"""The tree loss against eq. (1) triplet by triplet, and where triplets come from."""

from __future__ import annotations

import math

import pytest
import torch
from ball_samples import nearest_on_geodesic
from hypothesis import given, settings
from hypothesis import strategies as st

from hierindex.errors import InputError
from hierindex.learning import ball
from hierindex.learning.config import HeadConfig, LearnConfig
from hierindex.learning.head_module import HeadModule
from hierindex.learning.neighbours import nearest
from hierindex.learning.refine import Target
from hierindex.learning.tree_loss import centred, similarity, tree_loss
from hierindex.learning.triplets import batch_triplets, sample_triplets


def slow_tree_loss(points, weights, tau):
    total = 0.0
    for (i, j, k), (w_ij, w_ik, w_jk) in zip(points.double(), weights.double().tolist(), strict=True):
        soft = []
        for a, b in ((i, j), (i, k), (j, k)):
            half = math.acos(max(-1.0, min(1.0, float(a @ b)))) / 2
            soft.append(math.exp((math.log(1 + math.cos(half)) - math.log(math.sin(half))) / tau))
        p_ij, p_ik, p_jk = (s / sum(soft) for s in soft)
        total += w_ij + w_ik + w_jk - (w_ij * p_ij + w_ik * p_ik + w_jk * p_jk)
    return total / len(points)


def textbook_tree_loss(points, weights, tau, radius):
    """HypHC as written: walk along the geodesic to its point nearest to the origin, take distances there, softmax."""
    total = 0.0
    for corners, (w_ij, w_ik, w_jk) in zip(radius * points, weights.tolist(), strict=True):
        i, j, k = corners
        depths = [float(ball._BALL.dist0(nearest_on_geodesic(a, b))) for a, b in ((i, j), (i, k), (j, k))]
        soft = [math.exp((d - max(depths)) / tau) for d in depths]
        total += w_ij + w_ik + w_jk - sum(w * s for w, s in zip((w_ij, w_ik, w_jk), soft, strict=True)) / sum(soft)
    return total / len(points)


def random_triplets(seed, count=7, p=4):
    generator = torch.Generator().manual_seed(seed)
    points = torch.nn.functional.normalize(torch.randn(count, 3, p, generator=generator).double(), dim=-1)
    return points, torch.rand(count, 3, generator=generator).double()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), tau=st.floats(0.05, 2))
def test_equals_the_formula(seed, tau):
    points, weights = random_triplets(seed)
    assert tree_loss(points, weights, tau).item() == pytest.approx(slow_tree_loss(points, weights, tau), rel=1e-6)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), p=st.sampled_from([2, 3, 16]), tau=st.floats(0.05, 2), radius=st.floats(0.05, 0.9))
def test_equals_the_textbook_at_a_finite_radius(seed, p, tau, radius):
    points, weights = random_triplets(seed, count=2, p=p)
    found = tree_loss(points, weights, tau, radius=radius).item()
    assert found == pytest.approx(textbook_tree_loss(points, weights, tau, radius), rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), p=st.sampled_from([2, 16]), tau=st.floats(1e-3, 10), radius=st.floats(0.01, 1))
def test_a_triplet_costs_all_pairs_less_a_mean_of_them(seed, p, tau, radius):
    points, weights = random_triplets(seed, count=1, p=p)
    loss = tree_loss(points, weights, tau, radius=radius).item()
    sides = weights[0].tolist()
    assert sum(sides) - max(sides) - 1e-9 <= loss <= sum(sides) - min(sides) + 1e-9


@pytest.mark.parametrize("p", [2, 3, 16])
@pytest.mark.parametrize("radius", [0.8, 1.0])
def test_gradients_and_none_through_the_weights(p, radius):
    points, weights = random_triplets(3, p=p)
    assert torch.autograd.gradcheck(lambda x: tree_loss(x, weights, 0.3, radius=radius), points.requires_grad_())
    weights.requires_grad_()
    tree_loss(points, weights, 0.3).backward()
    assert weights.grad is None


def test_lowest_where_the_similar_pair_meets_deepest():
    near, far = torch.tensor([1.0, 0.1]), torch.tensor([-1.0, 0.3])
    corners = torch.nn.functional.normalize(torch.stack([torch.tensor([1.0, 0.0]), near, far]), dim=1)
    losses = [tree_loss(corners[None], torch.tensor([w]), 0.05).item() for w in ([1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0])]
    assert losses[0] < 1e-3
    assert min(losses[1:]) > 0.99


def test_finite_for_coincident_corners():
    points = torch.ones(2, 3, 4).div(2).requires_grad_()
    loss = tree_loss(points, torch.ones(2, 3), 0.05)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(points.grad).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("radius", [0.999, 1.0])
@pytest.mark.parametrize("angles", [(0, 0, math.pi), (0, math.pi, 1e-7), (0, 1e-9, 2e-9), (0, 1e-4, 2), (0, 2.1, 4.2)])
def test_finite_wherever_the_corners_are(dtype, radius, angles):
    """Coincident, opposite, a hair apart: at the last temperature, with weights as far apart as they come."""
    angles = torch.tensor(angles, dtype=torch.float64)
    points = torch.stack([angles.cos(), angles.sin()], dim=1)[None].to(dtype).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        loss = tree_loss(points, torch.tensor([[1.0, 0.0, 0.5]], dtype=dtype), 0.05, radius=radius)
    loss.backward()
    assert loss.dtype == torch.float32
    assert 0.5 - 1e-6 <= loss.item() <= 1.5 + 1e-6
    assert torch.isfinite(points.grad).all()


def test_a_radius_in_the_configuration_reaches_the_loss():
    x = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    losses = []
    for radius in (1.0, 0.5):
        target = Target(x, LearnConfig(head=HeadConfig(radius=radius)))
        head = HeadModule(6, 3, 4)
        head.start(x, torch.Generator().manual_seed(0))
        triplets = target.triplets(200, torch.Generator().manual_seed(1))
        losses.append(target.loss(head, head.scaled(x), triplets, 0.1).item())
        points = head(x)[triplets]
        wanted = tree_loss(points, target._weights(triplets), 0.1, radius=radius).item()
        assert losses[-1] == pytest.approx(wanted, rel=1e-5)
    assert abs(losses[0] - losses[1]) > 1e-3
    with pytest.raises(InputError, match=r"head\.radius should be above 0 and up to 1; found 1\.5"):
        HeadConfig(radius=1.5)


def test_similarity_is_one_for_equal_and_falls_with_the_angle():
    cosines = torch.linspace(0, math.pi, 9).cos()
    for temperature in (None, 0.1, 1.0):
        w = similarity(cosines, temperature)
        assert w[0].item() == pytest.approx(1)
        assert (w[1:] < w[:-1]).all()
        assert (w >= -1e-6).all()
    assert similarity(cosines[-1], None).item() == pytest.approx(0, abs=1e-6)
    assert similarity(cosines[4], 0.5).item() == pytest.approx(math.exp(-2), rel=1e-5)


@pytest.mark.parametrize("temperature", [0.1, None])
def test_weights_of_triplets_are_the_similarities_of_their_pairs(temperature, monkeypatch):
    x = torch.randn(30, 6, generator=torch.Generator().manual_seed(0))
    config = LearnConfig(head=HeadConfig(similarity=temperature, diffusion=None))
    looked_up = Target(x, config)
    monkeypatch.setattr("hierindex.learning.refine._TABLE", 0)
    computed = Target(x, config)
    triplets = computed.triplets(50, torch.Generator().manual_seed(1))
    unit = centred(x)
    for row, (i, j, k) in zip(looked_up._weights(triplets), triplets.tolist(), strict=True):
        wanted = [similarity(unit[a] @ unit[b], temperature).item() for a, b in ((i, j), (i, k), (j, k))]
        assert row.tolist() == pytest.approx(wanted, rel=1e-4, abs=1e-6)
    assert torch.allclose(looked_up._weights(triplets), computed._weights(triplets), rtol=1e-4)


def test_centring_takes_out_what_all_share():
    x = torch.randn(200, 6, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(centred(x), centred(x + 100), atol=1e-4)


def test_nearest_of_other_queries_may_be_any_row():
    x = torch.eye(3)
    assert nearest(x, 5, queries=x[:2])[:, 0].tolist() == [0, 1]


def test_triplets_are_distinct_and_of_three_kinds():
    n = 1_000
    near = (torch.arange(n)[:, None] + torch.tensor([1, 2])) % n
    triplets = sample_triplets(near, 20_000, torch.Generator().manual_seed(0))
    i, j, k = triplets.unbind(1)
    assert len(triplets) > 19_000
    assert ((i != j) & (i != k) & (j != k)).all()
    pair = ((j - i) % n <= 2).float().mean()
    chain = (((j - i) % n <= 2) & ((k - j) % n <= 2)).float().mean()
    assert pair.item() == pytest.approx(0.5, abs=0.02)
    assert chain.item() == pytest.approx(0.25, abs=0.02)
    assert set(i.tolist()) == set(range(n))  # from the whole set


def test_batch_triplets_use_the_pairs_of_the_batch():
    triplets = batch_triplets(50, 10_000, torch.Generator().manual_seed(0))
    i, j, k = triplets.unbind(1)
    assert ((i != j) & (i != k) & (j != k)).all()
    assert (triplets < 100).all()
    assert ((i - j).abs() == 50).float().mean().item() == pytest.approx(0.5, abs=0.03)


def test_batch_triplets_go_on_to_a_near_row_of_the_near_row_where_the_batch_has_one():
    groups, ring = 50, 100
    position = torch.arange(ring)
    near = ((position[:, None] - position) % ring <= 2) | ((position - position[:, None]) % ring <= 2)
    near[10] = near[:, 10] = False  # this row has nothing near
    triplets = batch_triplets(groups, 20_000, torch.Generator().manual_seed(0), near)
    i, j, k = triplets.unbind(1)
    assert ((i != j) & (i != k) & (j != k)).all()
    pair, linked = (i - j).abs() == groups, near[j, k]
    assert pair.float().mean().item() == pytest.approx(0.5, abs=0.03)
    assert (pair & linked).float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert (pair & (j == 10)).float().mean().item() == pytest.approx(0.005, abs=0.003)  # any row in its place
    assert set(k[pair & linked & (j == 20)].tolist()) == {18, 19, 21, 22}
    alone = batch_triplets(groups, 20_000, torch.Generator().manual_seed(0), torch.zeros(ring, ring, dtype=torch.bool))
    assert torch.equal(alone, batch_triplets(groups, 20_000, torch.Generator().manual_seed(0)))
