"""The same laws on real data, where it lies beside the checkout; skipped, saying so, where it does not."""

from pathlib import Path

import numpy as np
import pytest

from hierindex import BuildConfig, HierIndex
from hierindex.index.config import IndexConfig
from hierindex.learning.sources import open_images

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def shared(*parts):
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{'/'.join(parts)} is not in ../shared/data")
    return path


def test_sift_vectors_keep_the_recall_promise(quick):
    folder = shared("ann", "bigann10k")
    base, queries = np.load(folder / "base.npy"), np.load(folder / "query.npy")
    truth = np.load(folder / "groundtruth_ids.npy").astype(np.int64)
    config = BuildConfig(learn=quick.learn, index=IndexConfig(flat_below=0))
    index = HierIndex.from_vectors(base, metric="l2", config=config)
    exact = index.search(queries, k=10, recall=1.0)
    by_hand = np.linalg.norm(base[truth[:, :10]] - queries[:, None], axis=2)
    np.testing.assert_allclose(exact.distances, by_hand, rtol=1e-4, atol=1e-2)  # ids may differ where distances tie
    unseen = base[:500] + np.random.default_rng(0).normal(scale=8, size=(500, 128)).astype(np.float32)
    wanted = index.search(unseen, k=10, recall=1.0).ids
    for asked in (0.9, 0.95, 0.99):
        found = index.search(unseen, k=10, recall=asked).ids
        share = np.mean([np.isin(w, f).mean() for w, f in zip(wanted, found, strict=True)])
        assert share > asked - 0.02


def test_parquet_images_are_read(quick):
    source = open_images(shared("cifar100", "test.parquet"))
    assert (len(source), source.shape) == (10_000, (32, 32, 3))
    images = source.read(np.arange(200))
    assert 80 < images.mean() < 160
    index = HierIndex.build(images, config=quick, progress=False)
    assert index.search(images[:20], k=1).ids[:, 0].tolist() == list(range(20))
