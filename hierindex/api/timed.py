"""Progress that also keeps the seconds of each stage, so that an index can say what its making took."""

from __future__ import annotations

import time

from hierindex.progress import Progress

__all__ = ["Timed"]


class Timed:
    """Passes everything on to another `Progress` and keeps time.

    Example:
        >>> from hierindex.progress import Silent
        >>> timed = Timed(Silent())
        >>> timed.stage("encode", 1)
        >>> list(timed.seconds())
        ['encode']
    """

    def __init__(self, inner: Progress) -> None:
        self._inner = inner
        self._starts: list[tuple[str, float]] = []

    def stage(self, name: str, total: int) -> None:
        """A stage begins; the one before is over."""
        self._starts.append((name, time.perf_counter()))
        self._inner.stage(name, total)

    def step(self, n: int = 1, note: str = "") -> None:
        """Steps of the stage are done."""
        self._inner.step(n, note)

    def seconds(self) -> dict[str, float]:
        """Seconds of each stage until now, in order; a name that came twice is summed."""
        ends = [start for _, start in self._starts[1:]] + [time.perf_counter()]
        total: dict[str, float] = {}
        for (name, start), end in zip(self._starts, ends, strict=True):
            total[name] = round(total.get(name, 0.0) + end - start, 3)
        return total
