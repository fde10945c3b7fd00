"""How a version is published: one Delta commit, made for the version that it follows and for no other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.schema import Schema
from deltalake.transaction import create_table_with_add_actions

from hierindex.errors import ConflictError, CorruptIndexError, StorageError
from hierindex.storage.files import Place, short, sync_folder
from hierindex.storage.history import LOG, NOTE, commit_path
from hierindex.storage.log import (
    MODEL_TXN,
    REMOVED_TXN,
    TREE_TXN,
    Log,
    is_table,
    latest,
    on_delta,
    open_table,
    token_txn,
)
from hierindex.storage.parts import Part
from hierindex.storage.remote import Remote
from hierindex.storage.removed_file import Removed

__all__ = ["Operation", "Publication", "checkpoint", "preparing", "publish", "start", "summarise", "sync_log"]

CHECKPOINT_EVERY = 32
"""Commits between two checkpoints. What deltalake does for a commit grows by 0.2 ms with each one since the last."""

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
    PAYLOAD = "payload"
    TREE = "tree"
    COMPACT = "compact"


@dataclass(frozen=True)
class Publication:
    """What a commit says.

    Attributes:
        operation: what it does.
        rows: how many points there then are.
        tree: the generation of the tree that goes with them.
        model: that of the model.
        added: parts that come.
        removed: parts that go.
        without: rows of the parts that are in the index no more.
        token: the caller's name for the change, by which a repeat is known.
    """

    operation: Operation
    rows: int
    tree: int
    model: int
    added: list[Part] = field(default_factory=list)
    removed: list[Part] = field(default_factory=list)
    without: Removed = field(default_factory=Removed.none)
    token: str | None = None

    @property
    def new_data(self) -> bool:
        """Whether the points are others than before, and not just in other parts."""
        return self.operation is not Operation.COMPACT

    def properties(self, version: int) -> CommitProperties:
        """What the commit of that version carries beside its parts."""
        named = {"tree": self.tree, "model": self.model, "removed": self.without.number}
        note = {"operation": self.operation.value, "rows": self.rows, **named}
        names = {TREE_TXN: self.tree, MODEL_TXN: self.model, REMOVED_TXN: self.without.number}
        if self.token is not None:
            names[token_txn(self.model, self.token)] = version
        return CommitProperties(
            custom_metadata={NOTE: note},
            max_commit_retries=0,  # a commit is valid for the version it was made from and for no other
            app_transactions=[Transaction(name, number) for name, number in names.items()],
        )


def start(folder: Place, schema: pa.Schema, what: Publication) -> None:
    """Publish the first version of a table, or one that replaces all of it.

    Raises:
        ConflictError: another writer committed meanwhile.
        StorageError: the disk cannot be written.
    """
    with _committing(folder), _sole_creator(folder, what):
        create_table_with_add_actions(
            str(folder),
            Schema.from_arrow(schema),
            [part.added(new_data=True) for part in what.added],
            mode="overwrite" if what.operation is Operation.REPLACE else "error",
            configuration=_KEEP,
            storage_options=dict(folder.options) if isinstance(folder, Remote) else None,
            commit_properties=what.properties(0),
            post_commithook_properties=_BARE,
        )


def publish(log: Log, what: Publication) -> Log:
    """Publish the version after ``log``: all of it or nothing, and only if nobody committed in between.

    Raises:
        ConflictError: somebody did.
        StorageError: the disk cannot be written.
    """
    with _committing(log.folder, log.version):
        try:
            _commit(log.table, log, what)
        except CommitFailedError:
            raise
        except DeltaError:  # it reads its log as it goes, and somebody may have taken old entries away (vacuum)
            if latest(log.folder) > log.version:
                raise
            log = replace(log, table=open_table(log.folder))
            _commit(log.table, log, what)
    table = _next(log)
    gone = {part.path for part in what.removed}
    parts = [part for part in log.parts if part.path not in gone] + what.added
    return replace(
        log,
        table=table,
        version=log.version + 1,
        tree=what.tree,
        model=what.model,
        parts=parts,
        removed=what.without,
    )


def _commit(table: DeltaTable, log: Log, what: Publication) -> None:
    new = what.new_data
    table.create_write_transaction(
        [part.removed(new_data=new) for part in what.removed] + [part.added(new_data=new) for part in what.added],
        mode="append",
        schema=Schema.from_arrow(log.schema),
        commit_properties=what.properties(log.version + 1),
        post_commithook_properties=_BARE,
    )


def _next(log: Log) -> DeltaTable:
    """The table at the version after ``log``, which is committed."""
    table = log.table
    try:
        table.update_incremental()
    except DeltaError:  # as in `publish`
        table = open_table(log.folder)
    if table.version() != log.version + 1:  # the next writer was quick
        with on_delta(log.folder):
            table.load_as_version(log.version + 1)
    return table


def sync_log(folder: Place, version: int) -> None:
    """Make the commit of a version survive a power cut: its bytes, then its name. An object store has done so.

    Raises:
        StorageError: the disk does not confirm it.
    """
    if not isinstance(folder, Path):
        return
    log = folder / LOG
    try:
        _sync_file(log / commit_path(folder, version).name)
        sync_folder(log)
    except OSError as error:
        raise StorageError(
            f"{log} should be confirmed by the disk; found {error}; the version is published, but a power cut "
            "may lose it: see to the disk, then open the index again"
        ) from error


def checkpoint(log: Log, every: int = CHECKPOINT_EVERY) -> Log:
    """Sum up the log in one file at each ``every``-th version, so that a reader need not read each commit.

    It only says again what the commits say, so a failure is none of the change that it follows. The log that comes back
    is read from the summary: a table that is carried along goes on from all commits it has ever seen.
    """
    if log.version % every or not log.version:
        return log
    try:
        summarise(log)
        table = open_table(log.folder)
    except StorageError:
        return log
    return replace(log, table=table) if table.version() == log.version else log


def summarise(log: Log) -> None:
    """Write the checkpoint of a version.

    Raises:
        StorageError: the disk cannot be written.
    """
    with _committing(log.folder):
        log.table.create_checkpoint()
        if isinstance(log.folder, Path):
            folder = log.folder / LOG
            for path in (*folder.glob(f"{log.version:020d}.checkpoint*"), folder / "_last_checkpoint"):
                _sync_file(path)
            sync_folder(folder)


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


@contextmanager
def _committing(folder: Place, version: int | None = None) -> Iterator[None]:
    """Errors of deltalake as ours; ``version`` is the one to commit on, which may have been vacuumed since."""
    try:
        yield
    except (DeltaError, OSError) as error:
        if isinstance(error, CommitFailedError) or (version is not None and latest(folder) > version):
            raise _conflict(folder) from error
        raise StorageError(
            f"{folder} should be writable; found {short(error)}; the last version still holds: free space or mend "
            "the rights, then try again"
        ) from error


@contextmanager
def preparing(folder: Place, version: int) -> Iterator[None]:
    """While a change of a version is made ready: its files may be gone (vacuum), if somebody committed since.

    Raises:
        ConflictError: somebody did, in place of the error that it led to.
    """
    try:
        yield
    except CorruptIndexError as error:
        if latest(folder) > version:
            raise _conflict(folder) from error
        raise


def _conflict(folder: Place) -> ConflictError:
    return ConflictError(
        f"{folder.parent} should be as it was when it was opened; found that another writer committed first; "
        "refresh (or open it again) and repeat the change"
    )


@contextmanager
def _sole_creator(folder: Place, what: Publication) -> Iterator[None]:
    """Of two writers who create one index, the second hears of a conflict, as with any other commit."""
    try:
        yield
    except CommitFailedError:
        raise
    except DeltaError as error:
        if what.operation is Operation.CREATE and is_table(folder):
            raise CommitFailedError(short(error)) from error
        raise
