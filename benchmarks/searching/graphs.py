"""Graph indexes outside FAISS: hnswlib and usearch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np

from benchmarks.searching.grids import WIDTHS
from benchmarks.searching.system import Params, System
from hierindex.errors import need
from hierindex.vectors import Float32, Int64

__all__ = ["HnswLib", "USearch"]


class HnswLib(System):
    """hnswlib, for cosine on unit rows by inner product (which spares it the division)."""

    name = "hnswlib"
    stem = "hnswlib"

    def __init__(self, params: Params, index: Any) -> None:  # noqa: ANN401
        super().__init__(params)
        self.index = index

    @classmethod
    def builds(cls, n: int, d: int, metric: str) -> list[Params]:
        return [{"M": m, "ef_construction": 200} for m in (16, 32)]

    @classmethod
    def build(cls, base: Float32, metric: str, params: Params, threads: int) -> Self:
        index = cls._empty(base, metric)
        index.init_index(max_elements=len(base), M=params["M"], ef_construction=params["ef_construction"])
        index.add_items(base, num_threads=threads)
        return cls(params, index)

    def save(self, path: Path) -> None:
        self.index.save_index(str(path))

    @classmethod
    def load(cls, path: Path, base: Float32, metric: str, params: Params) -> Self:
        index = cls._empty(base, metric)
        index.load_index(str(path), max_elements=len(base))
        return cls(params, index)

    def settings(self) -> list[list[Params]]:
        return [[{"ef": width} for width in WIDTHS if width >= 10]]

    def use(self, setting: Params, threads: int) -> None:
        self.index.set_ef(setting["ef"])
        self.index.set_num_threads(threads)

    def many(self, queries: Float32, k: int) -> Int64:
        return np.asarray(self.index.knn_query(queries, k)[0]).astype(np.int64)

    def told_bytes(self) -> int | None:
        return int(self.index.index_file_size())

    @staticmethod
    def _empty(base: Float32, metric: str) -> Any:  # noqa: ANN401
        return need("hnswlib", "bench").Index(space="ip" if metric == "cosine" else "l2", dim=base.shape[1])


class USearch(System):
    """usearch, in float32 and in float16."""

    name = "usearch"
    stem = "usearch"

    def __init__(self, params: Params, index: Any) -> None:  # noqa: ANN401
        super().__init__(params)
        self.index, self.threads = index, 1

    @classmethod
    def builds(cls, n: int, d: int, metric: str) -> list[Params]:
        return [{"M": 16, "ef_construction": 200, "dtype": kind} for kind in ("f32", "f16")]

    @classmethod
    def build(cls, base: Float32, metric: str, params: Params, threads: int) -> Self:
        index = cls._empty(base, metric, params)
        index.add(np.arange(len(base), dtype=np.uint64), base, threads=threads)
        return cls(params, index)

    def save(self, path: Path) -> None:
        self.index.save(str(path))

    @classmethod
    def load(cls, path: Path, base: Float32, metric: str, params: Params) -> Self:
        index = cls._empty(base, metric, params)
        index.load(str(path))
        return cls(params, index)

    def settings(self) -> list[list[Params]]:
        return [[{"ef": width} for width in WIDTHS if width >= 10]]

    def use(self, setting: Params, threads: int) -> None:
        self.index.expansion_search, self.threads = setting["ef"], threads

    def many(self, queries: Float32, k: int) -> Int64:
        return np.asarray(self.index.search(queries, k, threads=self.threads).keys).astype(np.int64)

    def one(self, query: Float32, k: int) -> Int64:
        return np.asarray(self.index.search(query[0], k, threads=1).keys).astype(np.int64)[None]

    def told_bytes(self) -> int | None:
        return int(self.index.memory_usage)

    @staticmethod
    def _empty(base: Float32, metric: str, params: Params) -> Any:  # noqa: ANN401
        return need("usearch.index", "bench").Index(
            ndim=base.shape[1],
            metric="ip" if metric == "cosine" else "l2sq",
            dtype=params["dtype"],
            connectivity=params["M"],
            expansion_add=params["ef_construction"],
        )
