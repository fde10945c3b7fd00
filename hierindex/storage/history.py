"""What the versions of an index did, read from the log's own files.

(`deltalake.DeltaTable.history` numbers the commits wrongly at any version but the newest.)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from hierindex.storage.files import Place, damaged, listed, reading
from hierindex.storage.sealed import Json, loads

__all__ = ["LOG", "NOTE", "Version", "actions_of", "commit_info", "commit_path", "commits", "history"]

LOG = "_delta_log"
"""The folder of a table that holds its log."""

NOTE = "hierindex"
"""The key in a commit's own metadata under which it says what it did."""


@dataclass(frozen=True)
class Version:
    """One line of an index's history.

    Attributes:
        version: its number; 0 is the first.
        timestamp: when it was committed (UTC).
        operation: ``create``, ``replace``, ``add``, ``delete``, ``update`` (both), ``payload``, ``tree``, ``compact``;
            another tool's own word.
        rows: how many points it holds; None where another tool committed it.
        tree: its generation of the tree; None likewise.
        model: its generation of the model; None likewise.
    """

    version: int
    timestamp: datetime
    operation: str
    rows: int | None
    tree: int | None
    model: int | None


def commits(folder: Place) -> dict[int, Place]:
    """The file of each version that the log of the table in ``folder`` still has."""
    log = folder / LOG
    names = [file.name for file in listed(log)]
    return {int(name[:-5]): log / name for name in names if name.endswith(".json") and name[:-5].isdigit()}


def commit_path(folder: Place, version: int) -> Place:
    """The file of a version in the log of the table in ``folder``."""
    return folder / LOG / f"{version:020d}.json"


def actions_of(path: Place) -> list[Json]:
    """The lines of a commit.

    Raises:
        CorruptIndexError: the commit cannot be read.
    """
    with reading(path):
        return [loads(line) for line in path.read_bytes().splitlines()]


def history(folder: Place, newest: int) -> list[Version]:
    """The versions up to ``newest``, newest first.

    Raises:
        CorruptIndexError: a commit cannot be read.
    """
    kept = sorted(commits(folder).items(), reverse=True)
    return [_version(number, path) for number, path in kept if number <= newest]


def commit_info(path: Place) -> Json:
    """What a commit says of itself.

    Raises:
        CorruptIndexError: the commit cannot be read, or says nothing.
    """
    actions = actions_of(path)
    with reading(path):
        found = [action["commitInfo"] for action in actions if "commitInfo" in action]
        if len(found) == 1 and isinstance(found[0], dict):
            return found[0]
        raise damaged(path, f"{len(found)} lines of commitInfo in a commit")


def _version(number: int, path: Place) -> Version:
    info = commit_info(path)
    note = info.get(NOTE, {})
    with reading(path):
        return Version(
            version=number,
            timestamp=datetime.fromtimestamp(info["timestamp"] / 1000, UTC),
            operation=str(note.get("operation", info["operation"])),
            rows=note.get("rows"),
            tree=note.get("tree"),
            model=note.get("model"),
        )
