"""The vectors of an index in one plain file, to be mapped into memory instead of held there: a cache.

    rows/000001.f32     the vectors by rising seq, float32, little-endian; then a hole
    rows/000001.json    which they are: parts of which version, how many, and a digest of their seq

The description is written last and says how much of the file counts. A version whose parts begin with those of the file
has its later rows written behind them; any other is written anew under the next number, and the older files are removed
(who has them mapped keeps them). Nothing is read that the description of the right parts does not vouch for, so a file
that is missing, cut off or of another state costs time, nothing else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hierindex.errors import HierIndexError, InputError
from hierindex.index.mapped import MappedRows, RowFile, lengthen, room_for, unwritable
from hierindex.storage.chunks import vectors_in
from hierindex.storage.files import Place, new_file, next_generation, reading, sync_folder
from hierindex.storage.parts import Part, groups
from hierindex.storage.sealed import digest, dumps
from hierindex.storage.turn import turn
from hierindex.vectors import Float32, Int64

__all__ = ["RowCache", "RowsIn", "Wanted"]

_AT_ONCE = 8_192  # rows read at once
_PATIENCE = 24 * 3600.0  # seconds to wait for another process that writes the same file


class RowsIn(Enum):
    """Where the float32 rows of an open index are: in memory, or mapped from a file."""

    MEMORY = "memory"
    MAPPED = "mapped"


@dataclass(frozen=True)
class Wanted:
    """The rows of a version.

    Attributes:
        parts: what they are read from.
        schema: of the parts.
        place: ``(n,)`` for the rows of all parts, one part after the other: at which place each goes, -1 for nowhere.
        seq: of the rows by place, rising.
        dim: d.
    """

    parts: list[Part]
    schema: pa.Schema
    place: Int64
    seq: Int64
    dim: int

    def about(self) -> dict[str, Any]:
        """What describes the file of these rows."""
        parts = [[part.path.name, part.size, part.rows] for part in self.parts]
        return {"dim": self.dim, "rows": len(self.seq), "parts": parts, "seq": _digest(self.seq)}

    def begins_with(self, about: dict[str, Any]) -> bool:
        """Whether the rows that a description speaks of are the first ones of these, and of whole parts of these."""
        n, known = int(about["rows"]), self.about()
        stored = sum(int(rows) for _, _, rows in about["parts"])
        return (
            about["dim"] == self.dim
            and n <= len(self.seq)
            and about["parts"] == known["parts"][: len(about["parts"])]
            and about["seq"] == _digest(self.seq[:n])
            and bool((self.place[:stored] < n).all() and ((self.place[stored:] < 0) | (self.place[stored:] >= n)).all())
        )


@dataclass(frozen=True)
class RowCache:
    """A folder with the file of one index's rows.

    Attributes:
        folder: it is made where it is missing.
    """

    folder: Path

    @classmethod
    def at(cls, index: Place, folder: str | os.PathLike[str] | None) -> RowCache:
        """The cache of the index at a place: the folder of that name, or ``rows`` in the index.

        Raises:
            InputError: the index is in an object store, and no folder is named.
        """
        if folder is not None:
            return cls(Path(folder))
        if not isinstance(index, Path):
            raise InputError(
                f"rows_folder should name a folder on this machine, for {index} lies in an object store; found none"
            )
        return cls(index / "rows")

    def moved(self, old: Place, new: Place) -> RowCache:
        """The cache of an index that is saved to another place: in the new one where it was in the old one."""
        inside = isinstance(old, Path) and isinstance(new, Path) and self.folder == old / "rows"
        return RowCache.at(new, None) if inside else self

    def rows(self, wanted: Wanted) -> MappedRows:
        """The rows of a version, mapped; the file is written or made longer first where it has to be.

        Raises:
            CorruptIndexError: a part is damaged.
            StorageError: the folder cannot be written, or the disk is full.
        """
        found = self._known(wanted)
        if found is None:
            with self._writing(), turn(self.folder, _PATIENCE):
                found = self._known(wanted)  # another process may have done it meanwhile
                if found is None:
                    number = self._longer(wanted)
                    if number is None:
                        number = self._anew(wanted)
                    found = RowFile.open(self._path(number), len(wanted.seq), wanted.dim)
        return MappedRows.of(found)

    def _known(self, wanted: Wanted) -> RowFile | None:
        """The file, where it holds just these rows."""
        for number, about in self._descriptions():
            if about == wanted.about():
                with suppress(FileNotFoundError):  # somebody has just written another one
                    return RowFile.open(self._path(number), len(wanted.seq), wanted.dim)
        return None

    def _longer(self, wanted: Wanted) -> int | None:
        """The number of a file that holds the first of these rows and now has the others behind them; None for none."""
        for number, about in self._descriptions():
            if wanted.begins_with(about):
                with self._path(number).open("r+b") as file:
                    _put(file.fileno(), wanted, len(about["parts"]))
                self._describe(number, wanted)
                return number
        return None

    def _anew(self, wanted: Wanted) -> int:
        def write(number: int) -> None:
            with new_file(self._path(number)) as file:
                _put(file.fileno(), wanted, 0)

        older = list(self.folder.iterdir())
        number = next_generation(self.folder, write)
        self._describe(number, wanted)
        for path in older:
            if path.name[:6].isdigit() and path.suffixes[:1] in ([".f32"], [".json"]):
                path.unlink(missing_ok=True)
        return number

    def _describe(self, number: int, wanted: Wanted) -> None:
        body = wanted.about()
        text = json.dumps({"sha256": digest(dumps(body, "rows")), "body": body})
        temporary = self.folder / f"{number:06d}.json.tmp"
        with temporary.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.folder / f"{number:06d}.json")
        sync_folder(self.folder)

    def _descriptions(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """The files that are there and as long as their descriptions say, the newest first."""
        for path in sorted(self.folder.glob("[0-9]*.json"), reverse=True):
            with suppress(OSError, ValueError, LookupError, TypeError, HierIndexError):
                sealed = json.loads(path.read_text())
                about, number = sealed["body"], int(path.stem)
                whole = self._path(number).stat().st_size >= 4 * int(about["dim"]) * int(about["rows"])
                if whole and sealed["sha256"] == digest(dumps(about, "rows")):
                    yield number, about

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.f32"

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            yield
        except OSError as error:
            raise unwritable(self.folder, error) from error


def _put(handle: int, wanted: Wanted, first: int) -> None:
    """Write the vectors of the parts from the ``first`` on to their places, and a hole behind them."""
    starts = [0, *accumulate(part.rows for part in wanted.parts)]
    for part, start in zip(wanted.parts[first:], starts[first:], strict=False):
        at = start
        for table in groups(part, wanted.schema, ["vector"], _AT_ONCE):
            for chunk in table["vector"].chunks:
                with reading(part.path):
                    vectors = vectors_in(chunk, wanted.dim)
                _write(handle, vectors, wanted.place[at : at + len(chunk)])
                at += len(chunk)
    lengthen(handle, room_for(len(wanted.seq)) * 4 * wanted.dim)
    os.fsync(handle)


def _write(handle: int, vectors: Float32, place: Int64) -> None:
    """Write vectors ``(m, d)`` to their places ``(m,)``; a run of places that follow one another at once."""
    kept = np.flatnonzero(place >= 0)
    ends = np.flatnonzero((np.diff(place[kept]) != 1) | (np.diff(kept) != 1)) + 1
    for run in np.split(kept, ends):
        if len(run):
            left = memoryview(vectors[run[0] : run[-1] + 1].tobytes())
            at = int(place[run[0]]) * 4 * vectors.shape[1]
            while left:
                written = os.pwrite(handle, left, at)
                left, at = left[written:], at + written


def _digest(seq: Int64) -> str:
    return digest(np.ascontiguousarray(seq, dtype="<i8").tobytes())
