"""The networks: shapes, sizes other than the image's, ImageNet weights from a local file, training along and frozen."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from learning_samples import Images, quick
from safetensors.numpy import load, save
from torch import nn
from torchvision.models import VisionTransformer, get_model, get_model_weights

from hierindex.errors import CorruptIndexError, InputError, WeightsError
from hierindex.learning.config import EncoderConfig, EncoderName, ViewConfig
from hierindex.learning.device import seeded
from hierindex.learning.encoder import build_network, check_views, load_encoder
from hierindex.learning.learn import learn_images
from hierindex.learning.networks import SmallNet, network, replace_first_conv, resnet
from hierindex.learning.vit import ViT
from hierindex.progress import Silent

CPU = torch.device("cpu")
FC = {"fc.weight", "fc.bias"}
TORCHVISIONS = {"resnet18": "resnet18", "resnet50": "resnet50", "vit": "vit_b_16"}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pixels(shape, n=3):
    return np.random.default_rng(0).integers(0, 256, (n, *shape), dtype=np.uint8)


@pytest.mark.parametrize(
    ("name", "shape", "dim"),
    [
        (EncoderName.AUTO, (8, 8, 1), 256),
        (EncoderName.SMALL, (32, 24, 3), 256),
        (EncoderName.SMALL, (5, 5, 4), 256),
        (EncoderName.RESNET18, (16, 16, 3), 512),
        (EncoderName.RESNET18, (70, 66, 1), 512),
        (EncoderName.RESNET50, (16, 16, 3), 2048),
        (EncoderName.VIT, (16, 32, 1), 768),
        (EncoderName.VIT_SMALL, (8, 8, 1), 192),
        (EncoderName.VIT_SMALL, (28, 32, 3), 192),
        (EncoderName.VIT_SMALL, (96, 80, 2), 192),
    ],
)
def test_file_and_back_gives_the_same_vectors(name, shape, dim):
    torch.manual_seed(0)
    encoder = build_network(EncoderConfig(name=name), shape, CPU)
    encoder.net.mean.fill_(0.4)
    encoder.net.train()(torch.rand(2, shape[2], *shape[:2]))  # statistics that are not those of the start
    x = pixels(shape)
    found, file = encoder.encode(x), encoder.to_file()
    again = load_encoder(json.loads(json.dumps(file.spec)), load(save(file.arrays)), device="cpu")
    assert found.shape == (3, dim) == (3, again.dim)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert np.array_equal(again.encode(x), found)
    assert np.abs(found[0] - found[1]).max() > 1e-3


def test_encoders_that_were_stored_before_keep_loading():
    """Their descriptions, as the first version wrote them."""
    shape = (16, 16, 3)
    for name, spec in (
        (EncoderName.SMALL, {"name": "small", "shape": [16, 16, 3], "dim": 256}),
        (EncoderName.RESNET18, {"name": "resnet18", "imagenet": False, "shape": [16, 16, 3], "dim": 512}),
    ):
        encoder = build_network(EncoderConfig(name=name), shape, CPU)
        assert encoder.spec == spec
        again = load_encoder(spec, encoder.to_file().arrays, device="cpu")
        assert np.array_equal(again.encode(pixels(shape)), encoder.encode(pixels(shape)))
    with pytest.raises(CorruptIndexError, match="that this hierindex knows; found 'abacus'; a newer one wrote it"):
        load_encoder({**spec, "name": "abacus"}, {})


# ---- ImageNet weights


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "vit"])
def test_weights_default_from_a_file_in_torchs_cache(name, tmp_path, monkeypatch):
    """The real path of weights=DEFAULT, with a file of random weights where torch keeps what it downloaded."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    torch.manual_seed(5)
    theirs = get_model(TORCHVISIONS[name], weights=None)
    weights = get_model_weights(TORCHVISIONS[name]).DEFAULT
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(theirs.state_dict(), folder / weights.url.rpartition("/")[2])
    shape = (32, 48, 3)  # for a ViT another size than its weights were made for
    encoder = build_network(EncoderConfig(name=name, pretrained=True), shape, CPU)
    loaded, there = dict(encoder.net.body.named_parameters()), dict(theirs.named_parameters())
    loaded = {key.removeprefix("vit."): value for key, value in loaded.items()}
    assert there.keys() - loaded.keys() == ({"heads.head.weight", "heads.head.bias"} if name == "vit" else FC)
    assert all(torch.equal(value, there[key]) for key, value in loaded.items())
    assert encoder.net.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
    assert encoder.spec["imagenet"] is True
    file = encoder.to_file()
    again = load_encoder(file.spec, file.arrays, device="cpu")
    assert np.array_equal(again.encode(pixels(shape)), encoder.encode(pixels(shape)))


