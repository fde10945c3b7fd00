"""FAISS: flat, IVF, IVF-PQ fast-scan with exact re-ranking by two routes, HNSW."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import faiss
import numpy as np

from benchmarks.searching.grids import WIDTHS, list_counts
from benchmarks.searching.system import Params, System, take
from benchmarks.searching.truth import by_blocks
from hierindex.vectors import Float32, Int64

__all__ = ["FaissFlat", "FaissHNSW", "FaissIVF", "FaissRefine", "FaissRerank"]

_raw: Any = faiss  # the stubs that FAISS ships lack much of what is called here


class _Faiss(System):
    """An index that FAISS can write and read; cosine is L2 of unit rows, which has the same order."""

    def __init__(self, params: Params, index: Any, base: Float32) -> None:  # noqa: ANN401 - some keep the base
        super().__init__(params)
        self.index, self.parameters = index, cast("Any", None)

    def save(self, path: Path) -> None:
        faiss.write_index(self.index, str(path))

    @classmethod
    def load(cls, path: Path, base: Float32, metric: str, params: Params) -> Self:
        return cls(params, faiss.read_index(str(path)), base)

    def many(self, queries: Float32, k: int) -> Int64:
        return np.asarray(self.index.search(queries, k, params=self.parameters)[1], dtype=np.int64)


class FaissFlat(_Faiss):
    """Every row compared, row by row or in blocks by matrix products, whichever is faster (see `by_blocks`)."""

    name = "faiss flat"
    stem = "faiss-flat"
    kept = False
    way: Callable[[], AbstractContextManager[None]] = nullcontext

    @classmethod
    def builds(cls, n: int, d: int, metric: str) -> list[Params]:
        return [{}]

    @classmethod
    def build(cls, base: Float32, metric: str, params: Params, threads: int) -> Self:
        take(threads)
        index = (_raw.IndexFlatIP if metric == "cosine" else _raw.IndexFlatL2)(base.shape[1])
        index.add(base)
        return cls(params, index, base)

    def settings(self) -> list[list[Params]]:
        return [[{"blocks": False}], [{"blocks": True}]]

    def use(self, setting: Params, threads: int) -> None:
        take(threads)
        self.way = by_blocks if setting["blocks"] else nullcontext

    def many(self, queries: Float32, k: int) -> Int64:
        with self.way():
            return super().many(queries, k)


class FaissIVF(_Faiss):
    """Inverted lists of float32 rows."""

    name = "faiss IVF-Flat"
    stem = "faiss-ivfflat"

    @classmethod
    def builds(cls, n: int, d: int, metric: str) -> list[Params]:
        return [{"nlist": nlist} for nlist in list_counts(n)]

    @classmethod
    def build(cls, base: Float32, metric: str, params: Params, threads: int) -> Self:
        return cls(params, _trained(f"IVF{params['nlist']},Flat", base, threads), base)

    def settings(self) -> list[list[Params]]:
        return [[{"nprobe": nprobe} for nprobe in WIDTHS if nprobe <= self.params["nlist"]]]

    def use(self, setting: Params, threads: int) -> None:
        take(threads)
        self.parameters = _raw.SearchParametersIVF(nprobe=setting["nprobe"])


class _FastScan(_Faiss):
    """4-bit product codes in inverted lists, scanned in registers; the best candidates are compared by their rows.

    Of all dimensions, two a code; and of the stronger half of the principal axes, turned so that all are as strong
    (``PCAR``), which is half the codes and on most data no worse than all dimensions with four a code.
    """

    factors: ClassVar[tuple[int, ...]] = (40, 20, 12, 8, 5, 3, 2)  # candidates for each neighbour asked

    @classmethod
    def builds(cls, n: int, d: int, metric: str) -> list[Params]:
        whole = {"M": d // 2 if d % 2 == 0 else d}
        codes = [whole, {"M": d // 4, "turned": 2 * (d // 4)}] if d >= 16 else [whole]
        return [{"nlist": nlist} | code for nlist, code in itertools.product(list_counts(n), codes)]

    @classmethod
    def build(cls, base: Float32, metric: str, params: Params, threads: int) -> Self:
        turn = f"PCAR{params['turned']}," if "turned" in params else ""
        return cls(params, _trained(f"{turn}IVF{params['nlist']},PQ{params['M']}x4fs", base, threads), base)

    def settings(self) -> list[list[Params]]:
        probes = [nprobe for nprobe in WIDTHS if nprobe <= self.params["nlist"]]
        return [[{"nprobe": nprobe, "factor": factor} for nprobe in probes] for factor in self.factors]

    def probing(self, setting: Params) -> Any:  # noqa: ANN401
        """Search parameters of the lists."""
        lists = _raw.SearchParametersIVF(nprobe=setting["nprobe"])
        return _raw.SearchParametersPreTransform(index_params=lists) if "turned" in self.params else lists


class FaissRefine(_FastScan):
    """The library's own second stage, ``IndexRefineFlat``."""

    name = "faiss IVF-PQfs, RFlat"
    stem = "faiss-ivfpqfs"

    def __init__(self, params: Params, index: Any, base: Float32) -> None:  # noqa: ANN401
        super().__init__(params, index, base)
        rows = _raw.IndexFlatL2(base.shape[1])
        rows.add(base)
        self.parts = index, rows  # IndexRefine does not own them
        self.refined = _raw.IndexRefine(index, rows)

    def use(self, setting: Params, threads: int) -> None:
        take(threads)
        self.parameters = _raw.IndexRefineSearchParameters(
            k_factor=setting["factor"], base_index_params=self.probing(setting)
        )

    def many(self, queries: Float32, k: int) -> Int64:
        return np.asarray(self.refined.search(queries, k, params=self.parameters)[1], dtype=np.int64)


