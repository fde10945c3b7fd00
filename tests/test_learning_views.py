"""Views: whole batches, equal generators give equal views, and no strength means no change."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hierindex.errors import InputError
from hierindex.learning.config import ViewConfig
from hierindex.learning.views import Views, _frames, _turn_hue, _turned

STILL = ViewConfig(crop=(1, 1), ratio=1, flip=False, rotate=0, jitter=(0, 0, 0, 0), grey=0)


def pictures(b=6, c=3, h=8, w=8, seed=0):
    return torch.randint(256, (b, c, h, w), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def changed(images, seed=0, **parts):
    import dataclasses

    return Views(dataclasses.replace(STILL, **parts))(images, torch.Generator().manual_seed(seed))


@settings(max_examples=20, deadline=None)
@given(c=st.sampled_from([1, 2, 3, 4]), h=st.integers(1, 12), w=st.integers(1, 12), seed=st.integers(0, 99))
def test_any_shape_stays_in_range_and_repeats(c, h, w, seed):
    images = pictures(4, c, h, w)
    kept = images.clone()
    make = Views(ViewConfig(rotate=15, noise=0.1))
    first, again = (make(images, torch.Generator().manual_seed(seed)) for _ in range(2))
    assert first.shape == images.shape
    assert first.dtype == torch.float32
    assert ((first >= 0) & (first <= 1)).all()
    assert torch.equal(first, again)
    assert torch.equal(images, kept)


def test_views_of_another_size_are_the_image_resampled():
    images = pictures(3, 3, 8, 8)
    half = changed(images, size=4)  # nothing else: each pixel of the view is the mean of the four that it covers
    means = (images.float() / 255).unflatten(3, (4, 2)).unflatten(2, (4, 2)).mean(dim=(3, 5))
    torch.testing.assert_close(half, means, atol=1e-6, rtol=0)
    assert changed(images, size=11).shape == (3, 3, 11, 11)
    with pytest.raises(InputError, match=r"views\.size"):
        ViewConfig(size=0)


def test_no_strength_no_change():
    images = pictures()
    assert torch.allclose(changed(images), images / 255, atol=1e-5)
    assert torch.allclose(changed(images / 255), images / 255, atol=1e-5)


def test_two_draws_differ():
    make, generator = Views(ViewConfig()), torch.Generator().manual_seed(0)
    assert not torch.equal(make(pictures(), generator), make(pictures(), generator))


def test_flip_mirrors_half_of_the_images():
    images = pictures(400)
    seen, plain = changed(images, flip=True), images / 255
    mirrored = (seen - plain.flip(3)).abs().amax((1, 2, 3)) < 1e-4
    same = (seen - plain).abs().amax((1, 2, 3)) < 1e-4
    assert (mirrored ^ same).all()
    assert 0.4 < mirrored.float().mean() < 0.6


def test_a_quarter_turn_is_a_quarter_turn():
    from hierindex.learning.views import resample

    image = pictures(1) / 255
    quarter = torch.tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]]])
    assert torch.allclose(resample(image, quarter, None), torch.rot90(image, 1, (2, 3)), atol=1e-5)


@pytest.mark.parametrize(("w", "symmetries"), [(7, 8), (5, 4)])
def test_turns_and_mirrors_are_the_symmetries_of_the_frame(w, symmetries):
    image = pictures(1, 2, 7, w)[0] / 255
    known = [turned.flip(2) if mirrored else turned for turned in _quarters(image) for mirrored in (False, True)]
    assert len(known) == symmetries
    seen = changed((image * 255).to(torch.uint8).expand(400, -1, -1, -1), turn=True, flip=True)
    same = torch.stack([(seen - one).abs().amax((1, 2, 3)) < 1e-4 for one in known], dim=1)
    assert (same.sum(1) == 1).all()
    assert (same.float().mean(0) > 0.5 / symmetries).all()


def _quarters(image):
    """The turns of an image that keep its shape."""
    turns = [torch.rot90(image, k, (1, 2)) for k in range(4)]
    return [turned for turned in turns if turned.shape == image.shape]


def test_turned_crops_lie_inside_the_image():
    config, generator = ViewConfig(crop=(0.3, 0.3), ratio=3, turn=True), torch.Generator().manual_seed(0)
    frames = _turned(_frames(500, config, generator), generator, square=True)
    reach = frames[:, :, :2].abs().sum(2) + frames[:, :, 2].abs()  # of the view's corners, from the image's centre
    assert reach.max() <= 1 + 1e-5


def test_crops_lie_inside_the_image():
    ramp = torch.linspace(0, 1, 16).expand(200, 1, 16, 16)  # the value is the horizontal position
    seen = changed(ramp, crop=(0.25, 0.25), ratio=1)
    span = seen[:, 0, 0, -1] - seen[:, 0, 0, 0]
    assert torch.allclose(span, torch.full_like(span, 0.5), atol=0.06)
    assert seen[:, 0, 0, 0].min() < 0.05
    assert seen[:, 0, 0, -1].max() > 0.95


def test_grey_takes_the_colour_of_its_share():
    seen = changed(pictures(300), grey=0.5)
    colourless = (seen.amax(1) - seen.amin(1)).amax((1, 2)) < 1e-5
    assert 0.4 < colourless.float().mean() < 0.6


def test_light_of_images_without_colour():
    images = torch.full((300, 2, 4, 4), 0.5)
    seen = changed(images, jitter=(0.4, 0, 0.9, 0.5), jitter_share=0.5)
    assert (seen[:, 0] == seen[:, 1]).all()
    moved = (seen - 0.5).abs().amax((1, 2, 3)) > 1e-6
    assert 0.4 < moved.float().mean() < 0.6
    assert ((seen >= 0.3 - 1e-5) & (seen <= 0.7 + 1e-5)).all()


def test_light_by_channel_is_drawn_for_each():
    images = torch.full((300, 2, 4, 4), 0.5)
    seen = changed(images, jitter=(0.4, 0, 0, 0), jitter_share=1, by_channel=True)
    strengths = seen[:, :, 0, 0] - 0.5
    assert (seen == seen[:, :, :1, :1]).all()
    assert abs(torch.corrcoef(strengths.T)[0, 1]) < 0.2
    assert (strengths.abs().amax(0) > 0.18).all()
    mixed = torch.rand(50, 2, 6, 6) * 0.4 + torch.tensor([0.1, 0.5])[:, None, None]
    again = changed(mixed, jitter=(0, 0.5, 0, 0), jitter_share=1, by_channel=True)
    assert torch.allclose(again.mean((2, 3)), mixed.mean((2, 3)), atol=1e-4)


def test_contrast_keeps_the_mean_and_scales_around_it():
    images = torch.rand(50, 1, 6, 6) * 0.4 + 0.3
    seen = changed(images, jitter=(0, 0.5, 0, 0), jitter_share=1)
    assert torch.allclose(seen.mean((1, 2, 3)), images.mean((1, 2, 3)), atol=1e-4)
    ratio = seen.std((1, 2, 3)) / images.std((1, 2, 3))
    assert ratio.min() < 0.7
    assert ratio.max() > 1.3


def test_hue_turns_colours_about_grey():
    images = torch.rand(5, 3, 4, 4)
    assert torch.allclose(_turn_hue(images, torch.zeros(5)), images, atol=1e-6)
    assert torch.allclose(_turn_hue(images, torch.full((5,), 1 / 3)), images.roll(1, 1), atol=1e-5)
    turned = _turn_hue(images, torch.rand(5))
    assert torch.allclose(turned.mean(1), images.mean(1), atol=1e-5)
    assert torch.allclose(turned.square().sum(1), images.square().sum(1), atol=1e-4)


@pytest.mark.parametrize(
    ("shape", "flip", "grey"), [((8, 8, 1), False, 0), ((28, 28, 1), False, 0), ((32, 32, 3), True, 0.2)]
)
def test_defaults_by_shape(shape, flip, grey):
    config = ViewConfig.auto(shape)
    assert (config.flip, config.grey) == (flip, grey)
    assert config.crop[0] >= (0.5 if max(shape) <= 16 else 0.1)


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_other_numbers_of_channels_are_stains(channels):
    config = ViewConfig.auto((32, 32, channels))
    assert config == ViewConfig.microscopy()
    assert (config.turn, config.flip, config.by_channel) == (True, True, True)
    assert config.jitter[2:] == (0, 0)
    assert config.grey == 0
