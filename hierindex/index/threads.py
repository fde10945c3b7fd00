"""How many OpenMP threads FAISS takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import faiss

__all__ = ["omp_threads"]


@contextmanager
def omp_threads(n: int | None) -> Iterator[None]:
    """FAISS's threads inside the block, for the calling thread only (OpenMP keeps the number by thread).

    Args:
        n: how many; None leaves the number as it is.
    """
    if n is None:
        yield
        return
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(n)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
