"""How many threads a step takes: FAISS's own, or several of Python's for what NumPy does."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import faiss

__all__ = ["in_parts", "omp_threads"]


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


def in_parts(work: Callable[[slice], None], n: int, size: int) -> None:
    """Work on n things by parts of at most ``size``: on as many at a time as FAISS would take threads.

    For steps in NumPy, which takes one thread and lets others run meanwhile. A part should take a millisecond or more:
    the threads wait for each other between NumPy's calls.

    Args:
        work: what is called with each part, by any number of threads at once.
        n: how many things.
        size: how many make a part.

    Example:
        >>> done = [False] * 5
        >>> in_parts(lambda part: done.__setitem__(part, [True] * len(done[part])), 5, 2)
        >>> done
        [True, True, True, True, True]
    """
    parts = [slice(start, min(n, start + size)) for start in range(0, n, size)]
    threads = min(faiss.omp_get_max_threads(), len(parts))
    if threads < 2:  # another number of threads for a moment would send FAISS's to sleep
        for part in parts:
            work(part)
        return
    todo = deque(parts)

    def some() -> None:
        with omp_threads(1):
            while todo:
                try:
                    part = todo.popleft()
                except IndexError:  # somebody else took the last
                    return
                work(part)

    others = [_helpers().submit(some) for _ in range(threads - 1)]
    try:
        some()
    finally:
        todo.clear()  # after an error nobody goes on
        begun = [other for other in others if not other.cancel()]  # the rest waits behind other searches
        failed = [error for other in begun if (error := other.exception()) is not None]
    if failed:
        raise failed[0]


@cache
def _helpers() -> ThreadPoolExecutor:
    """Threads of the process that wait for work; a thread that waits for them works too, so none waits for ever."""
    return ThreadPoolExecutor(max(1, os.cpu_count() or 1), thread_name_prefix="hierindex")


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_helpers.cache_clear)  # a child has none of its parent's threads
