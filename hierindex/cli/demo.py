"""``hierindex demo``: the whole way, on real images, with everything that is claimed measured on the spot."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hierindex import plots
from hierindex.api import BuildConfig, HierIndex
from hierindex.cli import comparing
from hierindex.cli.output import OUT, say, table
from hierindex.decode import Decode, decode
from hierindex.errors import EmptyInputError, ImageError, need
from hierindex.head import unit
from hierindex.learning.config import LearnConfig, TrainConfig
from hierindex.metrics import dendrogram_purity, knn_accuracy, nmi
from hierindex.tree import Tree
from hierindex.vectors import Int64

__all__ = ["run"]

Pixels = NDArray[np.uint8]
MIXED = 64  # pixels a side where the caller's images differ in size and nobody chose one


@dataclass(frozen=True)
class Pictures:
    """Images, the labels that are held back (None where there are none), and what they are called."""

    images: Pixels
    labels: Int64 | None
    name: str

    def rows(self, at: Int64) -> Pictures:
        """Some of them."""
        return Pictures(self.images[at], None if self.labels is None else self.labels[at], self.name)


def run(folder: Path | None, out: Path, epochs: int | None, image_size: int | None) -> None:
    """Build, look, compare, draw, save, reopen, add, search.

    Args:
        folder: images of the caller's own; None takes scikit-learn's digits.
        out: where the index and the pictures go; an index that an earlier demo left there is replaced.
        epochs: of the training; None chooses.
        image_size: pixels a side for the caller's own images.
    """
    pictures = _digits() if folder is None else _own(folder, image_size)
    base, unseen, late = _parts(pictures)
    out.mkdir(parents=True, exist_ok=True)
    target = out / "demo.index"
    if target.exists():
        shutil.rmtree(target)

    _title(f"1. {len(base.images):,} unlabelled images ({pictures.name}) become an encoder and a tree")
    config = BuildConfig(learn=LearnConfig(training=TrainConfig(epochs=epochs)))
    index = HierIndex.build(base.images, config=config)
    _built(index)

    if base.labels is not None and unseen.labels is not None:
        _title("2. The tree beside the labels that were held back")
        _agreement(index, base, base.labels, unseen, unseen.labels)

    _title(f"3. {len(unseen.images):,} images it never saw, answered and compared with flat FAISS")
    comparing.show(comparing.compare(index, unseen.images, 10, len(unseen.images)))
    _through_leaves(index, unseen.images)

    _title("4. Pictures of it")
    _draw(index, base.images, out)

    _title("5. Saved, extended, opened again by another process")
    _live(index, late, target)
    _next_steps(folder, target)


def _digits() -> Pictures:
    digits = need("sklearn.datasets", "demo").load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    return Pictures(images, digits.target.astype(np.int64), "the 8x8 digits of scikit-learn")


def _own(folder: Path, image_size: int | None) -> Pictures:
    """The images of a folder; the names of its sub-folders, where it has several, are the labels held back."""
    from hierindex.learning.sources import open_images

    try:
        source = open_images(folder, image_size=image_size, on_error="skip")
    except ImageError as error:
        if image_size is not None:
            raise
        say(f"{error}")
        say(f"bringing all images to {MIXED} pixels and RGB; --image-size chooses another size")
        source = open_images(folder, image_size=MIXED, mode="RGB", on_error="skip")
    if len(source) < 20:
        raise EmptyInputError(f"the demo should have at least 20 images; found {len(source)} in {folder}")
    for name in source.skipped:
        say(f"[yellow]skipped[/] {name}")
    images = source.read(np.arange(len(source)))
    parents = [str(Path(name).parent) for name in source.names or []]
    labels = np.unique(parents, return_inverse=True)[1].astype(np.int64) if len(set(parents)) > 1 else None
    return Pictures(images, labels, str(folder))


def _parts(pictures: Pictures) -> tuple[Pictures, Pictures, Pictures]:
    """Most of them to build from, a sixth (at most 1,000) to ask with, a few to add later; drawn by a fixed seed."""
    n = len(pictures.images)
    order = np.random.default_rng(0).permutation(n)
    asked = min(1_000, n // 6)
    later = min(100, n // 12)
    return tuple(  # type: ignore[return-value]
        pictures.rows(np.sort(part)) for part in np.split(order, [n - asked - later, n - later])
    )


def _built(index: HierIndex) -> None:
    facts = index.info()
    seconds = facts["built"]["seconds"]
    rows = [[stage, f"{taken:.1f} s"] for stage, taken in seconds.items()]
    rows += [
        ["tree", f"{facts['tree']['head']} head, {facts['tree']['decode']} decode (chosen without labels)"],
        ["leaves", f"{facts['leaves']['number']}, of {facts['leaves']['smallest']} to {facts['leaves']['largest']}"],
        ["search", facts["search"]["mode"]],
    ]
    table(repr(index), ["", ""], rows)


def _agreement(index: HierIndex, base: Pictures, labels: Int64, unseen: Pictures, asked_labels: Int64) -> None:
    classes = len(np.unique(labels))
    pixels = unit(base.images.reshape(len(base.images), -1).astype(np.float32))
    asked_pixels = unit(unseen.images.reshape(len(unseen.images), -1).astype(np.float32))
    latent = index.vectors()
    trees = {
        "the learned tree": (index.tree, latent, index.encode(unseen.images)),
        "Ward on the same features": (_ward(latent), latent, index.encode(unseen.images)),
        "Ward on raw pixels": (_ward(pixels), pixels, asked_pixels),
    }
    rows = [
        [
            name,
            dendrogram_purity(tree, labels),
            nmi(tree.cut(classes), labels),
            knn_accuracy(features, labels, asked, asked_labels),
        ]
        for name, (tree, features, asked) in trees.items()
    ]
    table("", ["", "dendrogram purity", f"NMI at {classes} clusters", "10-NN accuracy, unseen"], rows)


def _ward(x: NDArray[np.float32]) -> Tree:
    return decode(x, Decode.WARD)


def _through_leaves(index: HierIndex, queries: Pixels) -> None:
    """What the tree's own route finds, leaf by leaf: the road that larger sets take."""
    exact = index.search(queries, k=10, recall=1.0)
    rows = []
    for nprobe in (1, 2, 4, 8, 16):
        found = index.search(queries, k=10, nprobe=nprobe)
        share = np.mean([np.isin(a, b).mean() for a, b in zip(found.ids, exact.ids, strict=True)])
        rows.append([nprobe, float(share)])
    leaves = len(index.leaf_sizes())
    table(f"Routed down the tree instead, into some of the {leaves} leaves", ["leaves probed", "recall@10"], rows)


