"""The memory of Ray's processes, read from the system while something runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Peaks", "watching"]

_EVERY = 0.25


class Peaks:
    """The most memory that processes of each name had, in bytes: what only they hold, without shared pages."""

    def __init__(self) -> None:
        self.by_process: dict[tuple[str, int], int] = {}

    def of(self, name: str) -> list[int]:
        """The peaks of all processes whose name contains ``name``, largest first."""
        return sorted((peak for (each, _), peak in self.by_process.items() if name in each), reverse=True)

    def look(self) -> None:
        """Look once at every process whose name begins with ``ray::``."""
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                name = (folder / "cmdline").read_bytes().split(b"\0")[0].decode()
                if name.startswith("ray::"):
                    status = (folder / "status").read_text()
                    anonymous = int(status.split("RssAnon:")[1].split()[0]) * 1024
                    key = (name, int(folder.name))
                    self.by_process[key] = max(self.by_process.get(key, 0), anonymous)
            except (OSError, IndexError, ValueError):  # it ended while it was looked at
                continue


@contextmanager
def watching() -> Iterator[Peaks]:
    """Looks four times a second until the block ends."""
    peaks, over = Peaks(), threading.Event()

    def look() -> None:
        while not over.wait(_EVERY):
            peaks.look()

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        over.set()
        thread.join()
