"""Image files: a folder of them, or a list of paths."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hierindex.errors import EmptyInputError
from hierindex.learning.sources.pixels import Raw, UnreadableError

__all__ = ["SUFFIXES", "FileItems", "scan_folder"]

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".gif", ".ppm", ".pgm", ".pbm", ".avif", ".jp2")
"""Endings, in any case, of the files that count as images in a folder."""


@dataclass(frozen=True)
class FileItems:
    """Image files and what to call them; see `Items`."""

    paths: Sequence[Path]
    names: list[str]
    encoded: bool = True

    def __len__(self) -> int:
        """How many there are."""
        return len(self.paths)

    def label(self, row: int) -> str:
        """The file's name."""
        return self.names[row]

    def fetch(self, rows: Sequence[int]) -> list[Raw | UnreadableError]:
        """The paths."""
        return [self.paths[row] for row in rows]


def scan_folder(folder: Path) -> FileItems:
    """All images in a folder and the folders in it, in sorted order; names are relative, with forward slashes.

    Links to folders are followed, but never back to a folder above. Names that begin with a dot are passed over, for
    they hold previews and other shadows of the images.

    Raises:
        EmptyInputError: there is no file with an image's suffix.
    """
    names = list(_walk(folder, "", frozenset()))
    if not names:
        tables = sum(1 for _ in folder.rglob("*.parquet"))
        hint = f"; it holds {tables} Parquet file(s), give those as a list of paths" if tables else ""
        raise EmptyInputError(
            f"the folder {folder} should hold images, directly or in folders; found no file that ends in one of "
            f"{', '.join(SUFFIXES)}{hint}"
        )
    return FileItems([folder / name for name in names], names)


def _walk(folder: Path, prefix: str, above: frozenset[str]) -> Iterator[str]:
    real = os.path.realpath(folder)
    if real in above:
        return
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(Path(entry.path), f"{prefix}{entry.name}/", above | {real})
        elif entry.name.lower().endswith(SUFFIXES):
            yield prefix + entry.name
