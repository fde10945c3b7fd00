"""The files of a version before it is published: written first, taken back if the version does not come about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from hierindex.errors import ConflictError
from hierindex.storage.files import Place, make_folder, remove, saving, sync_folder
from hierindex.storage.history import LOG
from hierindex.storage.model_file import ModelFile, model_path, write_model
from hierindex.storage.parts import Part, write_parts
from hierindex.storage.removed_file import Removed, removed_path, write_removed
from hierindex.storage.tree_file import TreeFile, tree_path, write_tree
from hierindex.vectors import Int64

__all__ = ["CODES", "MODEL", "POINTS", "REMOVED", "TREE", "Draft", "drafting"]

POINTS, TREE, MODEL, REMOVED, CODES = "points", "tree", "model", "removed", "codes"


class Draft:
    """Writes generations and parts below one index, and remembers them."""

    def __init__(self, path: Place) -> None:
        self._path = path
        self._written: list[Place] = []
        self._new = isinstance(path, Path) and not (path / POINTS / LOG).exists()
        self._handed_over = False

    def tree(self, tree: TreeFile, least: int = 1) -> int:
        """Write a generation of the tree, in a format version of at ``least`` this; its number."""
        number = write_tree(self._path / TREE, replace(tree, format=max(tree.format, least)))
        self._written.append(tree_path(self._path / TREE, number))
        return number

    def model(self, model: ModelFile) -> int:
        """Write a generation of the model; its number."""
        number = write_model(self._path / MODEL, model)
        self._written.append(model_path(self._path / MODEL, number))
        return number

    def removed(self, seq: Int64) -> Removed:
        """Write a generation of the removed rows ``(n,)``, rising; none is written where there are none."""
        if not len(seq):
            return Removed.none()
        removed = write_removed(self._path / REMOVED, seq)
        self._written.append(removed_path(self._path / REMOVED, removed.number))
        return removed

    def parts(self, tables: Iterable[pa.Table], schema: pa.Schema) -> list[Part]:
        """Write points; the parts they are in."""
        folder = self._path / POINTS
        make_folder(folder)
        parts = []
        for part in write_parts(folder, tables, schema):
            self._written.append(part.path)
            parts.append(part)
        return parts

    def hand_over(self) -> None:
        """All is written: from here on the commit decides, and only a conflict takes the files back."""
        if isinstance(self._path, Path) and self._new:
            for folder in (self._path, self._path.absolute().parent):  # new names of folders
                sync_folder(folder)
        self._handed_over = True

    def discard(self, error: BaseException) -> None:
        """Take the files back, unless ``error`` leaves open whether they are published."""
        if self._handed_over and not isinstance(error, ConflictError):
            return
        for path in self._written:
            remove(path)
        if isinstance(self._path, Path):
            for name in (POINTS, TREE, MODEL, REMOVED):  # folders made in vain; those of an index are not empty
                with suppress(OSError):
                    (self._path / name).rmdir()


@contextmanager
def drafting(path: Place) -> Iterator[Draft]:
    """A draft of the next version of the index at ``path``.

    Raises:
        StorageError: the disk cannot be written.
    """
    draft = Draft(path)
    try:
        with saving(path):
            yield draft
    except BaseException as error:
        with suppress(OSError):
            draft.discard(error)
        raise
