"""Makes the golden index of format version 1: run once, when the format is given out, and never again.

    python tests/golden/make.py tests/golden/v1

Later versions of hierindex have to read what it left here; see ``tests/test_storage_golden.py``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa

from hierindex.index.nodes import Nodes
from hierindex.storage import ModelFile, Points, Store, TreeFile


def rows_of(seq: np.ndarray) -> np.ndarray:
    """``(n, 3)``: exact values that can be checked by eye: seq / 4, -seq, 1."""
    return np.stack([seq / 4, -seq, np.ones(len(seq))], axis=1).astype(np.float32)


def nodes_of(m: int) -> Nodes:
    """Heap order: node i has the children 2i+1 and 2i+2."""
    node = np.arange(m)
    return Nodes(
        parent=np.where(node > 0, (node - 1) // 2, -1).astype(np.int64),
        height=np.where(2 * node + 1 < m, 4.0 - np.floor(np.log2(node + 1)), 0.0),
        centroid=rows_of(node),
        ball=np.stack([node / 16, -node / 16], axis=1).astype(np.float32),
        count=2 * node,
    )


def points_of(seq: np.ndarray, leaf: int) -> Points:
    """Points named p0, p1, ... with two payload columns."""
    words = pa.array([None if i % 3 == 0 else f"word {i}" for i in seq])
    payload = pa.table({"word": words, "year": pa.array(1990 + seq, pa.int32())})
    ids = np.array([f"p{i}" for i in seq], object)
    return Points(ids, seq, np.full(len(seq), leaf), rows_of(seq), payload)


def make(path: Path) -> None:
    """Version 0: eight points and three nodes; 1: two points more and five nodes; 2: one point less."""
    model = ModelFile({"kind": "golden", "dim": 3}, {"w": np.arange(6, dtype=np.float32).reshape(2, 3)})
    store = Store.create(path, points_of(np.arange(8), 1), TreeFile(nodes_of(3), {"metric": "l2", "made": 1}), model)
    store.commit(added=points_of(np.arange(8, 10), 4), tree=TreeFile(nodes_of(5), {"metric": "l2", "made": 2}))
    store.commit(deleted=np.array(["p3"], object))
    first = path / "points" / "_delta_log" / f"{0:020d}.json"
    here = (path / "points").absolute().as_uri()
    first.write_text(first.read_text().replace(here, "file:///golden/points"))  # deltalake notes where it was made


if __name__ == "__main__":
    make(Path(sys.argv[1]))
