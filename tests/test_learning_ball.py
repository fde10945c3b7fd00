"""Depths of common ancestors: three ways to the same number, and no NaN at the edges."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hierindex.learning import ball
from hierindex.learning.ball import lca_depth, lca_point, lca_point_depth


def directions(seed, count, p):
    x = torch.randn(count, p, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return x / x.norm(dim=1, keepdim=True)


def nearest_on_geodesic(a, b):
    """The point of geoopt's geodesic a -> b nearest to the origin, by ternary search (distance is convex there)."""
    low, high = torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64)
    space = ball._BALL
    for _ in range(80):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        nearer_left = space.dist0(space.geodesic(left, a, b)) < space.dist0(space.geodesic(right, a, b))
        low, high = (low, right) if nearer_left else (left, high)
    return space.geodesic((low + high) / 2, a, b)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), p=st.integers(2, 6), r=st.tuples(st.floats(0.05, 0.9), st.floats(0.05, 0.9)))
def test_lca_is_the_nearest_point_of_the_geodesic(seed, p, r):
    a, b = directions(seed, 2, p) * torch.tensor(r, dtype=torch.float64)[:, None]
    slow = nearest_on_geodesic(a, b)
    assert torch.allclose(lca_point(a, b), slow, atol=1e-6)
    assert lca_point_depth(a, b).item() == pytest.approx(ball._BALL.dist0(slow).item(), abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), p=st.integers(2, 16), radius=st.floats(0.05, 0.99))
def test_closed_form_is_the_depth_at_equal_radii(seed, p, radius):
    a, b = directions(seed, 2, p)
    found = lca_depth(a, b, radius=radius, eps=0)
    assert found.item() == pytest.approx(lca_point_depth(radius * a, radius * b).item(), rel=1e-6, abs=1e-8)


def test_boundary_is_the_limit_of_growing_radii():
    a, b = directions(3, 2, 4)
    gaps = [abs(float(lca_depth(a, b) - lca_depth(a, b, radius=r))) for r in (0.9, 0.99, 0.999, 0.9999)]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < 1e-6


def test_boundary_depth_depends_on_the_angle_alone():
    for theta in (0.1, 1.0, 3.0):
        a, b = torch.tensor([[1, 0], [math.cos(theta), math.sin(theta)]], dtype=torch.float64)
        wanted = 2 * math.atanh(math.tan((math.pi - theta) / 4))  # Klein radius cos(theta/2)
        assert lca_depth(a, b, eps=0).item() == pytest.approx(wanted, rel=1e-9)


def test_gradients():
    a, b = (x.clone().requires_grad_() for x in directions(5, 12, 3).split(6))
    assert torch.autograd.gradcheck(lca_depth, (a, b))
    assert torch.autograd.gradcheck(lambda u, v: lca_depth(u, v, radius=0.8), (a, b))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shift", [0.0, 1e-7, 1e-3])
@pytest.mark.parametrize("sign", [1, -1])
def test_finite_at_coincident_and_opposite_points(dtype, shift, sign):
    a = torch.nn.functional.normalize(torch.eye(4) + 0.3, dim=1).to(dtype).requires_grad_()
    b = (sign * a.detach() + shift).requires_grad_()
    depth = lca_depth(a, b)
    depth.sum().backward()
    assert torch.isfinite(depth).all()
    assert (depth >= (-2e-3 if dtype == torch.bfloat16 else 0)).all()  # rounded to bfloat16, a unit vector is not quite
    assert torch.isfinite(a.grad).all()
    assert torch.isfinite(b.grad).all()
    assert depth.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)


def test_coincident_points_are_deeper_than_any_two():
    a = directions(7, 50, 3).float()
    assert lca_depth(a, a).min() > lca_depth(a[:, None], a[None] + 1e-3).max()
