"""Makes the golden index of format 3, with removed rows in its parts: run once, and never again.

    python tests/golden/make_removed.py tests/golden/v3

Later versions of hierindex have to open what it left here, and to answer as ``v3.json`` says.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from hierindex import BuildConfig, HierIndex
from hierindex.index.config import IndexConfig
from hierindex.learning.config import HeadConfig, LearnConfig


def make(path: Path) -> None:
    """Build it, delete here and there, put some points back, and write down what it answers."""
    x = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32)
    ids = [f"p{i}" for i in range(90)]
    config = BuildConfig(
        learn=LearnConfig(head=HeadConfig(steps=5)),
        index=IndexConfig(flat_below=0, tune_queries=10, n_leaves=6, tail_rows=20),
    )
    payload = [{"year": 1990 + i % 7} for i in range(90)]
    index = HierIndex.from_vectors(x[:60], ids=ids[:60], metric="l2", payload=payload[:60], config=config, path=path)
    index.delete(["p3", "p59"])
    index.add(x[60:80], ids=ids[60:80], payload=payload[60:80])
    index.upsert(x[80:], [f"p{i}" for i in range(0, 20, 2)], payload=payload[80:])
    index.delete(["p2", "p70"], token="sent once")
    index.add(x[:1], ids=["p3"], payload=payload[:1])
    queries = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)
    answers = {
        "queries": queries.tolist(),
        "ids": index.search(queries, k=5, recall=1).ids.tolist(),
        "through_leaves": index.search(queries, k=5, nprobe=2).ids.tolist(),
        "order": index.ids.tolist(),
        "payload": index.payload().to_pylist(),
        "labels": index.labels(4).tolist(),
        "history": [[v.operation, v.rows] for v in index.history()],
    }
    path.with_suffix(".json").write_text(json.dumps(answers))
    first = path / "points" / "_delta_log" / f"{0:020d}.json"
    here = (path / "points").absolute().as_uri()
    first.write_text(first.read_text().replace(here, "file:///golden/points"))  # deltalake notes where it was made


if __name__ == "__main__":
    make(Path(sys.argv[1]))
