"""Encoders: the shapes they take, and that stored weights give the same vectors."""

from __future__ import annotations

import json
from urllib.error import URLError

import numpy as np
import pytest
import torch
from safetensors.numpy import load, save
from torch import nn

from hierindex.errors import CorruptIndexError, ImageError, InputError, NoEncoderError, WeightsError
from hierindex.learning.config import EncoderConfig, EncoderName
from hierindex.learning.device import pick_device
from hierindex.learning.encoder import build_network, load_encoder
from hierindex.learning.networks import SmallNet, replace_first_conv, resnet

CPU = torch.device("cpu")


def images(n=3, shape=(8, 8, 1), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.flat = nn.Linear(64, 5)

    def forward(self, x):
        return self.flat(x.flatten(1))


def trained(config, shape, module=None):
    """An encoder whose weights and statistics have moved from where they started."""
    torch.manual_seed(0)
    encoder = build_network(config, shape, CPU, module)
    encoder.net.mean.fill_(0.4)
    encoder.net.std.fill_(0.3)
    encoder.net.train()(torch.rand(8, shape[2], *shape[:2]))
    return encoder


@pytest.mark.parametrize(
    ("name", "shape", "dim"),
    [
        (EncoderName.AUTO, (8, 8, 1), 256),
        (EncoderName.SMALL, (32, 24, 3), 256),
        (EncoderName.SMALL, (5, 5, 4), 256),
        (EncoderName.RESNET18, (16, 16, 3), 512),
        (EncoderName.RESNET18, (70, 66, 1), 512),
    ],
)
def test_file_and_back_gives_the_same_vectors(name, shape, dim):
    encoder = trained(EncoderConfig(name=name), shape)
    x = images(shape=shape)
    found = encoder.encode(x)
    file = encoder.to_file()
    again = load_encoder(json.loads(json.dumps(file.spec)), load(save(file.arrays)), device="cpu")
    assert found.shape == (3, dim) == (3, again.dim)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert np.array_equal(again.encode(x), found)


def test_an_image_has_one_vector_whatever_it_is_encoded_with():
    encoder = trained(EncoderConfig(), (8, 8, 1))
    x = images(9)
    assert np.allclose(encoder.encode(x, rows_at_once=2), encoder.encode(x), atol=1e-5)
    assert np.allclose(encoder.encode(x[4:5]), encoder.encode(x)[4:5], atol=1e-5)


def test_encoding_leaves_the_weights():
    encoder = trained(EncoderConfig(), (8, 8, 1))
    before = encoder.to_file().arrays
    encoder.encode(images(50))
    assert all(np.array_equal(before[name], value) for name, value in encoder.to_file().arrays.items())


def test_own_module_is_stored_as_weights_and_asked_for():
    encoder = trained(EncoderConfig(), (8, 8, 1), Own())
    file = encoder.to_file()
    x = images()
    assert np.array_equal(load_encoder(file.spec, file.arrays, Own(), device="cpu").encode(x), encoder.encode(x))
    with pytest.raises(NoEncoderError, match=r"encoder of your own \(.*Own\).* pass that network again"):
        load_encoder(file.spec, file.arrays)
    with pytest.raises(CorruptIndexError, match="stored weights should fit the encoder 'own'"):
        load_encoder(file.spec, file.arrays, nn.Linear(2, 2), device="cpu")


def test_refused_images():
    encoder = trained(EncoderConfig(), (8, 8, 1))
    with pytest.raises(ImageError, match=r"uint8 \(n, 8, 8, 1\).* found uint8 \(3, 8, 8, 3\)"):
        encoder.encode(images(shape=(8, 8, 3)))
    with pytest.raises(ImageError, match="found float64"):
        encoder.encode(images() / 255)


def test_refused_modules():
    with pytest.raises(InputError, match=r"should take float images \(b, 3, 8, 8\) .* found: "):
        build_network(EncoderConfig(), (8, 8, 3), CPU, Own())
    with pytest.raises(InputError, match=r"give features \(b, d\); found: "):
        build_network(EncoderConfig(), (8, 8, 1), CPU, nn.Flatten(0))


def test_weights_that_cannot_be_downloaded(monkeypatch):
    def offline(*_args, **_kwargs):
        raise URLError("no network")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    with pytest.raises(WeightsError, match=r"downloadable or in torch's cache; found .*no network.* pretrained=False"):
        build_network(EncoderConfig(pretrained=True), (64, 64, 3), CPU)


def test_pretrained_weights_come_with_their_stem_and_normalisation(monkeypatch):
    from torchvision.models import resnet18

    torch.manual_seed(0)
    there = resnet18().state_dict()
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda *_args, **_kwargs: there)
    encoder = build_network(EncoderConfig(pretrained=True), (32, 32, 3), CPU)
    assert torch.equal(encoder.net.body.conv1.weight, there["conv1.weight"])
    assert encoder.net.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
    file = encoder.to_file()
    x = images(shape=(32, 32, 3))
    assert np.array_equal(load_encoder(file.spec, file.arrays, device="cpu").encode(x), encoder.encode(x))


def test_stems_by_size():
    assert resnet(3, 64, pretrained=False).conv1.stride == (1, 1)
    assert resnet(3, 65, pretrained=False).conv1.stride == (2, 2)
    assert SmallNet(1, 23).stem[0].stride == (1, 1)
    assert SmallNet(1, 24).stem[0].stride == (2, 2)


def test_a_grey_image_looks_to_the_new_first_convolution_as_it_did_to_the_old():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
    grey = torch.rand(2, 1, 6, 6)
    before = net(grey.expand(-1, 3, -1, -1))
    replace_first_conv(net, 1)
    assert torch.allclose(net(grey), before, atol=1e-5)


def test_unknown_device():
    with pytest.raises(InputError, match="device should be one that torch can use here; found 'abacus'"):
        pick_device("abacus")
