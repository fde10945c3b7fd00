"""An image by its crops: which pixels they are, that their mean is the latent, and that an index keeps to them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from hierindex.errors import CorruptIndexError, InputError
from hierindex.learning import LearnConfig, learn_images
from hierindex.learning.config import EncoderConfig, EncoderName, TrainConfig, ViewConfig
from hierindex.learning.crops import Crops
from hierindex.learning.encoder import build_network, load_encoder
from hierindex.learning.learn import Parts
from hierindex.learning.sources import MemoryImages
from hierindex.learning.views import Views
from hierindex.progress import Silent

SMALL_CROPS = ViewConfig(crop=(0.2, 1.0))


class Corner(nn.Module):
    """What stands in the first rows and columns: it tells left from right."""

    def __init__(self, side=5):
        super().__init__()
        self.side = side
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.scale * x[:, :, : self.side, : self.side].flatten(1) - 0.5


def pictures(n, side=10, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, side, side, channels), dtype=np.uint8)


def encoder_of(crops, side=10, module=None):
    return build_network(EncoderConfig(), (side, side, 3), torch.device("cpu"), module or Corner()).cropped(crops)


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize("n", [1, 3, 70])
@pytest.mark.parametrize("count", [5, 10])
def test_the_latent_is_the_mean_of_the_latents_of_the_crops(n, count):
    images = pictures(n)
    cuts = [images[:, y : y + 8, x : x + 8] for y, x in ((1, 1), (0, 0), (0, 2), (2, 0), (2, 2))]
    cuts += [cut[:, :, ::-1] for cut in cuts] if count == 10 else []
    whole = encoder_of(None, side=8)
    wanted = unit(sum(whole.encode(np.ascontiguousarray(cut)) for cut in cuts))
    found = encoder_of(Crops(count, size=8)).encode(images)
    assert np.allclose(found, wanted, atol=1e-5)


def test_a_mirrored_image_is_the_same_by_ten_crops_and_another_by_five():
    images = pictures(4)
    mirrored = np.ascontiguousarray(images[:, :, ::-1])
    for count, same in ((10, True), (5, False)):
        encoder = encoder_of(Crops(count))
        assert np.allclose(encoder.encode(images), encoder.encode(mirrored), atol=1e-5) is same


@pytest.mark.parametrize(
    ("config", "views", "count"),
    [
        (EncoderConfig(), ViewConfig(), 5),
        (EncoderConfig(), ViewConfig.auto((8, 8, 1)), None),
        (EncoderConfig(), ViewConfig.microscopy(), None),
        (EncoderConfig(), None, None),
        (EncoderConfig(freeze=True), ViewConfig(), None),
        (EncoderConfig(freeze=True, crops=10), ViewConfig(), 10),
        (EncoderConfig(crops=1), ViewConfig(), None),
        (EncoderConfig(crops=5), None, 5),
    ],
)
def test_crops_go_with_what_was_learned_from(config, views, count):
    found = Crops.chosen(config, views)
    assert (None if found is None else found.count) == count


def test_crops_are_stored_with_the_encoder():
    encoder = encoder_of(Crops(10, size=7))
    file, images = encoder.to_file(), pictures(5)
    opened = load_encoder(file.spec, file.arrays, Corner(), device="cpu")
    assert opened.crops == encoder.crops
    assert np.array_equal(opened.encode(images), encoder.encode(images))
    assert file.spec["name"] not in {name.value for name in EncoderName} | {"own", "table"}  # unknown before crops were
    plain = encoder.cropped(None).to_file()
    assert load_encoder(plain.spec, plain.arrays, Corner(), device="cpu").crops is None


@pytest.mark.parametrize("wrong", [{"count": 7}, {"side": 2.0}, {"side": "wide"}, {"size": 0}, {"of": None}])
def test_damaged_crops_are_refused(wrong):
    spec = encoder_of(Crops(5)).to_file().spec | wrong
    if wrong == {"of": None}:
        del spec["of"]
    with pytest.raises(CorruptIndexError, match="stored crops should be 5 or 10"):
        load_encoder(spec, {}, Corner())


@pytest.mark.parametrize("crops", [0, 3, True, "5"])
def test_other_numbers_of_crops_are_refused(crops):
    with pytest.raises(InputError, match=r"encoder\.crops should be 1, 5, 10 or None; found"):
        EncoderConfig(crops=crops)


@pytest.mark.parametrize(("parts", "count"), [(None, 5), (Parts(views=Views(SMALL_CROPS)), None)])
def test_what_is_learned_encodes_as_the_index_was_encoded(parts, count):
    images = pictures(24, side=12)
    config = LearnConfig(views=SMALL_CROPS, training=TrainConfig(epochs=1, batch_size=12), device="cpu")
    learned = learn_images(MemoryImages(images, np.arange(24)), config, Silent(), parts=parts)
    encoder = load_encoder(learned.encoder.spec, learned.encoder.arrays, device="cpu")
    assert (None if encoder.crops is None else encoder.crops.count) == count
    assert np.allclose(encoder.encode(images[:3]), learned.latent[:3], atol=1e-5)
    assert np.allclose(encoder.cropped(None).encode(images[:3]), learned.latent[:3], atol=1e-3) is (count is None)


def test_a_network_that_does_not_take_the_size_of_the_crops_is_refused():
    own = nn.Sequential(nn.Flatten(), nn.Linear(300, 4))  # of 10 x 10 pixels and no others
    config = LearnConfig(encoder=EncoderConfig(freeze=True, crops=5), views=ViewConfig(size=8), device="cpu")
    with pytest.raises(InputError, match=r"views\.size=8 needs an encoder that gives 4 features"):
        learn_images(MemoryImages(pictures(4), np.arange(4)), config, Silent(), module=own)
