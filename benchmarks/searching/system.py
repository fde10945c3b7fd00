"""What every system of the benchmark can do, behind one small interface."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

import faiss

from hierindex.errors import need
from hierindex.vectors import Float32, Int64

__all__ = ["Params", "System", "label", "take"]

Params = dict[str, Any]  # plain values only: they are printed and kept in the results


class System(ABC):
    """One way to search, built with one set of parameters.

    A build is a class method; an instance holds an index. `use` sets what a search does and is not timed; `many` and
    `one` are.

    Attributes:
        name: of the system.
        params: what it was built with.
        kept: whether a build is worth keeping in the cache (ours never is, as its code changes).
        stem: what its builds are called in the cache; systems that search one build in two ways share it.
        promises: whether the recall is asked for (``{"recall": r}``) rather than chosen from a sweep of settings.
    """

    name: ClassVar[str]
    stem: ClassVar[str]
    kept: ClassVar[bool] = True
    promises: ClassVar[bool] = False

    def __init__(self, params: Params) -> None:
        self.params = params

    @classmethod
    def wake(cls) -> None:
        """Import what a build imports, so that memory counts the index alone."""
        return

    @classmethod
    @abstractmethod
    def builds(cls, n: int, d: int, metric: str) -> list[Params]:
        """The parameters to try for n rows of d dimensions and a metric."""

    @classmethod
    @abstractmethod
    def build(cls, base: Float32, metric: str, params: Params, threads: int) -> Self:
        """Index ``base`` ``(n, d)`` for "l2", or for "cosine" where rows have norm 1, on so many threads."""

    def save(self, path: Path) -> None:
        """Write the index, where builds are kept."""
        raise NotImplementedError

    @classmethod
    def load(cls, path: Path, base: Float32, metric: str, params: Params) -> Self:
        """Read what `save` wrote; ``base`` are the same rows."""
        raise NotImplementedError

    @abstractmethod
    def settings(self) -> list[list[Params]]:
        """The search settings to try: lines along which effort and recall grow; the line that can reach most first."""

    @abstractmethod
    def use(self, setting: Params, threads: int) -> None:
        """Search with this from now on."""

    @abstractmethod
    def many(self, queries: Float32, k: int) -> Int64:
        """Rows ``(q, k)`` for many queries at once."""

    def one(self, query: Float32, k: int) -> Int64:
        """Rows ``(1, k)`` for one query ``(1, d)``."""
        return self.many(query, k)

    def told_bytes(self) -> int | None:
        """The memory that the library itself says it takes; None where it says nothing."""
        return None

    def facts(self) -> dict[str, Any]:
        """What else there is to say of this index."""
        return {}


def take(threads: int) -> None:
    """FAISS, and the matrix products of NumPy and FAISS, take so many threads from now on."""
    need("threadpoolctl", "bench").threadpool_limits(threads)
    faiss.omp_set_num_threads(threads)


def label(params: Params) -> str:
    """Parameters in one word: ``M=16,ef=200``.

    Example:
        >>> label({"M": 16, "ef": 200})
        'M=16,ef=200'
    """
    return ",".join(f"{name}={value}" for name, value in params.items()) or "-"
