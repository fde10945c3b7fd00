"""A small index to change, whose every vector and payload follows from an id and a revision."""

from __future__ import annotations

from functools import cache

import numpy as np

from hierindex import BuildConfig, HierIndex
from hierindex.index.config import IndexConfig
from hierindex.learning.config import HeadConfig, LearnConfig

DIM = 6
COLUMNS = ["rev", "note"]


def vector_of(point, revision):
    """``(DIM,)`` float32, another one for each pair."""
    return np.random.default_rng([point, revision]).normal(size=DIM).astype(np.float32)


def payload_of(point, revision):
    """The payload of a point."""
    return {"rev": revision, "note": f"{point}:{revision}" if (point + revision) % 3 else None}


@cache
def _view(flat, n):
    rows = np.stack([vector_of(i, 0) for i in range(n)])
    config = BuildConfig(
        learn=LearnConfig(head=HeadConfig(steps=2)),
        index=IndexConfig(flat_below=20_000 if flat else 0, leaf_scan="flat", tail_rows=8, n_leaves=4),
    )
    payload = [payload_of(i, 0) for i in range(n)]
    return HierIndex.from_vectors(rows, metric="l2", config=config, payload=payload)._view


def seed_index(flat=True, n=20):
    """An index of the points 0..n-1 at revision 0; one that was never saved."""
    return HierIndex(_view(flat, n))
