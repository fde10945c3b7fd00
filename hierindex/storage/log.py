"""The Delta log of the points table: what a version is, and how one is published."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.schema import Schema
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

from hierindex.errors import ConflictError, InputError, NotAnIndexError, StorageError
from hierindex.storage.files import damaged, reading, short, sync_folder
from hierindex.storage.history import NOTE, commit_info, commits
from hierindex.storage.parts import Part
from hierindex.storage.points import OWN

__all__ = [
    "Log",
    "Operation",
    "Publication",
    "is_table",
    "latest",
    "open_log",
    "publish",
    "start",
    "sync_log",
]

_TREE, _MODEL = "hierindex.tree", "hierindex.model"

# No checkpoint and no clean-up inside a commit: a failure there would make a commit that is done look undone.
_BARE = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
_KEEP = {"delta.enableExpiredLogCleanup": "false"}


class Operation(Enum):
    """What a version did."""

    CREATE = "create"
    REPLACE = "replace"
    ADD = "add"
    DELETE = "delete"
    UPDATE = "update"
    TREE = "tree"


@dataclass(frozen=True)
class Publication:
    """What a commit says beside its files: its operation, the points there then are, and its generations."""

    operation: Operation
    rows: int
    tree: int
    model: int


@dataclass(frozen=True)
class Log:
    """The points table at one version."""

    folder: Path
    table: DeltaTable
    version: int
    tree: int
    model: int
    schema: pa.Schema
    parts: list[Part]

    @property
    def rows(self) -> int:
        """How many points there are."""
        return sum(part.rows for part in self.parts)


def is_table(folder: Path) -> bool:
    """Whether there is the log of a Delta table in ``folder``."""
    log = folder / "_delta_log"
    return any(log.glob("*.json")) or any(log.glob("*.checkpoint*.parquet"))


def latest(folder: Path) -> int:
    """The number of the newest version."""
    with _delta(folder):
        return int(DeltaTable(folder).version())


def open_log(folder: Path, version: int | None = None) -> Log:
    """The table at ``version``, or the newest.

    Raises:
        NotAnIndexError: there is no table.
        StorageError: there is no such version.
        CorruptIndexError: the log is damaged.
    """
    if not is_table(folder):
        raise NotAnIndexError(f"{folder.parent} should be a hierindex index; found no log at {folder / '_delta_log'}")
    with _delta(folder):
        table = DeltaTable(folder)
        if version is not None:
            _need_version(folder, version, table.version())
            table.load_as_version(version)
        return _log(folder, table)


def start(folder: Path, schema: pa.Schema, actions: list[AddAction], what: Publication) -> None:
    """Publish the first version of a table, or one that replaces all of it.

    Raises:
        ConflictError: another writer committed meanwhile.
        StorageError: the disk cannot be written.
    """
    with _committing(folder), _sole_creator(folder, what):
        create_table_with_add_actions(
            str(folder),
            Schema.from_arrow(schema),
            list(actions),
            mode="overwrite" if what.operation is Operation.REPLACE else "error",
            configuration=_KEEP,
            commit_properties=_properties(what),
            post_commithook_properties=_BARE,
        )


def publish(log: Log, actions: list[AddAction | RemoveAction], what: Publication) -> Log:
    """Publish the version after ``log``: all actions or none, and only if nobody committed in between.

    Raises:
        ConflictError: somebody did.
        StorageError: the disk cannot be written.
    """
    with _committing(log.folder):
        log.table.create_write_transaction(
            actions,
            mode="append",
            schema=Schema.from_arrow(log.schema),
            commit_properties=_properties(what),
            post_commithook_properties=_BARE,
        )
    with _delta(log.folder):
        log.table.update_incremental()
        if log.table.version() != log.version + 1:  # the next writer was quick
            log.table.load_as_version(log.version + 1)
        return _log(log.folder, log.table)


def sync_log(folder: Path) -> None:
    """Make the newest commit survive a power cut.

    Raises:
        StorageError: the disk does not confirm it.
    """
    log = folder / "_delta_log"
    try:
        with max(log.glob("*.json")).open("rb") as file:
            os.fsync(file.fileno())
        sync_folder(log)
    except OSError as error:
        raise StorageError(
            f"{log} should be confirmed by the disk; found {error}; the version is published, but a power cut may "
            "lose it: see to the disk, then open the index again"
        ) from error


def _properties(what: Publication) -> CommitProperties:
    note = {"operation": what.operation.value, "rows": what.rows, "tree": what.tree, "model": what.model}
    return CommitProperties(
        custom_metadata={NOTE: note},
        max_commit_retries=0,  # a commit is valid for the version it was made from and for no other
        app_transactions=[Transaction(_TREE, what.tree), Transaction(_MODEL, what.model)],
    )


def _log(folder: Path, table: DeltaTable) -> Log:
    protocol = table.protocol()
    features = set(protocol.reader_features or ())
    if protocol.min_reader_version == 2 or features - {"timestampNtz"}:  # 2: columns under other names
        raise StorageError(
            f"{folder} should be a Delta table without column mapping or deletion vectors; found reader version "
            f"{protocol.min_reader_version} with features {sorted(features)}; take them out with the tool that set them"
        )
    tree, model = (_generation(folder, table, name) for name in (_TREE, _MODEL))
    schema = pa.schema(table.schema().to_arrow())
    log = Log(folder, table, int(table.version()), tree, model, _own_schema(folder, schema), _parts(folder, table))
    _check_commit(log)
    return log


def _check_commit(log: Log) -> None:
    """See that the commit of this version is whole: deltalake passes over lines that are cut off.

    It says how many rows there are and names the generations; a commit by another tool says neither.
    """
    path = commits(log.folder).get(log.version)
    if path is None:  # cleaned away behind a checkpoint
        return
    note = commit_info(path).get(NOTE)
    found = {"rows": log.rows, "tree": log.tree, "model": log.model}
    with reading(path):
        fits = note is None or all(note[key] == value for key, value in found.items())
    if not fits:
        raise damaged(path, f"{note} in a commit that leads to {found}")


def _generation(folder: Path, table: DeltaTable, name: str) -> int:
    number = table.transaction_version(name)
    if number is None or number < 1:
        raise damaged(folder / "_delta_log", f"{number} as application transaction {name!r}")
    return int(number)


def _own_schema(folder: Path, schema: pa.Schema) -> pa.Schema:
    """The schema, after the format's own columns were seen to lead it."""
    own = [(field.name, str(field.type)) for field in list(schema)[:OWN]]
    wanted = [("seq", "int64"), ("leaf", "int64"), ("vector", "binary")]
    if own[1:] != wanted or own[0] not in (("id", "int64"), ("id", "string")):
        raise damaged(folder / "_delta_log", f"the columns {own}")
    return schema


