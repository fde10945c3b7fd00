"""Makes the golden index of a whole `HierIndex`, encoder and heads included: run once for a format, and never again.

    python tests/golden/make_whole.py tests/golden/v1-whole

Later versions of hierindex have to open what it left here, and to answer as ``v1-whole.json`` says; see
``tests/test_storage_golden.py``. The encoder is that of a table, made narrow so that the file stays small.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from hierindex import BuildConfig, HierIndex, Table
from hierindex.index.config import IndexConfig
from hierindex.learning.config import HeadConfig, LearnConfig, TableConfig, TrainConfig


def numbers(n: int, seed: int) -> np.ndarray:
    """``(n, 5)`` in three groups."""
    rng = np.random.default_rng(seed)
    return (4 * np.eye(3, 5)[np.arange(n) % 3] + rng.normal(size=(n, 5))).astype(np.float32)


def make(path: Path) -> None:
    """Build it, change it in every way there is, and write down what it answers."""
    training = TrainConfig(epochs=2, batch_size=30)
    learn = LearnConfig(training=training, head=HeadConfig(steps=20), table=TableConfig(width=32))
    config = BuildConfig(learn=learn, index=IndexConfig(flat_below=0, tail_rows=5, n_leaves=6))
    x, ids = numbers(60, 0), [f"p{i}" for i in range(60)]
    payload = [{"year": 1990 + i % 7, "word": None if i % 5 == 0 else f"word {i}"} for i in range(90)]
    index = HierIndex.build(Table(x), ids=ids, payload=payload[:60], config=config, path=path, progress=False)
    more = numbers(30, 1)
    index.add(Table(more[:20]), ids=[f"p{i}" for i in range(60, 80)], payload=payload[60:80], token="sent once")
    index.upsert(Table(more[20:]), [f"p{i}" for i in range(75, 85)], payload=payload[75:85])
    index.update_payload(["p1", "p2"], {"word": ["new", None]})
    index.delete(["p3", "p77"])
    index.compact()
    queries = numbers(6, 2)
    hits = index.search(Table(queries), k=5, recall=1)
    leaves = index.search(Table(queries), k=5, nprobe=2)
    answers = {
        "queries": queries.tolist(),
        "ids": hits.ids.tolist(),
        "distances": hits.distances.tolist(),
        "through_leaves": leaves.ids.tolist(),
        "encoded": index.encode(Table(queries)).tolist(),
        "labels": index.labels(3).tolist(),
        "path": index.path("p9"),
        "order": index.ids.tolist(),
        "payload": index.payload().to_pylist(),
        "history": [[v.operation, v.rows] for v in index.history()],
    }
    path.with_suffix(".json").write_text(json.dumps(answers))


if __name__ == "__main__":
    make(Path(sys.argv[1]))
