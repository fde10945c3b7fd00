"""This library, through its public door: the recall is asked for and nothing else is set."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from benchmarks.searching.system import Params, System, take
from hierindex import HierIndex
from hierindex.vectors import Float32, Int64

__all__ = ["Ours"]


class Ours(System):
    """`HierIndex.from_vectors`, searched by ``recall=``."""

    name = "hierindex"
    stem = "hierindex"
    kept = False
    promises = True

    def __init__(self, params: Params, index: HierIndex) -> None:
        super().__init__(params)
        self.index, self.recall = index, 0.95

    @classmethod
    def wake(cls) -> None:
        """A build imports torch, whose code is not the index."""
        cls.build(np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32), "l2", {}, 1)

    @classmethod
    def builds(cls, n: int, d: int, metric: str) -> list[Params]:
        return [{}]

    @classmethod
    def build(cls, base: Float32, metric: str, params: Params, threads: int) -> Self:
        take(threads)
        return cls(params, HierIndex.from_vectors(base, metric=metric))

    def settings(self) -> list[list[Params]]:
        """A curve of promises; a point of the tables is the promise of its target, not one chosen from these."""
        asked = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995)
        return [[{"recall": recall} for recall in asked]]

    def use(self, setting: Params, threads: int) -> None:
        take(threads)
        self.recall = float(setting["recall"])

    def many(self, queries: Float32, k: int) -> Int64:
        return np.asarray(self.index.search(queries, k, recall=self.recall).ids, dtype=np.int64)

    def profile(self, queries: Float32, k: int, recall: float) -> dict[str, Any]:
        """Where the microseconds of single queries go: medians of what `HierIndex.explain` says."""
        take(1)
        seen = [self.index.explain(query, k, recall=recall) for query in queries]
        stages = dict.fromkeys(stage for one in seen for stage in one.seconds)
        return {
            "target": recall,
            "leaves": float(np.median([len(one.leaves) for one in seen])),
            "scanned": float(np.median([one.scanned for one in seen])),
            "candidates": float(np.median([one.candidates for one in seen])),
            "us": {stage: float(np.median([1e6 * one.seconds.get(stage, 0.0) for one in seen])) for stage in stages},
        }

    def facts(self) -> dict[str, Any]:
        """Seconds of the build by stage, how it searches, and how it was cut."""
        info = self.index.info()
        return {"seconds": info["built"]["seconds"], "search": info["search"], "leaves": info["leaves"]}
