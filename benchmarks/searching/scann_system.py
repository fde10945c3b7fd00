"""ScaNN: tree, asymmetric hashing, exact reordering; built as its documentation advises for each size."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Self

import numpy as np

from benchmarks.searching.grids import WIDTHS
from benchmarks.searching.system import Params, System
from hierindex.errors import need
from hierindex.vectors import Float32, Int64

__all__ = ["Scann"]


class Scann(System):
    """Google's ScaNN. ``leaves=0``: no tree, which it advises below 100,000 rows. SOAR is for inner products only."""

    name = "ScaNN"
    stem = "scann"

    def __init__(self, params: Params, index: Any) -> None:  # noqa: ANN401
        super().__init__(params)
        self.index, self.parallel = index, False
        self.setting: Params = {}

    @classmethod
    def wake(cls) -> None:
        need("scann.scann_ops.py.scann_ops_pybind", "bench")

    @classmethod
    def builds(cls, n: int, d: int, metric: str) -> list[Params]:
        root = round(math.sqrt(n))
        trees = [{"leaves": leaves, "block": 2, "soar": False} for leaves in (root // 2, root, 2 * root, 4 * root)]
        spilled = [{"leaves": 2 * root, "block": 2, "soar": True}] if metric == "cosine" else []
        whole = [{"leaves": 0, "block": 2, "soar": False}] if n <= 100_000 else []
        return trees + spilled + whole

    @classmethod
    def build(cls, base: Float32, metric: str, params: Params, threads: int) -> Self:
        scann = need("scann.scann_ops.py.scann_ops_pybind", "bench")
        by_product = metric == "cosine"
        making = scann.builder(base, 10, "dot_product" if by_product else "squared_l2").set_n_training_threads(threads)
        if params["leaves"]:
            making = making.tree(
                params["leaves"],
                10,
                training_sample_size=min(len(base), 256 * params["leaves"]),
                spherical=by_product,
                soar_lambda=1.5 if params["soar"] else None,
                overretrieve_factor=2.0 if params["soar"] else None,
            )
        threshold = 0.2 if by_product else math.nan
        making = making.score_ah(params["block"], anisotropic_quantization_threshold=threshold)
        return cls(params, making.reorder(100).build())

    def save(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.index.serialize(str(path))

    @classmethod
    def load(cls, path: Path, base: Float32, metric: str, params: Params) -> Self:
        return cls(params, need("scann.scann_ops.py.scann_ops_pybind", "bench").load_searcher(str(path)))

    def settings(self) -> list[list[Params]]:
        leaves = [width for width in WIDTHS if width <= self.params["leaves"]] or [0]
        return [
            [{"leaves": width, "reorder": reorder} for width in leaves] for reorder in (400, 200, 120, 80, 50, 30, 20)
        ]

    def use(self, setting: Params, threads: int) -> None:
        self.setting, self.parallel = setting, threads > 1
        self.index.set_num_threads(max(1, threads - 1))  # the calling thread works too

    def many(self, queries: Float32, k: int) -> Int64:
        search = self.index.search_batched_parallel if self.parallel else self.index.search_batched
        return np.asarray(search(queries, k, self.setting["reorder"], self.setting["leaves"] or None)[0]).astype(
            np.int64
        )

    def one(self, query: Float32, k: int) -> Int64:
        reorder, leaves = self.setting["reorder"], self.setting["leaves"] or -1
        return np.asarray(self.index.search(query[0], k, reorder, leaves)[0]).astype(np.int64)[None]
