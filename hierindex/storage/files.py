"""Files that appear whole or not at all, numbered generations, and errors that name the file.

A place is a `Path` or, in an object store, a `Remote`; what differs between the two is in this file and in `remote`.
"""

from __future__ import annotations

import io
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeAlias
from urllib.parse import unquote, urlparse

import pyarrow as pa
from safetensors import SafetensorError

from hierindex.errors import CorruptIndexError, FormatVersionError, HierIndexError, StorageError
from hierindex.storage.remote import Listed, Remote

__all__ = [
    "FORMAT",
    "Place",
    "check_format",
    "damaged",
    "listed",
    "make_folder",
    "new_file",
    "next_generation",
    "opened",
    "place_of",
    "reading",
    "remove",
    "saving",
    "short",
    "sync_folder",
]

Place: TypeAlias = Path | Remote

FORMAT = 3
"""The highest format version that this code reads; what it writes says the lowest that suffices to read it."""

_TRIES = 100

# What readers of JSON, Parquet and safetensors raise on bytes that are not theirs.
_DAMAGE = (
    pa.ArrowException,
    SafetensorError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
    MemoryError,
)


def damaged(path: Place, found: str) -> CorruptIndexError:
    """The error for a file that cannot be what was written."""
    return CorruptIndexError(
        f"{path} should be as hierindex wrote it; found {found}; "
        "restore the file, open an older version (version=...), or build the index again"
    )


def check_format(found: str | int, path: Place) -> None:
    """See that this code can read the format version stated in a file.

    Raises:
        FormatVersionError: a newer hierindex wrote it.
        CorruptIndexError: it is no version number.
    """
    try:
        version = int(found)
    except (ValueError, TypeError):
        raise damaged(path, f"format version {found!r}, which is no number") from None
    if version > FORMAT:
        raise FormatVersionError(
            f"{path} should be of format version {FORMAT} or lower, which this hierindex reads; "
            f"found version {version}; upgrade with: pip install --upgrade hierindex"
        )
    if version < 1:
        raise damaged(path, f"format version {version}, which never existed")


@contextmanager
def reading(path: Place) -> Iterator[None]:
    """Whatever goes wrong with the bytes of ``path`` becomes a `CorruptIndexError` that names it."""
    try:
        yield
    except HierIndexError:
        raise
    except FileNotFoundError:
        raise damaged(path, "no such file") from None
    except OSError as error:
        if error.errno is None:  # pyarrow's own: the bytes are wrong, not the disk
            raise damaged(path, short(error)) from error
        raise StorageError(f"{path} should be readable; found {error.strerror}; see to the disk or rights") from error
    except _DAMAGE as error:
        raise damaged(path, short(error)) from error


@contextmanager
def saving(path: Place) -> Iterator[None]:
    """An `OSError` while writing below ``path`` becomes a `StorageError` that names it and says what still holds."""
    try:
        yield
    except HierIndexError:
        raise
    except OSError as error:
        raise StorageError(
            f"{path} should be writable; found {short(error)}; nothing was published and the last version still "
            "holds: free space or mend the rights, then try again"
        ) from error


def place_of(path: str | os.PathLike[str] | Remote, options: Mapping[str, str] | None = None) -> Place:
    """Where an index lies: a path, a ``file://`` URI, or the address of an object store such as ``s3://bucket/name``.

    Raises:
        MissingExtraError: an object store, and obstore is not installed.
        InputError: no store has such an address or option.

    Example:
        >>> place_of("file:///tmp/my%20index").name
        'my index'
    """
    if isinstance(path, Remote):
        return path
    text = os.fspath(path)
    if text.startswith("file://"):
        return Path(unquote(urlparse(text).path))
    return Remote.of(text, options) if "://" in text else Path(text)


@contextmanager
def new_file(path: Place) -> Iterator[BinaryIO]:
    """Write ``path``, which must not exist yet: it bears its name only once it is whole and on disk.

    The temporary name (``.tmp`` behind the name) is taken exclusively, so of two writers of one name one is refused. An
    object store sees the bytes in one exclusive put at the end.

    Raises:
        FileExistsError: the file exists, or is being written.
    """
    if isinstance(path, Remote):
        held = io.BytesIO()
        yield held
        path.create(held.getvalue())
        return
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("xb") as file:
        try:
            _refuse_existing(path)
            yield file
            file.flush()
            os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
    sync_folder(path.parent)


def next_generation(folder: Place, write: Callable[[int], None]) -> int:
    """Call ``write`` with a generation number that was never used in ``folder``, and give that number back.

    Numbers of unfinished files count as used. ``write`` raises FileExistsError when another writer took the number.
    """
    make_folder(folder)
    for _ in range(_TRIES):
        names = (
            [path.name for path in folder.iterdir()] if isinstance(folder, Path) else [f.name for f in listed(folder)]
        )
        number = 1 + max((int(n.group()) for name in names if (n := re.match(r"\d{1,9}(?!\d)", name))), default=0)
        with suppress(FileExistsError):  # another writer took the number since
            write(number)
            return number
    raise FileExistsError(f"{folder} gave {_TRIES} numbers to other writers")


def make_folder(folder: Place, *, taken: bool = True) -> None:
    """Make a folder; an object store has none to make.

    Raises:
        FileExistsError: it is there, and ``taken`` does not allow that.
    """
    if isinstance(folder, Path):
        folder.mkdir(parents=True, exist_ok=taken)
    elif not taken and folder.is_dir():
        raise FileExistsError(f"{folder} exists already")


def listed(folder: Place) -> list[Listed]:
    """All files below a folder, by name; none where there is no folder."""
    if isinstance(folder, Remote):
        return folder.listed()
    found = []
    for path in sorted(folder.rglob("*")):
        with suppress(FileNotFoundError):  # another writer took it back since
            if not path.is_dir():
                stat = path.stat()
                found.append(Listed(path.relative_to(folder).as_posix(), stat.st_size, stat.st_mtime))
    return found


def opened(path: Place) -> Path | pa.NativeFile:
    """What a Parquet reader takes; an object is fetched whole (a part has at most 64 MiB of vectors)."""
    return pa.BufferReader(path.read_bytes()) if isinstance(path, Remote) else path


def remove(path: Place) -> None:
    """Take away a file, or a folder with all that is in it; nothing where there is none."""
    if isinstance(path, Remote):
        path.remove()
    elif path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def sync_folder(folder: Place) -> None:
    """Make new names in ``folder`` survive a power cut; an object store has done so when its put returned."""
    if isinstance(folder, Remote):
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _names(folder: Place) -> list[str]:
    """What lies in a folder, folders included (in an object store: with what is below them)."""
    return [path.name for path in folder.iterdir()] if isinstance(folder, Path) else [f.name for f in folder.listed()]


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise FileExistsError(f"{path} exists already")


def short(error: BaseException) -> str:
    """What an error says, in one line and without the Rust trace below it."""
    lines = [re.sub(r"\x1b\[\d*m|↳", "", line).strip() for line in str(error).splitlines()]
    said = [line for line in lines if line and not re.match(r"\d+: |at /", line)]
    return f"{type(error).__name__}: {': '.join(said[:4])[:300]}"
