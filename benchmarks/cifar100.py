"""CIFAR-100 without labels: what `benchmarks.cifar100_train` has learned, on the test images, beside its rivals.

    python -m benchmarks.cifar100 --work DIR [--sample 20000] [--seeds 3]

Encoders and heads are learned from training images alone; trees are over the 10,000 test images, and labels are read
here for the first time. Writes ``benchmarks/results/cifar100.json`` and ``docs/pictures/cifar100-figure4.png``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from safetensors.numpy import load_file

from benchmarks.cifar100_figure import draw
from benchmarks.cifar100_train import ABLATION, train_images
from benchmarks.common import RESULTS, about, shared_data, write
from benchmarks.flat_logits import kmeans_logits
from benchmarks.judging import feature_scores, labels_of, mean_ahp, tree_scores
from benchmarks.rivals import bisecting_kmeans, linkages
from hierindex.decode import Decode, decode, l2h_points
from hierindex.learning import Encoder, HeadConfig, LearnConfig, choose_tree, learn_vectors, load_encoder
from hierindex.learning.crops import Crops
from hierindex.learning.diffusion import diffusion_map
from hierindex.learning.neighbours import nearest
from hierindex.learning.sources import MemoryImages, open_images
from hierindex.learning.tree_loss import centred
from hierindex.metrics import knn_accuracy, random_tree
from hierindex.progress import Silent
from hierindex.tree import Tree
from hierindex.vectors import Float32, Int64

ENCODERS = ("ssl", "joint", "longer")
Labels = tuple[Int64, Int64]
_WALKS_OF_TEST = "diffusion of the test set + Ward"


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="where benchmarks.cifar100_train has left its results")
    parser.add_argument("--sample", type=int, default=20_000, help="training latents that the heads are fitted to")
    parser.add_argument("--seeds", type=int, default=3, help="fits of the heads")
    parser.add_argument("--images", type=int, default=10_000, help="test images that are looked at")
    parser.add_argument("--note", default=None, help="what the page should say of this run")
    parser.add_argument("--only", choices=ENCODERS, help="measure this encoder, leave it in DIR for the run of all")
    parser.add_argument("--keep-ablation", action="store_true", help="take the ablation from the last results")
    args = parser.parse_args()
    data = Data.of(args.images)
    result = about(__file__, seed=0, data="cifar100: learned from train, measured on test")
    result |= {"sample": args.sample, "seeds": args.seeds, "encoders": {}}
    for name in ENCODERS if args.only is None else [args.only]:
        kept = Kept(args.work / f"measured-{name}-{args.sample}-{args.images}.json")
        result["encoders"][name] = measured(args.work, name, data, args.sample, args.seeds, kept)
    if args.only is not None:
        return
    latent = encoded(loaded(args.work / "longer")[0], data.asked, args.work / "longer.crops.test.npy")
    pixels = data.asked.read(np.arange(len(data.asked)))
    result["figure4"] = draw(pixels, latent, data.labels, names_of(shared_data("cifar100", "test.parquet")))
    result["random"] = {
        "tree": tree_scores(random_tree(len(pixels), np.random.default_rng(0)), latent, *data.labels),
        "mahp": chance_ahp(data.labels),
    }
    if args.note:
        result["note"] = args.note
    if args.keep_ablation:
        last = json.loads((RESULTS / "cifar100.json").read_text())
        result["ablation"], result["ablation_of"] = last["ablation"], last.get("ablation_of", last["date"])
    else:
        result["ablation"] = ablation(args.work, data)
    write("cifar100", result)


@dataclass(frozen=True)
class Data:
    """Images that were learned from, images that are asked about, and the classes of both."""

    learned: MemoryImages
    asked: MemoryImages
    known: Labels
    labels: Labels

    @classmethod
    def of(cls, asked: int) -> Data:
        """All training images, and the first so many test images."""
        test, train = (
            shared_data("cifar100", "test.parquet"),
            [shared_data("cifar100", f"train-{i}.parquet") for i in range(3)],
        )
        pixels = open_images(test).read(np.arange(asked))
        images = MemoryImages(pixels, np.arange(len(pixels)))
        return cls(train_images(50_000), images, labels_of(train), labels_of([test], asked))


class Kept:
    """What has been measured, by name, in a file: a run that was stopped goes on where it was."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}

    def get(self, name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What goes by that name, measured if it has not been."""
        if name not in self._found:
            self._found[name] = measure()
            self._path.write_text(json.dumps(self._found))
        found: dict[str, Any] = self._found[name]
        return found


def measured(work: Path, name: str, data: Data, sample: int, seeds: int, kept: Kept) -> dict[str, Any]:
    """Features and trees of one encoder; beside them, some of both where images are encoded whole."""
    encoder, facts = loaded(work / name)
    base, latent = (
        encoded(encoder, images, work / f"{name}.crops.{part}.npy")
        for part, images in (("train", data.learned), ("test", data.asked))
    )
    known, labels = data.known, data.labels
    trees = learned(base[:sample], latent, labels, seeds, kept)
    return {
        "training": facts,
        "whole": kept.get("whole", lambda: whole_images(work, name, encoder.cropped(None), data)),
        "trees": kept.get("rivals", lambda: rivals(latent, labels)) | trees,
        "features": kept.get("features", lambda: features(base, known, latent, labels)),
    }


def features(base: Float32, known: Labels, latent: Float32, labels: Labels) -> dict[str, Any]:
    """What neighbours, a linear probe and a ranking say of the latents."""
    return feature_scores(base, known, latent, labels) | {"mahp_250": mean_ahp(latent, labels[1], superclasses(labels))}


def whole_images(work: Path, name: str, encoder: Encoder, data: Data) -> dict[str, Any]:
    """What crops are to be compared with: neighbours and trees of images that are encoded whole."""
    base, latent = (
        encoded(encoder, images, work / f"{name}.whole.{part}.npy")
        for part, images in (("train", data.learned), ("test", data.asked))
    )
    pairs = zip(("coarse", "fine"), data.known, data.labels, strict=True)
    return {f"knn10_{kind}": knn_accuracy(base, known, latent, wanted) for kind, known, wanted in pairs} | {
        "ward": tree_scores(decode(latent, Decode.WARD), latent, *data.labels),
        _WALKS_OF_TEST: tree_scores(walks_tree(latent), latent, *data.labels),
    }


def loaded(path: Path) -> tuple[Encoder, dict[str, Any]]:
    """A trained encoder with the crops that go with how it was trained, and how that was."""
    facts: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())
    encoder = load_encoder(facts.pop("spec"), load_file(path.with_suffix(".safetensors")), device="cpu")
    config = LearnConfig.from_json(facts["config"])
    encoder = encoder.cropped(Crops.chosen(config.encoder, config.views))
    epochs = facts.pop("epochs")
    joint = [epoch for epoch in epochs if epoch.get("tree") is not None]
    facts["epochs"], facts["joint_epochs"] = len(epochs), len(joint)
    facts["seconds"] = sum(epoch["seconds"] for epoch in epochs)
    for name in ("contrast_norm", "tree_norm", "cosine", "balance"):
        if joint:
            facts[name] = float(np.mean([epoch[name] for epoch in joint]))
    return encoder, facts


def encoded(encoder: Encoder, images: MemoryImages, kept: Path) -> Float32:
    """Latents of all images, kept in a file: the next run looks them up."""
    if not kept.exists() or len(np.load(kept, mmap_mode="r")) != len(images):
        np.save(kept, encoder.encode(images.read(np.arange(len(images)))))
    return np.asarray(np.load(kept), dtype=np.float32)


def rivals(x: Float32, labels: Labels) -> dict[str, Any]:
    """Trees that need no head, on the very same features."""
    trees: dict[str, Tree] = linkages(x)
    trees["bisecting k-means"] = bisecting_kmeans(x, 0)
    for k in (20, 100):
        trees[f"L2H on k-means, K = {k}"] = l2h_points(kmeans_logits(x, k, 0), x)
    trees[_WALKS_OF_TEST] = walks_tree(x)
    return {name: tree_scores(tree, x, *labels) for name, tree in trees.items()}


def walks_tree(x: Float32) -> Tree:
    """Ward on the diffusion coordinates of these very rows."""
    return decode(diffusion_map(nearest(centred(torch.from_numpy(x)), 10), 24, 4).numpy(), Decode.WARD)


def learned(base: Float32, x: Float32, labels: Labels, seeds: int, kept: Kept) -> dict[str, Any]:
    """Trees of heads that were fitted to training latents, or to these rows themselves, as an index of them is.

    Means over the seeds, and their spread.
    """
    ways = {
        "": (HeadConfig(), base),
        ", without the tree loss": (HeadConfig(steps=1), base),
        ", heads of the test set": (HeadConfig(), x),
    }
    found: dict[str, Any] = {}
    for what, (head, rows) in ways.items():
        runs = []
        for seed in range(seeds):
            config = LearnConfig(head=head, seed=seed, device="cpu")
            runs.append(kept.get(f"heads{what}, seed {seed}", partial(fitted_trees, rows, x, labels, config)))
        found[f"chosen without labels{what}"] = [run["chosen"] for run in runs]
        for name in runs[0]["trees"]:
            each = [run["trees"][name] for run in runs]
            found[name + what] = {key: float(np.mean([scores[key] for scores in each])) for key in each[0]}
            found[name + what]["spread"] = {key: float(np.std([scores[key] for scores in each])) for key in each[0]}
    return found


def fitted_trees(rows: Float32, x: Float32, labels: Labels, config: LearnConfig) -> dict[str, Any]:
    """Heads fitted to ``rows``: what trees over ``x`` they give, and which of them an index would have."""
    fitted = learn_vectors(rows, config, Silent())
    choice = choose_tree(x, fitted.head, fitted.disk, fitted.walk, seed=config.seed)
    points, on_circle = fitted.head(x), fitted.disk(x)
    trees = {
        ("ball", Decode.WARD): (f"learned, p = {fitted.head.dim}", decode(points, Decode.WARD)),
        ("disk", Decode.CIRCLE_WARD): ("learned, p = 2", decode(on_circle, Decode.CIRCLE_WARD)),
        ("disk", Decode.CIRCLE_SINGLE): ("learned, p = 2, single linkage", decode(on_circle, Decode.CIRCLE_SINGLE)),
    }
    if fitted.walk is not None:
        trees["walk", Decode.WARD] = f"walks, p = {fitted.walk.dim}", decode(fitted.walk(x), Decode.WARD)
    scores = {name: tree_scores(tree, x, *labels) for name, tree in trees.values()}
    scores["the tree of an index"] = scores[trees[choice.name, choice.decode][0]]
    return {"trees": scores, "chosen": [choice.name, choice.decode.value]}


def ablation(work: Path, data: Data) -> list[dict[str, Any]]:
    """Balances of the two losses, each from the same state: features, and the tree of a head fitted to them."""
    images, asked = data.learned.read(np.arange(10_000)), data.asked.read(np.arange(len(data.asked)))
    known, labels = data.known, data.labels
    rows = []
    for number, name in enumerate(ABLATION):
        if not (work / f"ablation-{number}.json").exists():
            continue  # not trained
        encoder, facts = loaded(work / f"ablation-{number}")
        base, latent = encoder.encode(images), encoder.encode(asked)
        head = learn_vectors(base, LearnConfig(device="cpu"), Silent()).head
        tree, ward = decode(head(latent), Decode.WARD), decode(latent, Decode.WARD)
        rows.append(
            {
                "balance": name,
                "training": facts,
                "knn10_coarse": knn_accuracy(base, known[0][: len(base)], latent, labels[0]),
                "knn10_fine": knn_accuracy(base, known[1][: len(base)], latent, labels[1]),
                "learned": tree_scores(tree, latent, *labels),
                "ward": tree_scores(ward, latent, *labels),
            }
        )
    return rows


def chance_ahp(labels: Labels) -> float:
    """mAHP@250 of a ranking that knows nothing: by random vectors."""
    rng = np.random.default_rng(0)
    return mean_ahp(rng.normal(size=(len(labels[1]), 8)).astype(np.float32), labels[1], superclasses(labels))


def superclasses(labels: Labels) -> Int64:
    """``(100,)``: the superclass of each class."""
    found = np.zeros(100, dtype=np.int64)
    found[labels[1]] = labels[0]
    return found


def names_of(path: Path) -> list[str]:
    """Names of the 100 classes."""
    names: list[str] = json.loads(pq.read_schema(path).metadata[b"fine_names"])
    return names


if __name__ == "__main__":
    main()
