"""Indexes and shards that the tests of the cluster share; no Ray here."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import _patch, patch

import numpy as np

from hierindex import BuildConfig, HierIndex
from hierindex.cluster.asking import Asking
from hierindex.cluster.config import Placing
from hierindex.cluster.front import Front
from hierindex.cluster.loading import Loaded, Source, read_front, read_shard
from hierindex.cluster.placement import Placement, weights
from hierindex.cluster.scanner import InProcess, SpreadLeaves
from hierindex.index.config import IndexConfig
from hierindex.index.heat import HeatCounter
from hierindex.learning.selection import choose_tree
from hierindex.results import Hits
from hierindex.vectors import Float32


def same(a: Hits, b: Hits) -> bool:
    """The same ids, the same bits of the distances, the same leaves."""
    return (
        np.array_equal(a.ids, b.ids)
        and np.array_equal(a.distances.view(np.int32), b.distances.view(np.int32))
        and np.array_equal(a.leaves, b.leaves)
    )


def cloud(n: int, dim: int, seed: int, grid: float | None = None) -> Float32:
    """Vectors ``(n, dim)`` that fill seven dimensions, so that a query needs many leaves.

    On a ``grid`` many of them are equal or equally far.
    """
    rng, turn = np.random.default_rng(seed), np.random.default_rng(99).normal(size=(7, dim))
    x = rng.normal(size=(n, 7)) @ turn + 0.2 * rng.normal(size=(n, dim))
    return (x if grid is None else np.round(x / grid) * grid).astype(np.float32)


def any_tree() -> _patch[object]:
    """While it is held trees are chosen by a glance: which one is chosen matters to nothing here, and takes longest."""
    return patch("hierindex.api.build.choose_tree", partial(choose_tree, sample=200))


def saved(
    path: Path,
    x: Float32,
    quick: BuildConfig,
    metric: str = "l2",
    ids: object = None,
    payload: object = None,
    **index: object,
) -> HierIndex:
    """A small index laid out as a large one is, at a path."""
    settings = {"flat_below": 500, "n_leaves": 40, "num_threads": 1, "tune_queries": 120} | index
    config = replace(quick, index=IndexConfig(**settings))
    with any_tree():
        return HierIndex.from_vectors(x, metric=metric, ids=ids, payload=payload, config=config, path=path)


def spread(
    path: Path,
    workers: int,
    replicas: int = 1,
    placing: Placing = Placing.SUBTREE,
    dead: tuple[int, ...] = (),
    borders: float = 0.0,
) -> tuple[Front, SpreadLeaves]:
    """The newest version of an index on workers of this process, some of which are dead."""
    source = Source.of(path, HierIndex.open(path).version, None)
    front, _ = read_front(source)
    weight, probed = weights(front.nodes.count[front.nodes.leaves]), front.probed_at_leaves()
    placement = Placement.of(weight, workers, replicas, placing, probed, borders)
    shards = (None if w in dead else read_shard(source, placement.held_by(w)).shard for w in range(workers))
    return front, SpreadLeaves(placement, InProcess(tuple(shards)), front.of_strings)


class Spread(Asking):
    """What `ClusterIndex` can be asked, of workers of this process, some of which are dead."""

    def __init__(self, index: HierIndex, workers: int, replicas: int = 1, dead: tuple[int, ...] = ()) -> None:
        self._heat, self._loaded, self._dead = HeatCounter(), dict[int, Loaded](), dead
        self._workers, self._replicas = workers, replicas
        self.refresh(index)

    def refresh(self, index: HierIndex) -> None:
        """Go on to the version of the index, each worker from what it held before."""
        assert index._store is not None
        source = Source.of(index._store.path, index._store.version, None)
        front, _ = read_front(source)
        sizes, workers = front.nodes.count[front.nodes.leaves], self._workers
        placement = Placement.of(weights(sizes), workers, self._replicas)
        living = [worker for worker in range(workers) if worker not in self._dead]
        self._loaded = {w: read_shard(source, placement.held_by(w), self._loaded.get(w)) for w in living}
        shards = tuple(self._loaded[w].shard if w in self._loaded else None for w in range(workers))
        scanner = SpreadLeaves(placement, InProcess(shards), front.of_strings)
        self._state = SimpleNamespace(front=front, scanner=scanner, encoding=index._view.encoding)

    def _entered(self) -> nullcontext[SimpleNamespace]:
        return nullcontext(self._state)