def _parts(folder: Path, table: DeltaTable) -> list[Part]:
    return [_part(folder, add) for add in pa.table(table.get_add_actions(flatten=True)).to_pylist()]


def _part(folder: Path, add: dict[str, Any]) -> Part:
    name, rows = add["path"], add["num_records"]
    if Path(name).name != name or name in ("", ".."):  # never a file outside the table, whatever the log says
        raise damaged(folder / "_delta_log", f"a part named {name!r}")
    if rows is None or rows < 0:
        raise damaged(folder / "_delta_log", f"{rows} as the number of rows of {name}")
    low, high = (
        {c: value for c in ("id", "seq", "leaf") if isinstance(value := add.get(f"{side}.{c}"), int)}
        for side in ("min", "max")
    )
    return Part(folder / name, add["size_bytes"], rows, low, high)


def _need_version(folder: Path, version: int, newest: int) -> None:
    if isinstance(version, bool) or not isinstance(version, (int, np.integer)):
        raise InputError(f"version should be an integer; found {version!r}")
    oldest = min(commits(folder), default=newest)
    if not oldest <= version <= newest:
        raise StorageError(f"version should be in {oldest}..{newest}, the versions of {folder.parent}; found {version}")


@contextmanager
def _committing(folder: Path) -> Iterator[None]:
    try:
        yield
    except CommitFailedError as error:
        raise ConflictError(
            f"{folder.parent} should be as it was when it was opened; found that another writer committed first; "
            "refresh (or open it again) and repeat the change"
        ) from error
    except (DeltaError, OSError) as error:
        raise StorageError(
            f"{folder} should be writable; found {short(error)}; the last version still holds: free space or mend "
            "the rights, then try again"
        ) from error


@contextmanager
def _sole_creator(folder: Path, what: Publication) -> Iterator[None]:
    """Of two writers who create one index, the second hears of a conflict, as with any other commit."""
    try:
        yield
    except CommitFailedError:
        raise
    except DeltaError as error:
        if what.operation is Operation.CREATE and is_table(folder):
            raise CommitFailedError(short(error)) from error
        raise


@contextmanager
def _delta(folder: Path) -> Iterator[None]:
    """Whatever deltalake makes of a damaged log becomes a `CorruptIndexError`."""
    log = folder / "_delta_log"
    try:
        with reading(log):
            yield
    except DeltaError as error:
        raise damaged(log, short(error)) from error
