"""The head in torch is the head in NumPy, and starts at the principal axes."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hierindex.learning.head_module import HeadModule


def latents(n=60, d=7, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator) @ torch.randn(d, d, generator=generator) + 3


@settings(max_examples=20, deadline=None)
@given(n=st.integers(2, 50), d=st.integers(1, 20), p=st.integers(2, 16), seed=st.integers(0, 999))
def test_numpy_and_torch_agree(n, d, p, seed):
    z, generator = latents(n, d, seed), torch.Generator().manual_seed(seed)
    module = HeadModule(d, p, 5)
    module.start(z, generator)
    for trained in (False, True):
        if trained:
            with torch.no_grad():
                for weight in module.parameters():
                    weight += 0.3 * torch.randn(weight.shape, generator=generator)
        found = module.to_head()(z.numpy())
        long = np.linalg.norm(module(z).detach().numpy(), axis=1) > 0.5  # a zero output has no direction
        assert found.shape == (n, p)
        assert np.allclose(found[long], module(z).detach().numpy()[long], atol=2e-3)


def test_starts_at_the_principal_axes():
    z = latents()
    module = HeadModule(7, 3, 4)
    module.start(z, torch.Generator().manual_seed(0))
    centred = (z - z.mean(0)).double().numpy()
    axes = np.linalg.svd(centred, full_matrices=False)[2][:3].T
    wanted = centred @ axes
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    found = module(z).detach().numpy()
    signs = np.sign((found * wanted).sum(0))
    assert np.allclose(found, wanted * signs, atol=1e-4)


def test_hidden_layer_learns_from_the_first_step():
    z = latents()
    module = HeadModule(7, 3, 4)
    module.start(z, torch.Generator().manual_seed(0))
    module(z)[:, 0].sum().backward()
    assert module.linear.grad.abs().sum() > 0
    assert module.w2.grad.abs().sum() > 0


def test_a_constant_set_stays_finite():
    z = torch.ones(4, 3)
    module = HeadModule(3, 2, 4)
    module.start(z, torch.Generator().manual_seed(0))
    assert torch.isfinite(module(z)).all()
    assert np.allclose(np.linalg.norm(module.to_head()(z.numpy()), axis=1), 1)


def test_handing_over_is_a_copy():
    module = HeadModule(3, 2, 4)
    module.start(latents(d=3), torch.Generator().manual_seed(0))
    head = module.to_head()
    before = head.linear.copy()
    with torch.no_grad():
        module.linear += 1
    assert np.array_equal(head.linear, before)