class FaissRerank(_FastScan):
    """The same with ``knn_L2sqr_by_idx`` over the caller's rows: the fastest second stage found in FAISS."""

    name = "faiss IVF-PQfs, re-rank"
    stem = "faiss-ivfpqfs"

    def __init__(self, params: Params, index: Any, base: Float32) -> None:  # noqa: ANN401
        super().__init__(params, index, base)
        self.base, self.factor = base, 1

    def use(self, setting: Params, threads: int) -> None:
        take(threads)
        self.parameters = self.probing(setting)
        self.factor = int(setting["factor"])

    def many(self, queries: Float32, k: int) -> Int64:
        wide = k * self.factor
        _, candidates = self.index.search(queries, wide, params=self.parameters)
        q, (n, d) = np.ascontiguousarray(queries), self.base.shape
        distances = np.empty((len(q), k), dtype=np.float32)
        rows = np.empty((len(q), k), dtype=np.int64)
        at = faiss.swig_ptr  # a bare address: every array above lives until this function returns
        _raw.knn_L2sqr_by_idx(
            at(q), at(self.base), at(candidates), d, len(q), n, wide, k, at(distances), at(rows), wide
        )
        return rows


class FaissHNSW(_Faiss):
    """FAISS's graph."""

    name = "faiss HNSW"
    stem = "faiss-hnsw"

    @classmethod
    def builds(cls, n: int, d: int, metric: str) -> list[Params]:
        return [{"M": m, "ef_construction": 200} for m in (16, 32)]

    @classmethod
    def build(cls, base: Float32, metric: str, params: Params, threads: int) -> Self:
        take(threads)
        index = _raw.IndexHNSWFlat(base.shape[1], params["M"])
        index.hnsw.efConstruction = params["ef_construction"]
        index.add(base)
        return cls(params, index, base)

    def settings(self) -> list[list[Params]]:
        return [[{"ef": width} for width in WIDTHS if width >= 10]]

    def use(self, setting: Params, threads: int) -> None:
        take(threads)
        self.parameters = _raw.SearchParametersHNSW(efSearch=setting["ef"])


def _trained(factory: str, base: Float32, threads: int) -> Any:  # noqa: ANN401
    take(threads)
    index = _raw.index_factory(base.shape[1], factory)
    index.train(base)
    index.add(base)
    return index
