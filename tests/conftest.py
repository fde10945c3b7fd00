"""Small things that many tests share. Everything is learned in a second: what is tested here are laws, not quality."""

import os

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image
from sklearn.datasets import load_digits

from hierindex import BuildConfig, HierIndex
from hierindex.learning.config import HeadConfig, LearnConfig, TrainConfig

# no test keeps a clock; in CI the same examples are drawn every time, elsewhere new ones are looked for
settings.register_profile("ours", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("ours")

QUICK = BuildConfig(learn=LearnConfig(training=TrainConfig(epochs=2, batch_size=32), head=HeadConfig(steps=20)))


@pytest.fixture(scope="session")
def quick() -> BuildConfig:
    """A configuration that learns next to nothing, fast."""
    return QUICK


@pytest.fixture(scope="session")
def digits() -> np.ndarray:
    """120 grey images ``(120, 8, 8, 1)`` uint8, all different."""
    images = np.round(load_digits().images[:120] * 255 / 16).astype(np.uint8)[..., None]
    assert len(np.unique(images.reshape(120, -1), axis=0)) == 120
    return images


@pytest.fixture(scope="session")
def vectors() -> np.ndarray:
    """300 vectors in 12 groups ``(300, 10)`` float32."""
    rng = np.random.default_rng(0)
    return (rng.normal(size=(12, 10))[rng.integers(0, 12, 300)] + 0.3 * rng.normal(size=(300, 10))).astype(np.float32)


@pytest.fixture(scope="session")
def image_index(digits, quick) -> HierIndex:
    """An index of the first 100 digits; not to be changed."""
    return HierIndex.build(digits[:100], config=quick, progress=False)


@pytest.fixture
def photos(tmp_path, digits):
    """A folder of 40 PNG files in two sub-folders."""
    folder = tmp_path / "photos"
    for number, image in enumerate(digits[:40]):
        place = folder / ("even" if number % 2 == 0 else "odd")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(place / f"{number:03d}.png")
    return folder