def test_weights_for_colours_read_grey_images(tmp_path, monkeypatch):
    torch.manual_seed(5)
    there = get_model("resnet18", weights=None).state_dict()
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda *_args, **_kwargs: there)
    colour, grey = (build_network(EncoderConfig(pretrained=True), (32, 32, c), CPU).net.body.eval() for c in (3, 1))
    x = torch.rand(2, 1, 32, 32)
    with torch.inference_mode():
        assert torch.allclose(grey(x), colour(x.expand(-1, 3, -1, -1)), atol=1e-4)


@pytest.mark.parametrize("name", ["auto", "resnet50", "vit"])
def test_weights_that_cannot_be_had(name, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for member in get_model_weights(TORCHVISIONS.get(name, "resnet18")):
        monkeypatch.setattr(type(member), "url", property(lambda _: (tmp_path / "absent.pth").as_uri()))
    with pytest.raises(WeightsError, match=r"downloadable or in torch's cache \(.*absent.pth\); found .*absent.pth"):
        build_network(EncoderConfig(name=name, pretrained=True), (32, 32, 3), CPU)


def test_a_damaged_file_of_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / get_model_weights("resnet18").DEFAULT.url.rpartition("/")[2]).write_bytes(b"nothing of the kind")
    with pytest.raises(WeightsError, match=r"weights of resnet18 should be .* use pretrained=False"):
        build_network(EncoderConfig(pretrained=True), (32, 32, 3), CPU)


@pytest.mark.parametrize("name", ["small", "vit-small"])
def test_small_networks_have_no_weights(name):
    with pytest.raises(InputError, match=f"'resnet50' and 'vit'; found '{name}', of which there are no such weights"):
        EncoderConfig(name=name, pretrained=True)


# ---- sizes


def test_stems_by_size():
    assert resnet(64).conv1.stride == (1, 1)
    assert resnet(65).conv1.stride == (2, 2)
    assert SmallNet(1, 23).stem[0].stride == (1, 1)
    assert SmallNet(1, 24).stem[0].stride == (2, 2)


def vit(grid=4):
    torch.manual_seed(1)
    return ViT(patch=4, grid=grid, width=24, depth=2, heads=2).eval()


def test_a_vit_is_torchvisions_at_its_own_size():
    torch.manual_seed(1)
    theirs = VisionTransformer(16, 4, 2, 2, 24, 96).eval()
    theirs.heads = nn.Identity()
    x = torch.rand(3, 3, 16, 16)
    with torch.inference_mode():
        assert torch.allclose(vit()(x), theirs(x), atol=1e-6)


def test_positions_of_another_size_are_interpolated():
    """A grid of positions that is linear in row and column stays linear, and the class token keeps its own."""
    net = vit(grid=8)
    row, column = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    with torch.no_grad():
        net.vit.encoder.pos_embedding[0, 1:, 0] = row.flatten()
        net.vit.encoder.pos_embedding[0, 1:, 1] = column.flatten()
    found = net._positions(4, 6)
    assert found.shape == (1, 1 + 24, 24)
    assert torch.equal(found[:, 0], net.vit.encoder.pos_embedding[:, 0])
    grid = found[0, 1:, :2].detach().unflatten(0, (4, 6))
    wanted_row, wanted_column = (torch.arange(n) * 8 / n + 4 / n - 0.5 for n in (4, 6))
    # torch's bicubic kernel bends a line by a twentieth of a step, and more at the edges
    assert torch.allclose(grid[1:3, :, 0], wanted_row[1:3, None].expand(2, 6), atol=0.06)
    assert torch.allclose(grid[:, 1:5, 1], wanted_column[None, 1:5].expand(4, 4), atol=0.06)


