"""Learning from vectors: the heads alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from learning_samples import Heard, quick
from scipy.cluster.hierarchy import fcluster, linkage

from hierindex.errors import EmptyInputError, InputError
from hierindex.learning.config import HeadConfig, LearnConfig, LossConfig
from hierindex.learning.learn import learn_vectors
from hierindex.metrics import cluster_accuracy
from hierindex.progress import Silent


def clusters(seed=0, per=40, noise=0.25):
    """Six groups in three pairs, in 12 dimensions."""
    rng = np.random.default_rng(seed)
    pairs = rng.normal(size=(3, 12))
    groups = np.concatenate([pairs + 0.4 * rng.normal(size=pairs.shape), pairs + 0.4 * rng.normal(size=pairs.shape)])
    labels = np.repeat(np.arange(6), per)
    x = groups[labels] + noise * rng.normal(size=(len(labels), 12))
    return x.astype(np.float32), labels


def split_right(points, labels):
    """Whether Ward on the points, cut into as many nodes as there are labels, finds the labels."""
    found = fcluster(linkage(points, "ward"), labels.max() + 1, "maxclust")
    return len(set(zip(found, labels, strict=True))) == labels.max() + 1


def test_the_tree_finds_groups_and_groups_of_groups():
    x, labels = clusters()
    learned = learn_vectors(x, quick(steps=60), Silent())
    points = learned.head(learned.latent)
    assert split_right(points, labels)
    assert split_right(points, labels % 3)
    assert all(fit.after < fit.before for fit in learned.history.heads)


@pytest.mark.parametrize("diffusion", [None, 4])
def test_groups_that_no_neighbour_joins_still_have_a_tree_above_them(diffusion):
    """The neighbour graph of these groups falls apart, so that walks alone would say nothing of the pairs."""
    x, labels = clusters(noise=0.05)
    config = replace(quick(steps=60), head=replace(quick(steps=60).head, diffusion=diffusion))
    points = learn_vectors(x, config, Silent()).head(x)
    assert split_right(points, labels)
    assert split_right(points, labels % 3)


def test_what_is_handed_on():
    x, _ = clusters()
    before, heard = x.copy(), Heard()
    learned = learn_vectors(x, quick(steps=5), heard)
    assert learned.latent is x
    assert np.array_equal(x, before)
    assert learned.encoder is None
    assert learned.history.epochs == ()
    assert [fit.dim for fit in learned.history.heads] == [4, 2]
    assert heard.stages == [("what is alike", 1), ("tree, 4 dimensions", 5), ("tree, 2 dimensions", 5)]


def test_equal_seeds_give_equal_heads():
    x, _ = clusters()
    first, again = (learn_vectors(x, quick(steps=20), Silent()) for _ in range(2))
    assert np.array_equal(first.head(x), again.head(x))
    assert np.array_equal(first.disk(x), again.disk(x))


def test_a_common_shift_and_scale_change_nothing():
    x, _ = clusters()
    first, moved = (learn_vectors(y, quick(steps=20), Silent()) for y in (x, 50 * x + 300))
    assert np.allclose(first.head(x), moved.head(50 * x + 300), atol=0.05)


@pytest.mark.parametrize("x", [np.eye(2), np.eye(3), np.ones((30, 4)), np.arange(10.0)[:, None]])
@pytest.mark.parametrize("similarity", [0.1, None])
def test_odd_sets_stay_finite(x, similarity):
    config = quick(steps=10, losses=LossConfig(similarity=similarity))
    learned = learn_vectors(x.astype(np.float32), config, Silent())
    for head in (learned.head, learned.disk):
        points = head(learned.latent)
        assert np.isfinite(points).all()
        assert np.allclose(np.linalg.norm(points, axis=1), 1, atol=1e-5)


def test_a_sample_is_enough_of_a_large_set():
    x, labels = clusters(per=100)
    config = LearnConfig(
        head=HeadConfig(ball_dim=4, hidden=8, steps=60, triplets=256, lr=0.01, sample=150), device="cpu"
    )
    points = learn_vectors(x, config, Silent()).head(x)
    assert cluster_accuracy(fcluster(linkage(points, "ward"), 6, "maxclust"), labels) > 0.99


def test_one_vector_is_refused():
    with pytest.raises(EmptyInputError, match="at least 2 vectors; found 1"):
        learn_vectors(np.ones((1, 3), np.float32), quick(), Silent())


def test_a_learning_rate_that_is_too_high_is_named(monkeypatch):
    x, _ = clusters()
    monkeypatch.setattr("hierindex.learning.refine.tree_loss", lambda p, *_, radius: p.sum() * torch.nan)
    with pytest.raises(InputError, match=r"step 0 of the 4-dimensional head; lower head\.lr \(0\.01\)"):
        learn_vectors(x, quick(), Silent())
