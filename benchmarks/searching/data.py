"""The data sets of the search benchmark: made by script, kept with their exact neighbours in a cache folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import shared_data
from benchmarks.searching.glove import HeavyTails, heavy_tailed
from benchmarks.searching.latents import latents_of_cifar
from benchmarks.searching.sift import sift_of_cifar
from benchmarks.searching.truth import exact, local_dimension, unit_rows
from hierindex.vectors import Float32, Int64

__all__ = ["SETS", "DataSet", "base_of", "load"]

DEPTH = 100  # exact neighbours kept for every query
Made = tuple[Float32, Float32, dict[str, Any]]


@dataclass(frozen=True)
class DataSet:
    """Vectors to search, unseen queries, and their exact neighbours.

    Attributes:
        name: of the set. metric: "l2" or "cosine"; rows of a cosine set have norm 1 here.
        base: ``(n, d)`` float32. queries: ``(q, d)`` float32, none of them a base row.
        truth: ``(q, 100)`` int64 rows of the nearest base rows, nearest first. reach: their squared distances.
        facts: how it was made, and how hard it is.
    """

    name: str
    metric: str
    base: Float32
    queries: Float32
    truth: Int64
    reach: Float32
    facts: dict[str, Any]

    def halves(self) -> tuple[DataSet, DataSet]:
        """The same base with the first half of the queries, to choose settings, and with the other, to report."""
        half = len(self.queries) // 2
        return self._only(slice(0, half)), self._only(slice(half, None))

    def only(self, queries: int) -> DataSet:
        """The same base with the first so many queries."""
        return self._only(slice(0, queries))

    def _only(self, which: slice) -> DataSet:
        return replace(self, queries=self.queries[which], truth=self.truth[which], reach=self.reach[which])


@dataclass(frozen=True)
class Recipe:
    """How a set is made: metric, rows and queries asked for, and the maker ``(rows, queries, encoder) -> arrays``."""

    metric: str
    rows: int
    queries: int
    make: Callable[[int, int, Path | None], Made]


def load(name: str, cache: Path, *, rows: int | None = None, encoder: Path | None = None) -> DataSet | None:
    """A data set from the cache, made first where it is missing.

    Args:
        name: one of `SETS`.
        cache: the folder; each set has a folder of its own in it.
        rows: only the first so many base rows; None takes all.
        encoder: weights of our encoder (``NAME.safetensors`` beside ``NAME.json``), for "cifar-latents".

    Returns:
        The set, or None where it needs an encoder and none is given: then a line says so.
    """
    recipe, folder = SETS[name], cache / name
    if not (folder / "query.npy").exists():
        if recipe.make is _latents and encoder is None:
            print(f"{name}: skipped, as it needs --encoder (weights that benchmarks.cifar100_train has learned)")
            return None
        _keep(folder, *recipe.make(recipe.rows, recipe.queries, encoder))
    whole = len(np.load(folder / "base.npy", mmap_mode="r"))
    rows = whole if rows is None else min(rows, whole)
    (base, metric), queries = base_of(name, cache, rows), np.load(folder / "query.npy")
    queries = unit_rows(queries) if metric == "cosine" else queries
    tag = "" if rows == whole else f"-{rows}"
    if not (folder / f"reach{tag}.npy").exists():
        reach, truth = exact(base, queries, DEPTH)
        _save(folder / f"truth{tag}.npy", truth)
        _save(folder / f"reach{tag}.npy", reach)
    truth, reach = np.load(folder / f"truth{tag}.npy"), np.load(folder / f"reach{tag}.npy")
    facts = json.loads((folder / "facts.json").read_text())
    facts |= {"rows": len(base), "d": base.shape[1], "queries": len(queries), "lid": local_dimension(reach)}
    return DataSet(name, metric, base, queries, truth, reach, facts)


def base_of(name: str, cache: Path, rows: int) -> tuple[Float32, str]:
    """The first base rows of a set that `load` has made, and its metric; rows of norm 1 for cosine."""
    base = np.load(cache / name / "base.npy", mmap_mode="r")[:rows]
    metric = SETS[name].metric
    return (unit_rows(base) if metric == "cosine" else np.array(base)), metric


def _bigann(rows: int, queries: int, encoder: Path | None) -> Made:  # noqa: ARG001 - one signature for all makers
    folder = shared_data("ann", "bigann10k")
    base = np.load(folder / "base.npy")
    # its 100 queries are its first rows, and too few: 1,000 random rows leave the base and are asked
    order = np.random.default_rng(0).permutation(len(base))
    facts = {"made": "BIGANN's first 10,000 vectors", "asked": "1,000 of them, taken out of the base", "seed": 0}
    return base[order[queries:]], base[order[:queries]], facts


def _sift(rows: int, queries: int, encoder: Path | None) -> Made:  # noqa: ARG001
    return sift_of_cifar(rows, queries)


def _latents(rows: int, queries: int, encoder: Path | None) -> Made:
    assert encoder is not None
    return latents_of_cifar(rows, queries, encoder)


def _glove(d: int) -> Callable[[int, int, Path | None], Made]:
    def make(rows: int, queries: int, encoder: Path | None) -> Made:  # noqa: ARG001
        how = HeavyTails(d=d)
        facts = {"made": "benchmarks/searching/glove.py", "asked": "drawn apart", "generator": how.to_json()}
        return heavy_tailed(rows, how), heavy_tailed(queries, how, part=1), facts

    return make


SETS = {
    "bigann10k": Recipe("l2", 9_000, 1_000, _bigann),
    "sift1m": Recipe("l2", 1_000_000, 10_000, _sift),
    "cifar-latents": Recipe("cosine", 50_000, 10_000, _latents),
    "glove-like": Recipe("cosine", 1_000_000, 10_000, _glove(100)),
    "ten-million": Recipe("cosine", 10_000_000, 10_000, _glove(32)),
}


def _keep(folder: Path, base: Float32, queries: Float32, facts: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    _save(folder / "base.npy", base)
    (folder / "facts.json").write_text(json.dumps(facts, indent=1))
    _save(folder / "query.npy", queries)  # last: what is there is whole


def _save(path: Path, array: np.ndarray[Any, Any]) -> None:
    part = path.with_suffix(".part.npy")
    np.save(part, array)
    part.replace(path)
