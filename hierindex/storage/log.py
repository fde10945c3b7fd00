"""The Delta log of the points table: what a version is. How one is published is in `commit`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from hierindex.errors import CorruptIndexError, InputError, NotAnIndexError, StorageError
from hierindex.storage.draft import REMOVED
from hierindex.storage.files import Place, damaged, listed, reading, short
from hierindex.storage.history import LOG, NOTE, commit_info, commit_path, commits
from hierindex.storage.parts import Part
from hierindex.storage.points import OWN
from hierindex.storage.remote import Remote
from hierindex.storage.removed_file import Removed, read_removed

__all__ = [
    "MODEL_TXN",
    "REMOVED_TXN",
    "TREE_TXN",
    "Log",
    "is_table",
    "latest",
    "on_delta",
    "open_log",
    "open_table",
    "token_txn",
]

TREE_TXN, MODEL_TXN, REMOVED_TXN = "hierindex.tree", "hierindex.model", "hierindex.removed"
_TRIES = 5


@dataclass(frozen=True)
class Log:
    """The points table at one version."""

    folder: Place
    table: DeltaTable
    version: int
    tree: int
    model: int
    schema: pa.Schema
    parts: list[Part]
    removed: Removed = field(default_factory=Removed.none)

    @property
    def rows(self) -> int:
        """How many points there are."""
        return sum(part.rows for part in self.parts) - len(self.removed)

    def token(self, token: str) -> int | None:
        """The version that was committed under a caller's token; None if there is none."""
        name = token_txn(self.model, token)
        try:
            found = self.table.transaction_version(name)
        except DeltaError:  # it reads its log as it goes, and somebody may have taken old entries away (vacuum)
            with on_delta(self.folder):
                found = open_table(self.folder).transaction_version(name)
        return None if found is None or found > self.version else int(found)


def token_txn(model: int, token: str) -> str:
    """The application transaction of a token.

    It names the model, so that an index in the place of another one, with a model of its own, knows none of its tokens.
    """
    return f"hierindex.token.{model}.{token}"


def is_table(folder: Place) -> bool:
    """Whether there is the log of a Delta table in ``folder``."""
    names = [file.name for file in listed(folder / LOG)]
    return any(name.endswith(".json") or ".checkpoint" in name for name in names)


def latest(folder: Place) -> int:
    """The number of the newest version."""
    known = commits(folder)
    return max(known) if known else int(open_table(folder).version())


def open_table(folder: Place, version: int | None = None) -> DeltaTable:
    """A version of a Delta table, wherever it lies; None for the newest.

    Raises:
        CorruptIndexError: the log is damaged.
    """
    options = dict(folder.options) or None if isinstance(folder, Remote) else None
    with on_delta(folder):
        return DeltaTable(str(folder), version=version, storage_options=options)


def open_log(folder: Place, version: int | None = None) -> Log:
    """The table at ``version``, or the newest.

    Raises:
        NotAnIndexError: there is no table.
        StorageError: there is no such version.
        CorruptIndexError: the log is damaged.
    """
    for _ in range(_TRIES):
        before = _names(folder)
        try:
            return _opened(folder, version)
        except CorruptIndexError:  # the log is read as it goes, and somebody may have taken old entries away (vacuum)
            if _names(folder) == before:
                raise
    return _opened(folder, version)


def _names(folder: Place) -> set[str]:
    return {file.name for file in listed(folder / LOG)}


def _opened(folder: Place, version: int | None) -> Log:
    if not is_table(folder):
        raise NotAnIndexError(f"{folder.parent} should be a hierindex index; found no log at {folder / LOG}")
    if version is not None:
        _need_version(folder, version)
        version = int(version)
    table = open_table(folder, version)  # not the newest first: that may be the one that is damaged
    with on_delta(folder):
        return _log(folder, table)


