"""Files that appear whole or not at all, numbered generations, and errors that name the file."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
from safetensors import SafetensorError

from hierindex.errors import CorruptIndexError, FormatVersionError, HierIndexError, StorageError

__all__ = [
    "FORMAT",
    "check_format",
    "damaged",
    "new_file",
    "next_generation",
    "reading",
    "saving",
    "short",
    "sync_folder",
]

FORMAT = 1
"""The format version this code writes, and the highest it reads."""

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


def damaged(path: Path, found: str) -> CorruptIndexError:
    """The error for a file that cannot be what was written."""
    return CorruptIndexError(
        f"{path} should be as hierindex wrote it; found {found}; "
        "restore the file, open an older version (version=...), or build the index again"
    )


def check_format(found: str | int, path: Path) -> None:
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
def reading(path: Path) -> Iterator[None]:
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
def saving(path: Path) -> Iterator[None]:
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


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Write ``path``, which must not exist yet: it bears its name only once it is whole and on disk.

    The temporary name (``.tmp`` behind the name) is taken exclusively, so of two writers of one name one is refused.

    Raises:
        FileExistsError: the file exists, or is being written.
    """
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


def next_generation(folder: Path, write: Callable[[int], None]) -> int:
    """Call ``write`` with a generation number that was never used in ``folder``, and give that number back.

    Numbers of unfinished files count as used. ``write`` raises FileExistsError when another writer took the number.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for _ in range(_TRIES):
        number = 1 + max(
            (int(n.group()) for p in folder.iterdir() if (n := re.match(r"\d{1,9}(?!\d)", p.name))), default=0
        )
        with suppress(FileExistsError):  # another writer took the number since
            write(number)
            return number
    raise FileExistsError(f"{folder} gave {_TRIES} numbers to other writers")


def sync_folder(folder: Path) -> None:
    """Make new names in ``folder`` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise FileExistsError(f"{path} exists already")


def short(error: BaseException) -> str:
    """What an error says, in one line and without the Rust trace below it."""
    lines = [re.sub(r"\x1b\[\d*m|↳", "", line).strip() for line in str(error).splitlines()]
    said = [line for line in lines if line and not re.match(r"\d+: |at /", line)]
    return f"{type(error).__name__}: {': '.join(said[:4])[:300]}"
