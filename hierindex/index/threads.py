"""How many OpenMP threads FAISS takes."""

from __future__ import annotations

import faiss

__all__ = ["omp_threads"]


class omp_threads:  # noqa: N801 - reads as the function that it stands for; a generator would cost a search 3 us
    """FAISS's threads inside the block, for the calling thread only (OpenMP keeps the number by thread).

    Args:
        n: how many; None leaves the number as it is.

    Example:
        >>> with omp_threads(1):
        ...     faiss.omp_get_max_threads()
        1
    """

    __slots__ = ("_before", "_n")

    def __init__(self, n: int | None) -> None:
        self._n = n
        self._before: int | None = None

    def __enter__(self) -> None:
        before = faiss.omp_get_max_threads()
        if self._n is not None and self._n != before:
            faiss.omp_set_num_threads(self._n)
            self._before = before

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            faiss.omp_set_num_threads(self._before)
