"""A large source cut into pieces that one worker reads at a time: rows of numbers, or images.

Every row has its number in the whole, known from footers and lists before anything is read: so ids do not depend on who
reads what, and a build gives the same points however many workers there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from hierindex.errors import EmptyInputError, InputError
from hierindex.vectors import Float32, Ids, Int64, as_vectors

__all__ = ["Batch", "Piece", "Reading", "dim_of", "images_of", "pieces_of", "read_piece"]

_IMAGES_AT_ONCE = 1_024
_BYTES_AT_ONCE = 32 * 2**20  # of vectors: as much as a row group of the index's own files


@dataclass(frozen=True)
class Reading:
    """How a source is read.

    Attributes:
        images: whether it holds images; else vectors.
        vectors: the column of vectors in a Parquet file. image: that of encoded images.
        ids: the column of ids; None numbers the rows (image files are called by their paths).
        payload: columns to keep with the points.
        image_size, image_mode: as in `BuildConfig`.
    """

    images: bool = False
    vectors: str = "vector"
    image: str = "image"
    ids: str | None = None
    payload: tuple[str, ...] = ()
    image_size: int | None = None
    image_mode: str | None = None


@dataclass(frozen=True)
class Piece:
    """A run of rows that is read at once.

    Attributes:
        path: the file; of images in a folder, the folder.
        start: the number of its first row in the whole. rows: how many.
        group: the row group of a Parquet file. first: the first row of a ``.npy`` file.
        names: files of a folder, relative to it.
    """

    path: str
    start: int
    rows: int
    group: int = -1
    first: int = 0
    names: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Batch:
    """What was read: prepared vectors ``(n, d)``, ids, numbers in the whole, payload."""

    rows: Float32
    ids: Ids
    number: Int64
    payload: pa.Table | None


def pieces_of(source: str | Path | Sequence[str | Path], reading: Reading) -> list[Piece]:
    """The pieces of a source.

    Args:
        source: Parquet files, ``.npy`` files, folders of them (here or in an object store), or a folder of images.
        reading: which columns are wanted.

    Raises:
        InputError: a file is none of these, or lacks a column. EmptyInputError: no rows.

    Example:
        ``pieces_of("s3://bucket/embeddings/", Reading(vectors="embedding", ids="id"))``
    """
    given = [source] if isinstance(source, (str, Path)) else list(source)
    if reading.images and len(given) == 1 and Path(given[0]).is_dir() and not list(Path(given[0]).glob("*.parquet")):
        return list(_of_folder(Path(given[0])))
    pieces: list[Piece] = []
    start = 0
    for path in (file for each in given for file in _files(str(each))):
        more = list(_of_npy(path, start) if path.endswith(".npy") else _of_parquet(path, start, reading))
        start += sum(piece.rows for piece in more)
        pieces += more
    if not start:
        raise EmptyInputError(f"a source should hold at least one row; found none in {given[:3]}")
    return pieces


def read_piece(piece: Piece, reading: Reading, prepared: Callable[[Any], Float32], some: Int64 | None = None) -> Batch:
    """The rows of a piece, as the index compares them; or ``some`` of them by their place in it.

    Args:
        piece: which.
        reading: how.
        prepared: from pixels or vectors as they are stored to vectors ``(n, d)`` of the index.
        some: places in the piece; None for all.

    Raises:
        InputError: and its kinds, for rows or images that cannot be read.
    """
    at = np.arange(piece.rows, dtype=np.int64) if some is None else some
    if reading.images:
        data, names = images_of(piece, reading, at)
    else:
        data, names = _vectors(piece, reading, at), None
    rows = prepared(data)
    table = _columns(piece, reading, at)
    number = piece.start + at
    ids: Ids = number
    if reading.ids is not None and table is not None:
        ids = table[reading.ids].to_numpy()
    elif names is not None:
        ids = np.array(names, object)
    payload = table.select(list(reading.payload)) if table is not None and reading.payload else None
    return Batch(rows, ids, number, payload)


def dim_of(piece: Piece, reading: Reading) -> int:
    """How wide the vectors of a piece are."""
    return int(_vectors(piece, reading, np.zeros(1, np.int64)).shape[1])


def images_of(piece: Piece, reading: Reading, at: Int64) -> tuple[Any, list[str] | None]:
    """Pixels ``(n, h, w, c)`` of some images of a piece, and their names where they are files.

    Raises:
        ImageError: an image cannot be read, or its size or channels differ from the others'.
    """
    from hierindex.learning.sources import open_images

    names = [piece.names[i] for i in at.tolist()] if piece.names else None
    if names is not None:
        given: list[Any] = [Path(piece.path) / name for name in names]
    else:
        column = _group(piece, [reading.image]).column(0).take(pa.array(at))
        structs = pa.types.is_struct(column.type)
        given = [value["bytes"] if structs else value for value in column.to_pylist()]
    source = open_images(given, image_size=reading.image_size, mode=reading.image_mode)
    return source.read(np.arange(len(source), dtype=np.int64)), names


def _vectors(piece: Piece, reading: Reading, at: Int64) -> Float32:
    if piece.group < 0:
        return np.asarray(np.load(piece.path, mmap_mode="r")[piece.first + at])
    column = _group(piece, [reading.vectors]).column(0).combine_chunks().take(pa.array(at))
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_binary(column.type) or pa.types.is_fixed_size_binary(column.type):
        return np.frombuffer(b"".join(column.to_pylist()), "<f4").reshape(len(at), -1)
    flat = column.flatten().to_numpy(zero_copy_only=False)
    if len(flat) % max(len(at), 1):
        raise InputError(f"{reading.vectors!r} of {piece.path} should hold lists of one length; found several")
    return as_vectors(flat.reshape(len(at), -1), name=reading.vectors)


def _columns(piece: Piece, reading: Reading, at: Int64) -> pa.Table | None:
    names = [*([reading.ids] if reading.ids else []), *reading.payload]
    return _group(piece, names).take(pa.array(at)) if names and piece.group >= 0 else None


def _group(piece: Piece, columns: list[str]) -> pa.Table:
    files, path = _system(piece.path)
    with pq.ParquetFile(files.open_input_file(path)) as file:
        return file.read_row_group(piece.group, columns)


def _of_folder(folder: Path) -> Iterator[Piece]:
    from hierindex.learning.sources.files import scan_folder

    names = scan_folder(folder).names
    for start in range(0, len(names), _IMAGES_AT_ONCE):
        some = tuple(names[start : start + _IMAGES_AT_ONCE])
        yield Piece(str(folder), start, len(some), names=some)


def _of_npy(path: str, start: int) -> Iterator[Piece]:
    rows = np.load(path, mmap_mode="r")
    if rows.ndim != 2:
        raise InputError(f"{path} should hold an array (n, d); found shape {rows.shape}")
    step = max(1, _BYTES_AT_ONCE // (4 * rows.shape[1]))
    for first in range(0, len(rows), step):
        yield Piece(path, start + first, min(step, len(rows) - first), first=first)


def _of_parquet(path: str, start: int, reading: Reading) -> Iterator[Piece]:
    files, inner = _system(path)
    try:
        with pq.ParquetFile(files.open_input_file(inner)) as file:
            names, metadata = file.schema_arrow.names, file.metadata
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} should be a readable Parquet or .npy file; found {error}") from error
    wanted = [reading.image if reading.images else reading.vectors, *([reading.ids] if reading.ids else [])]
    missing = [name for name in [*wanted, *reading.payload] if name not in names]
    if missing:
        raise InputError(f"{path} should have the columns {missing}; found {names}")
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group).num_rows
        if rows:
            yield Piece(path, start, rows, group)
        start += rows


def _files(path: str) -> list[str]:
    """The file, or the Parquet and ``.npy`` files of a folder, in the order of their names."""
    files, inner = _system(path)
    if files.get_file_info(inner).type != pafs.FileType.Directory:
        return [path]
    found = files.get_file_info(pafs.FileSelector(inner, recursive=True))
    names = sorted(info.path for info in found if info.path.endswith((".parquet", ".npy")))
    scheme = f"{path.split('://')[0]}://" if "://" in path else ""
    return [f"{scheme}{name}" for name in names]


def _system(path: str) -> tuple[pafs.FileSystem, str]:
    if "://" not in path:
        return pafs.LocalFileSystem(), path
    files, inner = pafs.FileSystem.from_uri(path)
    return files, inner
