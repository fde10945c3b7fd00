"""Learning from images: it learns, it repeats, it goes on where it stopped, and it says what went wrong."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from learning_samples import Heard, Images, digits, quick, tiny
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from hierindex.errors import CorruptIndexError, EmptyInputError, InputError
from hierindex.learning.balance import FixedBalance, GradientRatio
from hierindex.learning.config import EncoderConfig, LossConfig, Precision, TrainConfig, ViewConfig
from hierindex.learning.contrastive import ContrastiveLoss, nt_xent
from hierindex.learning.encoder import build_network, load_encoder
from hierindex.learning.learn import Parts, learn_images
from hierindex.learning.neighbours import nearest
from hierindex.learning.objectives.contrast import Contrast
from hierindex.learning.objectives.settings import ByolConfig, DinoConfig, SwavConfig
from hierindex.learning.pixels import Pixels
from hierindex.learning.training import Trainer
from hierindex.learning.tree_loss import centred
from hierindex.learning.views import Views
from hierindex.progress import Silent


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def agreement(latent, labels):
    """Share of nearest neighbours that show the same digit."""
    near = nearest(centred(torch.from_numpy(latent)), 1)[:, 0].numpy()
    return float((labels[near] == labels).mean())


def test_it_learns():
    images, labels = digits(240)
    learned = learn_images(images, quick(epochs=6, steps=60), Silent())
    first, last = learned.history.epochs[0], learned.history.epochs[-1]
    torch.manual_seed(0)
    fresh = build_network(EncoderConfig(), images.shape, torch.device("cpu"))
    pixels = Pixels(images, torch.device("cpu"))
    fresh.normalise(pixels)
    untrained = fresh.encode(images.pixels)
    assert last.contrast < first.contrast  # the joint part has a harder batch, so the first epoch is the yardstick
    assert last.consistency > max(first.consistency, 0.5)
    assert agreement(learned.latent, labels) > max(agreement(untrained, labels), 0.85)
    assert learned.history.heads[0].after < learned.history.heads[0].before
    spread = np.linalg.svd(learned.latent - learned.latent.mean(0), compute_uv=False) ** 2
    share = spread / spread.sum()
    assert np.exp(-(share * np.log(share + 1e-12)).sum()) > 5  # effective rank: no collapse


def test_what_is_handed_on():
    images, _ = digits(60)
    heard = Heard()
    learned = learn_images(images, quick(), heard)
    assert learned.latent.shape == (60, 256)
    assert learned.latent.dtype == np.float32
    assert np.allclose(np.linalg.norm(learned.latent, axis=1), 1, atol=1e-5)
    assert (learned.head.dim, learned.disk.dim) == (4, 2)
    again = load_encoder(learned.encoder.spec, learned.encoder.arrays, device="cpu")
    assert np.allclose(again.encode(images.pixels), learned.latent, atol=1e-5)
    stages = ["encoder", "what is alike", "tree, 4 dimensions", "tree, 2 dimensions"]
    assert [stage for stage, _ in heard.stages] == stages
    assert heard.stages[0] == ("encoder", 4 * (60 // 32))
    ssl, joint = learned.history.epochs[:2], learned.history.epochs[2:]
    assert all(epoch.tree is None and epoch.balance is None for epoch in ssl)
    assert all(epoch.tree > 0 and epoch.tree_norm > 0 and abs(epoch.cosine) <= 1 for epoch in joint)


def trainer(parts=None, config=None, module=None, checkpoint=None):
    images, _ = digits(96)
    config = config or quick()
    torch.manual_seed(0)
    encoder = build_network(config.encoder, images.shape, torch.device("cpu"), module or tiny())
    views = Views(ViewConfig.auto(images.shape))
    parts = parts or Parts()
    return Trainer(
        encoder=encoder,
        pixels=Pixels(images, torch.device("cpu")),
        config=config,
        views=views,
        objective=Contrast(encoder.dim, parts.contrast or nt_xent()),
        balance=parts.balance or GradientRatio(),
        checkpoint=checkpoint,
    )


def test_the_tree_reaches_encoder_and_head():
    silent = ContrastiveLoss(phi=lambda s: 0 * s, psi=torch.sigmoid)  # no gradient but the tree's
    config = quick(epochs=1, joint=1.0)
    config = replace(config, training=replace(config.training, weight_decay=0.0))  # which alone would move the weights
    found = trainer(Parts(contrast=silent, balance=FixedBalance(1.0, 1.0)), config)
    before = {name: value.clone() for name, value in found.encoder.net.named_parameters()}
    found.run(Silent())
    moved = {name for name, value in found.encoder.net.named_parameters() if not torch.equal(value, before[name])}
    assert "body.layers.0.weight" in moved
    assert found.head.w2.abs().sum() > 0


def test_both_losses_meet_at_the_encoder_as_their_weighted_sum():
    """One step's encoder gradient is autograd's gradient of lambda_ct L_ct + lambda_hc L_hc."""
    config = quick(epochs=1, joint=1.0, precision=Precision.FLOAT32)
    gradients = {}
    for weights in ((1.0, 0.0), (0.0, 1.0), (0.6, 0.4)):
        found = trainer(Parts(balance=FixedBalance(*weights)), config)
        found.optimiser.step = lambda: None  # look at the gradients, do not move
        found.run(Silent())
        gradients[weights] = found.encoder.net.body.layers[0].weight.grad.clone()
    joined = 0.6 * gradients[1.0, 0.0] + 0.4 * gradients[0.0, 1.0]
    assert gradients[0.0, 1.0].abs().max() > 0
    assert not torch.allclose(gradients[0.0, 1.0], gradients[1.0, 0.0], rtol=0.1)
    assert torch.allclose(gradients[0.6, 0.4], joined, atol=1e-6)


def test_the_encoder_ends_as_its_slow_average():
    found = trainer()
    kept = []
    update = found.optimiser.step
    found.optimiser.step = lambda: (update(), kept.append(found.encoder.net.body.layers[0].weight.detach().clone()))
    found.run(Silent())
    last = found.encoder.net.body.layers[0].weight
    assert torch.equal(last, found.teacher.net.body.layers[0].weight)
    assert not torch.equal(last, kept[-1])
    assert (last - kept[-1]).norm() < (kept[0] - kept[-1]).norm()


def test_equal_seeds_give_equal_results():
    images, _ = digits(96)
    first, again = (learn_images(images, quick(), Silent(), module=tiny()) for _ in range(2))
    other = learn_images(images, quick(seed=1), Silent(), module=tiny())
    assert np.array_equal(first.latent, again.latent)
    assert all(np.array_equal(value, again.head.arrays()[name]) for name, value in first.head.arrays().items())
    assert not np.allclose(first.latent, other.latent, atol=1e-3)


def test_the_callers_random_numbers_are_left_alone():
    images, _ = digits(64)
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    learn_images(images, quick(epochs=1, steps=2), Silent())
    assert torch.equal(torch.rand(3), wanted)


LOSSES = {
    "default": LossConfig(),
    "byol": LossConfig(objective="byol", byol=ByolConfig(16, 8, 16), balance="pcgrad"),
    "dino": LossConfig(objective="dino", dino=DinoConfig(16, 8, 12, frozen=0.4), balance="fixed", weights=(1, 0.1)),
    "swav": LossConfig(objective="swav", swav=SwavConfig(16, 8, 12, frozen=0.4), balance="upgrad"),
}


@pytest.mark.parametrize(("stop", "losses"), [(1, "default"), (3, "default"), (1, "byol"), (1, "dino"), (3, "swav")])
def test_an_interrupted_training_goes_on_as_if_nothing_had_been(tmp_path, stop, losses):
    images, _ = digits(96)
    path = tmp_path / "state" / "training.safetensors"
    config = quick(losses=LOSSES[losses])
    whole = learn_images(images, config, Silent(), module=tiny())
    steps = 96 // 32
    with pytest.raises(KeyboardInterrupt):
        learn_images(images, config, Heard(stop_after=stop * steps + 1), path, tiny())
    heard = Heard()
    resumed = learn_images(images, config, heard, path, tiny(seed=9))
    assert np.array_equal(resumed.latent, whole.latent)
    assert np.array_equal(resumed.head.linear, whole.head.linear)
    assert [e.contrast for e in resumed.history.epochs] == [e.contrast for e in whole.history.epochs]
    assert [e.balance for e in resumed.history.epochs] == [e.balance for e in whole.history.epochs]
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_checkpoint_from_before_there_were_objectives_goes_on(tmp_path):
    images, _ = digits(96)
    path = tmp_path / "training.safetensors"
    whole = learn_images(images, quick(), Silent(), module=tiny())
    with pytest.raises(KeyboardInterrupt):
        learn_images(images, quick(), Heard(stop_after=7), path, tiny())
    with safe_open(path, framework="pt") as file:
        about = json.loads(file.metadata()["about"])
    tensors = {name.replace("objective/projector.", "projector/"): value for name, value in load_file(path).items()}
    for key in ("objective", "family", "byol", "balance", "weights"):
        del about["config"]["losses"][key]
    assert "projector/0.weight" in tensors
    save_file(tensors, path, {"about": json.dumps(about)})
    assert np.array_equal(learn_images(images, quick(), Silent(), path, tiny(seed=9)).latent, whole.latent)


def test_the_teacher_is_asked_for_the_same_views_and_left_as_it_was():
    found, kept = trainer(), []

    class Asking(Contrast):
        def loss(self, z, batch, teacher, done):
            before = {name: value.clone() for name, value in found.teacher.net.state_dict().items()}
            with torch.random.fork_rng():
                kept.append((z.detach(), teacher()))
            assert not kept[-1][1].requires_grad
            after = found.teacher.net.state_dict()
            assert all(torch.equal(after[name], value) for name, value in before.items())
            return super().loss(z, batch, teacher, done)

    torch.manual_seed(0)
    found.objective = Asking(found.encoder.dim, nt_xent())
    found.run(Silent())
    assert torch.allclose(*kept[0], atol=1e-6)  # before the first step they are one network
    assert not torch.allclose(*kept[-1], atol=1e-3)


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    path = tmp_path / "training.safetensors"
    images, _ = digits(96)
    learn_images(images, quick(epochs=1, steps=2), Silent(), path, tiny())
    with pytest.raises(InputError, match=r"same images and configuration; found another \['config'\]"):
        learn_images(images, quick(epochs=2, steps=2), Silent(), path, tiny())
    with pytest.raises(InputError, match=r"found another \['images'\]"):
        learn_images(Images(255 - images.pixels), quick(epochs=1, steps=2), Silent(), path, tiny())
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CorruptIndexError, match=r"checkpoint training\.safetensors should be readable"):
        learn_images(images, quick(epochs=1, steps=2), Silent(), path, tiny())


def test_a_frozen_encoder_stays_as_it_is():
    images, _ = digits(64)
    module = tiny()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    learned = learn_images(images, quick(freeze=True, steps=5), Silent(), module=module)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert learned.history.epochs == ()
    assert learned.latent.shape == (64, 16)


def test_an_encoder_without_weights_can_only_be_frozen():
    images, _ = digits(30)
    with pytest.raises(InputError, match=r"weights that can be trained; found none; set encoder\.freeze=True"):
        learn_images(images, quick(), Silent(), module=torch.nn.Flatten())
    learned = learn_images(images, quick(freeze=True, steps=2), Silent(), module=torch.nn.Flatten())
    assert learned.latent.shape == (30, 64)


def test_views_of_ones_own():
    images, _ = digits(64)
    asked = []

    def views(batch, generator):
        asked.append(batch.dtype)
        return batch.float() / 255 + 0.1 * torch.rand(batch.shape, generator=generator)

    learn_images(images, quick(epochs=1, steps=2), Silent(), module=tiny(), parts=Parts(views=views))
    assert set(asked) == {torch.uint8}


@pytest.mark.parametrize("n", [2, 3, 4, 5, 33])
def test_small_sets(n):
    images, _ = digits(n)
    learned = learn_images(images, quick(epochs=2, steps=3), Silent())
    assert learned.latent.shape == (n, 256)
    assert np.isfinite(learned.latent).all()
    assert np.isfinite(learned.head(learned.latent)).all()


def test_equal_images():
    learned = learn_images(Images(np.full((12, 8, 8, 3), 7, np.uint8)), quick(epochs=2, steps=3), Silent())
    assert np.isfinite(learned.latent).all()
    assert np.isfinite(learned.disk(learned.latent)).all()


def test_one_image_is_refused():
    images, _ = digits(1)
    with pytest.raises(EmptyInputError, match="at least 2 images; found 1"):
        learn_images(images, quick(), Silent())


def test_a_loss_that_runs_away_is_named():
    images, _ = digits(64)
    broken = ContrastiveLoss(phi=torch.log, psi=lambda x: x * 0 - 1)
    with pytest.raises(InputError, match=r"found nan in step 0 \(epoch 0\) of the encoder; lower training\.lr"):
        learn_images(images, quick(), Silent(), module=tiny(), parts=Parts(contrast=broken))


def test_automatic_budget_is_used():
    assert trainer(config=quick()).plan.epochs == 4
    assert TrainConfig().epochs is None
