"""Makes the golden index of format 2, with moved points and retired nodes: run once, and never again.

    python tests/golden/make_reshaped.py tests/golden/v2

Later versions of hierindex have to open what it left here, and to answer as ``v2.json`` says.
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
    """Build it, let it grow, keep it in shape, and write down what it answers."""
    x = np.random.default_rng(0).normal(size=(240, 4)).astype(np.float32)
    x += np.repeat(np.eye(4, dtype=np.float32) * 4, 60, axis=0)
    config = BuildConfig(
        learn=LearnConfig(head=HeadConfig(steps=5)),
        index=IndexConfig(flat_below=0, tune_queries=10, split_factor=6.0, tail_rows=20),
    )
    index = HierIndex.from_vectors(x[:50], metric="l2", config=config, path=path)
    index.add(x[50:], ids=np.arange(50, 240))
    index.delete(np.arange(20, 30))
    done = index.maintain()
    index.add(x[:10] + 1, ids=np.arange(240, 250))
    queries = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32) + 1
    answers = {
        "did": [done.split, done.dissolved, done.centred, done.moved, done.redrawn],
        "queries": queries.tolist(),
        "ids": index.search(queries, k=5, recall=1).ids.tolist(),
        "through_leaves": index.search(queries, k=5, nprobe=2).ids.tolist(),
        "paths": [index.path(point) for point in range(0, 20, 4)],
        "retired": np.flatnonzero(index._view.snapshot.nodes.retired).tolist(),
    }
    path.with_suffix(".json").write_text(json.dumps(answers))


if __name__ == "__main__":
    make(Path(sys.argv[1]))