def test_positions_learn_at_another_size():
    net = vit()
    net(torch.rand(2, 3, 12, 20)).square().sum().backward()
    assert net.vit.encoder.pos_embedding.grad.abs().min() > 0


@pytest.mark.parametrize(("name", "size", "patch"), [("vit-small", 70, 16), ("vit-small", 30, 4), ("vit-small", 9, 2)])
def test_sizes_that_the_patches_do_not_divide(name, size, patch):
    said = rf"multiples of the network's patch of {patch} pixels; found {size} x {size}; .*image_size=\d+"
    with pytest.raises(InputError, match=said):
        build_network(EncoderConfig(name=name), (size, size, 3), CPU)


@pytest.mark.parametrize("name", ["small", "resnet18", "vit-small"])
def test_smaller_views_are_taken(name):
    encoder = build_network(EncoderConfig(name=name), (32, 32, 3), CPU)
    for side in (24, 20, None):
        check_views(encoder, side)


class Flat(nn.Module):
    """Takes one size only."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3 * 64, 8)

    def forward(self, x):
        return self.linear(x.flatten(1))


def test_smaller_views_are_refused_by_what_does_not_take_them():
    source = Images(pixels((8, 8, 3), 40))
    config = quick(epochs=1, steps=2, views=ViewConfig(size=6))
    with pytest.raises(InputError, match=r"views\.size=6 needs an encoder .* 6 x 6 .* leave views\.size at None"):
        learn_images(source, config, Silent(), module=Flat())
    with pytest.raises(InputError, match=r"gives 192 features .*; found: 432; leave"):
        learn_images(source, config, Silent(), module=Pad())
    encoder = build_network(EncoderConfig(name="vit-small"), (32, 32, 3), CPU)
    with pytest.raises(InputError, match=r"views\.size=30 .*patch of 4 pixels; found 30 x 30"):
        check_views(encoder, 30)


class Pad(nn.Module):
    """Gives more features for smaller images."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return (self.scale * x).flatten(1).repeat(1, 1 if x.shape[-1] == 8 else 4)


# ---- learning


@pytest.mark.parametrize("name", ["vit-small"])
def test_named_encoders_learn_with_smaller_views(name):
    source = Images(pixels((16, 16, 3), 32))
    config = quick(epochs=1, joint=1.0, steps=2, views=ViewConfig(size=12))
    learned = learn_images(source, replace(config, encoder=EncoderConfig(name=name)), Silent())
    again = load_encoder(learned.encoder.spec, learned.encoder.arrays, device="cpu")
    assert again.spec["name"] == name
    assert np.allclose(again.encode(source.pixels), learned.latent, atol=1e-5)


def test_a_frozen_transformer_is_left_as_it_was():
    source = Images(pixels((8, 8, 3), 20))
    config = quick(freeze=True, steps=2)
    learned = learn_images(source, replace(config, encoder=EncoderConfig(name="vit-small", freeze=True)), Silent())
    with seeded(0, CPU):
        fresh = build_network(EncoderConfig(name="vit-small"), (8, 8, 3), CPU).to_file()
    assert all(
        np.array_equal(fresh.arrays[name], value) for name, value in learned.encoder.arrays.items() if "vit" in name
    )
    assert learned.history.epochs == ()


def test_a_grey_image_looks_to_the_new_first_convolution_as_it_did_to_the_old():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
    grey = torch.rand(2, 1, 6, 6)
    before = net(grey.expand(-1, 3, -1, -1))
    replace_first_conv(net, 1)
    assert torch.allclose(net(grey), before, atol=1e-5)


def test_the_same_seed_gives_the_same_network():
    nets = []
    for _ in range(2):
        torch.manual_seed(3)
        nets.append(network(EncoderName.VIT_SMALL, (8, 8, 1)))
    for a, b in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert torch.equal(a, b)
