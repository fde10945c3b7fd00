"""A recommendation backend in small: ready embeddings, string ids, payload columns, filters, live updates.

python examples/own_embeddings.py
"""

import tempfile
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from hierindex import HierIndex


def main() -> None:
    rng = np.random.default_rng(0)
    genres = rng.normal(size=(12, 64))
    kind = rng.integers(0, 12, size=5_000)
    items = (genres[kind] + 0.6 * rng.normal(size=(5_000, 64))).astype(np.float32)
    ids = [f"item-{number:05d}" for number in range(5_000)]
    payload = {"price": rng.uniform(1, 100, size=5_000).round(2), "in_stock": rng.random(5_000) < 0.7}

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "items.index"
        index = HierIndex.from_vectors(items, metric="cosine", ids=ids, payload=payload, path=path)
        print(index)

        cheap = (pc.field("price") < 20) & pc.field("in_stock")
        (found,) = index.search(items[42], k=5, filter=cheap)
        print("like item-00042, cheap and in stock:", [hit.id for hit in found])

        index.add(items[:1] + 0.01, ids=["new-arrival"], payload={"price": [9.99], "in_stock": [True]})
        print("its newest neighbour:", index.search(items[0], k=2).ids[0, 1])
        index.delete(["item-00001"])

        again = HierIndex.open(path)
        print(f"opened again: {len(again):,} items, version {again.version}")
        print("as it was at first:", HierIndex.open(path, version=0))
        print("a varied front page:", again.sample(6).tolist())


if __name__ == "__main__":
    main()
