"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["replaced"]


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Somewhere to write to; it takes the place of ``path`` when all is written.

    Example:
        ``with replaced(path) as fresh: fresh.write_text("all of it")``
    """
    fresh = path.with_name(path.name + ".new")
    yield fresh
    with fresh.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(fresh, path)  # noqa: PTH105 - the atomic one, by its name