def _draw(index: HierIndex, images: Pixels, out: Path) -> None:
    figures = {
        "disk.png": plots.disk(index, images),
        "dendrogram.png": plots.dendrogram(index, images),
        "training.png": plots.training(index),
    }
    for name, figure in figures.items():
        (out / name).write_bytes(plots.png(figure))
        OUT.print(f"  {out / name}")


def _live(index: HierIndex, late: Pictures, target: Path) -> None:
    index.save(target)
    OUT.print(f"  saved {len(index):,} points as version {index.version} in {target}")
    added = index.add(late.images)
    OUT.print(f"  added {len(added)} images, searchable and on disk as version {index.version}")
    query = target.parent / "query.npy"
    np.save(query, late.images[:1])
    command = [sys.executable, "-m", "hierindex", "search", str(target), str(query), "-k", "3"]
    OUT.print(f"  $ hierindex {' '.join(command[3:])}     (a new process; the first hit should be {added[0]})")
    OUT.print(subprocess.run(command, check=True, capture_output=True, text=True).stdout.rstrip())  # noqa: S603


def _next_steps(folder: Path | None, target: Path) -> None:
    photos = "photos/" if folder is None else str(folder)
    _title("The same for your own folder of images")
    OUT.print(f"  hierindex build {photos} my.index --image-size 64", highlight=False)
    OUT.print("  hierindex search my.index query.jpg -k 5", highlight=False)
    OUT.print("  hierindex add my.index more-photos/", highlight=False)
    OUT.print(f"\n  (and to look at this one: hierindex tree {target} --depth 4)", highlight=False)


def _title(text: str) -> None:
    OUT.print(f"\n[bold]{text}[/]", highlight=False)
