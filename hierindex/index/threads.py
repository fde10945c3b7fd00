"""How many threads a search takes: FAISS's own, or several searches side by side."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import faiss

__all__ = ["in_parts", "omp_threads"]

T = TypeVar("T")
_LEAST = 32  # queries in a part: handing it over takes as long as searching one of them
_MOST = 4_096  # queries in a part: more of them share lists, and their tables still stay in the cache


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


def in_parts(search: Callable[[slice], T], n: int) -> list[T]:
    """What a search of n queries finds, by parts of them: as many at a time as FAISS would take threads.

    A batch of some size is faster by parts than step by step with all threads: NumPy's steps have several too, and
    nobody waits for the slowest thread of each step. Fewer queries are one part.

    Args:
        search: what is called with the queries of a part. Any number of threads may be in it at once.
        n: how many queries.

    Example:
        >>> with omp_threads(2):
        ...     in_parts(lambda part: (part.start, part.stop), 100)
        [(0, 50), (50, 100)]
    """
    threads = min(faiss.omp_get_max_threads(), n // _LEAST)
    if threads < 2:
        return [search(slice(0, n))]
    parts = threads * -(-n // (threads * _MOST))
    todo, found = deque(range(parts)), dict[int, T]()

    def work() -> None:
        with omp_threads(1):
            while todo:
                try:
                    part = todo.popleft()
                except IndexError:  # somebody else took the last
                    return
                found[part] = search(slice(part * n // parts, (part + 1) * n // parts))

    others = [_helpers().submit(work) for _ in range(threads - 1)]
    try:
        work()
    finally:
        todo.clear()  # after an error nobody goes on
        begun = [other for other in others if not other.cancel()]  # the rest waits behind other searches
        failed = [error for other in begun if (error := other.exception()) is not None]
    if failed:
        raise failed[0]
    return [found[part] for part in range(parts)]


@cache
def _helpers() -> ThreadPoolExecutor:
    """Threads of the process that wait for work; a thread that waits for them works too, so none waits for ever."""
    return ThreadPoolExecutor(max(1, os.cpu_count() or 1), thread_name_prefix="hierindex-search")


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_helpers.cache_clear)  # a child has none of its parent's threads