def _log(folder: Place, table: DeltaTable) -> Log:
    protocol = table.protocol()
    features = set(protocol.reader_features or ())
    if protocol.min_reader_version == 2 or features - {"timestampNtz"}:  # 2: columns under other names
        raise StorageError(
            f"{folder} should be a Delta table without column mapping or deletion vectors; found reader version "
            f"{protocol.min_reader_version} with features {sorted(features)}; take them out with the tool that set them"
        )
    tree, model = (_generation(folder, table, name) for name in (TREE_TXN, MODEL_TXN))
    schema, parts = pa.schema(table.schema().to_arrow()), _parts(folder, table)
    number = _generation(folder, table, REMOVED_TXN, least=0)
    removed = read_removed(folder.parent / REMOVED, number, sum(part.rows for part in parts))
    log = Log(folder, table, int(table.version()), tree, model, _own_schema(folder, schema), parts, removed)
    _check_commit(log)
    return log


def _check_commit(log: Log) -> None:
    """See that the commit of this version is whole: deltalake passes over lines that are cut off.

    It says how many rows there are and names the generations; a commit by another tool says neither.
    """
    path = commit_path(log.folder, log.version)
    if not path.exists():  # cleaned away behind a checkpoint
        return
    note = commit_info(path).get(NOTE)
    found = {"rows": log.rows, "tree": log.tree, "model": log.model, "removed": log.removed.number}
    with reading(path):
        fits = note is None or all({"removed": 0, **note}[key] == value for key, value in found.items())
    if not fits:
        raise damaged(path, f"{note} in a commit that leads to {found}")


def _generation(folder: Place, table: DeltaTable, name: str, least: int = 1) -> int:
    number = table.transaction_version(name)
    if number is None and not least:
        return 0  # an index of before there was such a thing
    if number is None or number < least:
        raise damaged(folder / LOG, f"{number} as application transaction {name!r}")
    return int(number)


def _own_schema(folder: Place, schema: pa.Schema) -> pa.Schema:
    """The schema, after the format's own columns were seen to lead it."""
    own = [(field.name, str(field.type)) for field in list(schema)[:OWN]]
    wanted = [("seq", "int64"), ("leaf", "int64"), ("vector", "binary")]
    if own[1:] != wanted or own[0] not in (("id", "int64"), ("id", "string")):
        raise damaged(folder / LOG, f"the columns {own}")
    return schema


def _parts(folder: Place, table: DeltaTable) -> list[Part]:
    return [_part(folder, add) for add in pa.table(table.get_add_actions(flatten=True)).to_pylist()]


def _part(folder: Place, add: dict[str, Any]) -> Part:
    name, rows = add["path"], add["num_records"]
    if Path(name).name != name or name in ("", ".."):  # never a file outside the table, whatever the log says
        raise damaged(folder / LOG, f"a part named {name!r}")
    if rows is None or rows < 0:
        raise damaged(folder / LOG, f"{rows} as the number of rows of {name}")
    low, high = (
        {c: value for c in ("id", "seq", "leaf") if isinstance(value := add.get(f"{side}.{c}"), int)}
        for side in ("min", "max")
    )
    return Part(folder / name, add["size_bytes"], rows, low, high)


def _need_version(folder: Place, version: int) -> None:
    if isinstance(version, bool) or not isinstance(version, (int, np.integer)):
        raise InputError(f"version should be an integer; found {version!r}")
    known = commits(folder) or {latest(folder): folder}
    oldest, newest = min(known), max(known)
    if not oldest <= version <= newest:
        raise StorageError(f"version should be in {oldest}..{newest}, the versions of {folder.parent}; found {version}")


@contextmanager
def on_delta(folder: Place) -> Iterator[None]:
    """Whatever deltalake makes of a damaged log becomes a `CorruptIndexError`."""
    log = folder / LOG
    try:
        with reading(log):
            yield
    except DeltaError as error:
        raise damaged(log, short(error)) from error
