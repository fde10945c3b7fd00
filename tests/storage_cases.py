"""Small indexes on disk for the storage tests, and how to compare them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from hierindex.index.nodes import Nodes
from hierindex.storage import Contents, ModelFile, Points, TreeFile
from hierindex.storage.sealed import digest, dumps

MODEL = ModelFile(
    {"layers": [4, 2], "name": "é"},
    {"w": np.arange(8, dtype=np.float32).reshape(4, 2), "step": np.array(7, np.int64), "flags": np.zeros(0, np.uint8)},
)


def tree_of(dim: int, leaves: int = 4, seed: int = 0, **about: object) -> TreeFile:
    """A full binary tree in heap order: node i has the children 2i+1 and 2i+2; the last ``leaves`` are its leaves."""
    m = 2 * leaves - 1
    rng = np.random.default_rng(seed)
    node = np.arange(m)
    depth = np.floor(np.log2(node + 1))
    return TreeFile(
        Nodes(
            parent=np.where(node > 0, (node - 1) // 2, -1).astype(np.int64),
            height=np.where(2 * node + 1 < m, 9.0 - depth, 0.0),
            centroid=rng.standard_normal((m, dim), dtype=np.float32),
            ball=rng.uniform(-0.5, 0.5, (m, 2)).astype(np.float32),
            count=rng.integers(0, 9, m),
        ),
        {"metric": "cosine", "dim": dim, "scale": 0.1, **about},
    )


def points_of(
    n: int, dim: int = 4, start: int = 0, *, strings: bool = False, payload: pa.Table | None = None
) -> Points:
    """n points whose values follow from their seq, so that any subset can be checked."""
    seq = np.arange(start, start + n)
    ids = np.array([f"id-{i}" for i in seq], object) if strings else seq * 3
    rows = np.stack([np.random.default_rng(i).standard_normal(dim) for i in seq]) if n else np.zeros((0, dim))
    return Points(ids, seq, 3 + seq % 4, rows.astype(np.float32), payload)


def assert_points(found: Points, wanted: Points) -> None:
    """Equal to the bit, and in the same order."""
    assert found.ids.dtype == wanted.ids.dtype
    assert found.ids.tolist() == wanted.ids.tolist()
    np.testing.assert_array_equal(found.seq, wanted.seq)
    np.testing.assert_array_equal(found.leaf, wanted.leaf)
    assert found.rows.dtype == np.float32
    assert found.rows.tobytes() == wanted.rows.tobytes()  # -0.0 and denormals too
    assert found.rows.shape == wanted.rows.shape
    if wanted.payload is None:
        assert found.payload is None
    else:
        assert found.payload is not None
        assert found.payload.to_pylist() == wanted.payload.to_pylist()
        assert found.payload.schema.names == wanted.payload.schema.names


def assert_tree(found: TreeFile, wanted: TreeFile) -> None:
    """Equal to the bit."""
    assert found.about == wanted.about
    for name in ("parent", "height", "centroid", "ball", "count"):
        a, b = getattr(found.nodes, name), getattr(wanted.nodes, name)
        assert a.dtype == b.dtype, name
        np.testing.assert_array_equal(a, b, err_msg=name)


def assert_model(found: ModelFile, wanted: ModelFile) -> None:
    """Equal to the bit, shapes and dtypes included."""
    assert found.spec == wanted.spec
    assert found.arrays.keys() == wanted.arrays.keys()
    for name, array in wanted.arrays.items():
        assert found.arrays[name].dtype == array.dtype, name
        assert found.arrays[name].shape == array.shape, name
        np.testing.assert_array_equal(found.arrays[name], array, err_msg=name)


def assert_contents(found: Contents, points: Points, tree: TreeFile, model: ModelFile = MODEL) -> None:
    """All three equal."""
    assert_points(found.points, points)
    assert_tree(found.tree, tree)
    assert_model(found.model, model)


def files_under(path: Path) -> list[str]:
    """Every file below ``path``, by relative name."""
    return sorted(p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file())


class Bomb:
    """What touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)


def resealed(index: Path, change: Callable[[dict[str, object]], None], weights: bytes | None = None) -> None:
    """Change spec.json (and the weights) and make its digests right again, as an attacker would."""
    spec = index / "model/000001/spec.json"
    body = json.loads(spec.read_bytes())["body"]
    if weights is not None:
        (index / "model/000001/weights.safetensors").write_bytes(weights)
        body["weights_sha256"] = digest(weights)
    change(body)
    spec.write_text(dumps({"sha256": digest(dumps(body, "")), "body": body}, ""))
