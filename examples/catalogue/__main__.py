"""Build the catalogue and use it: ``python -m examples.catalogue --help``."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from examples.catalogue import Items, altered, cifar100, digits, duplicates, sheet
from hierindex import BuildConfig, HierIndex
from hierindex.learning.config import LearnConfig, TrainConfig

BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data" / "cifar100" / "test.parquet"
COPIES, LATE = 20, 50


def main(words: list[str] | None = None) -> None:
    """Build, then everything that a catalogue is used for."""
    parser = argparse.ArgumentParser(prog="python -m examples.catalogue", description=__doc__)
    parser.add_argument("--data", type=Path, default=BESIDE, help="a Parquet file of CIFAR-100; digits where it is not")
    parser.add_argument("--out", type=Path, default=Path("catalogue"), help="where the index and the sheets go")
    parser.add_argument("--limit", type=int, default=3_000, help="how many items")
    parser.add_argument("--epochs", type=int, default=20)
    args = parser.parse_args(words)
    items = cifar100(args.data, args.limit) if args.data.exists() else digits(args.limit)
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "catalogue.index"
    if path.exists():
        shutil.rmtree(path)

    base, late = items.rows(slice(None, -LATE)), items.rows(slice(-LATE, None))
    config = BuildConfig(learn=LearnConfig(training=TrainConfig(epochs=args.epochs)))
    index = HierIndex.build(base.images, ids=base.names, payload={"kind": base.kinds}, config=config, path=path)
    print(index)
    similar(index, base, args.out)
    branches(index, base, args.out)
    samples(index, base, args.out)
    copies(index, base)
    put_in(index, late, path)


def similar(index: HierIndex, items: Items, out: Path) -> None:
    """More like each of six items; and the same among one kind only, which a filter on the payload says."""
    asked = items.names[:: max(len(items) // 6, 1)][:6]
    hits = index.search(index.vectors(asked), k=10)
    print("similar:", sheet([items.of(list(row)) for row in hits.ids], out / "similar.png", mark_first=True))
    (found,) = index.search(index.vectors(asked[:1]), k=5, filter=pc.field("kind") == items.kinds[0])
    print(f"most like {asked[0]} among {items.kinds[0]!r}:", [hit.id for hit in found])


def branches(index: HierIndex, items: Items, out: Path) -> None:
    """Twelve branches to browse by: the largest is opened until there are twelve; each shows what is typical of it."""
    shown = [index.browse()]
    while len(shown) < 12 and any(branch.children for branch in shown):
        largest = max((branch for branch in shown if branch.children), key=lambda branch: branch.count)
        shown.remove(largest)
        shown += [index.browse(child) for child in largest.children]
    rows = [items.of(branch.examples.tolist()) for branch in shown]
    print("branches:", sheet(rows, out / "branches.png"), [branch.count for branch in shown])


def samples(index: HierIndex, items: Items, out: Path) -> None:
    """A front page: 24 items drawn evenly from the tree, and 24 at random."""
    even, random = (index.sample(24, balanced=balanced).tolist() for balanced in (True, False))
    rows = [items.of(half) for drawn in (even, random) for half in (drawn[:12], drawn[12:])]
    print("evenly, then at random:", sheet(rows, out / "samples.png"))


def copies(index: HierIndex, items: Items) -> None:
    """An upload with pictures that are there already: half of the copies say how near copies lie, the others are found.

    What was uploaded a second time is taken out again.
    """
    known, uploaded = items.rows(slice(COPIES)), items.rows(slice(COPIES, 2 * COPIES))
    again = index.encode(altered(known.images))
    radius = float(1 - np.einsum("nd,nd->n", again, index.vectors(known.names)).min())
    names = [f"upload-{name}" for name in uploaded.names]
    index.add(altered(uploaded.images), ids=names, payload={"kind": uploaded.kinds})
    groups = duplicates(index, radius)
    twice = [name for group in groups for name in group if name.startswith("upload-")]
    true = sum(f"upload-{name}" in group for group in groups for name in group)
    print(
        f"{true} of {COPIES} uploaded copies lie within {radius:.4f} of what they are copies of; {len(groups)} groups"
    )
    print(f"took out {index.delete(twice)} of them again: {len(index):,} items")


def put_in(index: HierIndex, late: Items, path: Path) -> None:
    """New items: found by the next search, and by whoever opens the catalogue next."""
    index.add(late.images, ids=late.names, payload={"kind": late.kinds})
    again = HierIndex.open(path)
    hits = again.search(late.images, k=1)
    itself = np.mean(hits.ids[:, 0] == np.array(late.names, dtype=object))
    print(f"{len(late)} items put in; opened again: {again}; {itself:.0%} of them find themselves first")


if __name__ == "__main__":
    main()
