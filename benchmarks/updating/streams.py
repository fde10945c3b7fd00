"""What an index that changes is beside: streams of vectors in the order of their classes, and rivals fed with them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import faiss
import hnswlib
import numpy as np

from benchmarks.common import shared_data
from benchmarks.judging import labels_of
from benchmarks.searching.data import DataSet
from benchmarks.searching.sift import classes_of_sift
from hierindex import BuildConfig, HierIndex
from hierindex.learning.config import HeadConfig, LearnConfig
from hierindex.vectors import Float32, Int64

__all__ = ["Flow", "Hierindex", "Hnsw", "IvfPq", "Rival", "classes_of", "flows"]

_raw: Any = faiss  # the stubs that FAISS ships misname much of this
BATCH = 10_000
EVERY = 5  # batches between two rounds of upkeep


@dataclass(frozen=True)
class Flow:
    """Rows of a set in the order in which they come: ``first`` to begin with, then ``later``."""

    name: str
    first: Int64
    later: Int64

    def batches(self) -> Iterator[Int64]:
        """What comes later, as it comes."""
        for at in range(0, len(self.later), BATCH):
            yield self.later[at : at + BATCH]


def flows(classes: Int64, start: int) -> list[Flow]:
    """Begin with ``start`` rows of half of the classes; the others come shuffled, or class after class."""
    shuffled = np.random.default_rng(0).permutation(len(classes))
    half = shuffled[classes[shuffled] < np.median(np.unique(classes)) + 0.5]
    first = np.sort(half[:start])
    rest = np.setdiff1d(np.arange(len(classes)), first)
    by_class = rest[np.argsort(classes[rest], kind="stable")]
    return [
        Flow("shuffled", first, np.random.default_rng(1).permutation(rest)),
        Flow("class by class", first, by_class),
    ]


def classes_of(data: DataSet, cache: Path) -> Int64:
    """``(n,)``: the class of the photograph that each base row is of."""
    paths = [shared_data("cifar100", f"train-{i}.parquet") for i in range(3)]
    fine = labels_of(paths)[1]
    if data.name == "cifar-latents":
        return fine[: len(data.base)]
    kept = cache / data.name / "classes.npy"
    if not kept.exists():
        np.save(kept, classes_of_sift(fine))
    return np.asarray(np.load(kept)[: len(data.base)])


class Rival(Protocol):
    """An index that is made once and then fed."""

    name: str

    def add(self, rows: Float32, ids: Int64) -> None:
        """More of the same."""

    def search(self, queries: Float32, k: int) -> Int64:
        """Ids ``(q, k)``."""

    def choose(self, queries: Float32, truth: Int64) -> None:
        """The cheapest setting that finds 0.95 of the true neighbours."""


class Hierindex:
    """Ours, at recall 0.95, with upkeep after every few batches or without any."""

    def __init__(self, rows: Float32, ids: Int64, metric: str, upkeep: bool) -> None:
        config = BuildConfig(learn=LearnConfig(head=HeadConfig(steps=2)))  # the tree's quality is not asked here
        self.index = HierIndex.from_vectors(rows, metric=metric, ids=ids, config=config)
        self.name = "hierindex" if upkeep else "hierindex, no upkeep"
        self.upkeep, self.seconds, self._batches = upkeep, 0.0, 0

    def add(self, rows: Float32, ids: Int64) -> None:
        """See `Rival`."""
        self.index.add(rows, ids=ids)
        self._batches += 1
        if self.upkeep and self._batches % EVERY == 0:
            self.keep()

    def keep(self) -> None:
        """All upkeep that is due."""
        began = time.perf_counter()
        self.index.maintain()
        self.seconds += time.perf_counter() - began

    def search(self, queries: Float32, k: int) -> Int64:
        """See `Rival`."""
        return np.asarray(self.index.search(queries, k, recall=0.95).ids)

    def choose(self, queries: Float32, truth: Int64) -> None:
        """Nothing: the recall is what is asked for."""

    @property
    def imbalance(self) -> float:
        """FAISS's imbalance factor of the leaves: 1 where all are of one size."""
        sizes = self.index.leaf_sizes().astype(float)
        return float(len(sizes) * (sizes**2).sum() / sizes.sum() ** 2)


class IvfPq:
    """FAISS IVF with 4-bit fast-scan codes and exact re-ranking, trained on its first rows and never again."""

    name = "FAISS IVF-PQfs, re-rank"

    def __init__(self, rows: Float32, ids: Int64) -> None:
        n, d = rows.shape
        base = _raw.index_factory(d, f"IVF{round(4 * np.sqrt(n))},PQ{d // 2}x4fs")
        base.train(rows)
        self._index: Any = _raw.IndexRefineFlat(base)
        self._index.k_factor, self._nprobe, self._ids = 8, 1, np.empty(0, np.int64)
        self.add(rows, ids)

    def add(self, rows: Float32, ids: Int64) -> None:
        """See `Rival`."""
        self._index.add(rows)
        self._ids = np.concatenate([self._ids, ids])

    def search(self, queries: Float32, k: int) -> Int64:
        """See `Rival`."""
        inner = _raw.SearchParametersIVF(nprobe=self._nprobe)
        settings = _raw.IndexRefineSearchParameters(k_factor=8, base_index_params=inner)
        return np.asarray(self._ids[self._index.search(queries, k, params=settings)[1]])

    def choose(self, queries: Float32, truth: Int64) -> None:
        """See `Rival`."""
        _cheapest(
            [2**i // 2 + 2**i for i in range(1, 9)], lambda value: setattr(self, "_nprobe", value), self, queries, truth
        )


class Hnsw:
    """hnswlib, M = 16 and ef_construction = 200."""

    name = "hnswlib"

    def __init__(self, rows: Float32, ids: Int64, most: int) -> None:
        self._index = hnswlib.Index("l2", rows.shape[1])  # of unit rows the nearest are those of largest cosine
        self._index.init_index(most, M=16, ef_construction=200, random_seed=0)
        self.add(rows, ids)

    def add(self, rows: Float32, ids: Int64) -> None:
        """See `Rival`."""
        self._index.add_items(rows, ids)

    def search(self, queries: Float32, k: int) -> Int64:
        """See `Rival`."""
        return np.asarray(self._index.knn_query(queries, k)[0].astype(np.int64))

    def choose(self, queries: Float32, truth: Int64) -> None:
        """See `Rival`."""
        _cheapest([round(10 * 1.3**i) for i in range(16)], self._index.set_ef, self, queries, truth)


def recall(found: Int64, truth: Int64) -> float:
    """The share of the true neighbours that were found."""
    return float(np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in zip(found, truth, strict=True)]))


def _cheapest(grid: list[int], take: Callable[[int], object], rival: Rival, queries: Float32, truth: Int64) -> None:
    for value in grid:
        take(value)
        if recall(rival.search(queries, truth.shape[1]), truth) >= 0.95:
            return
