"""Taking away what no version in the horizon needs. What one needs is worked out first and never touched."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hierindex.errors import InputError
from hierindex.storage.commit import summarise
from hierindex.storage.draft import MODEL, POINTS, REMOVED, TREE
from hierindex.storage.files import Place, listed, remove, saving
from hierindex.storage.history import LOG, actions_of, commit_info, commits
from hierindex.storage.log import MODEL_TXN, REMOVED_TXN, TREE_TXN, open_log
from hierindex.storage.model_file import model_name
from hierindex.storage.removed_file import removed_name
from hierindex.storage.sealed import Json
from hierindex.storage.tree_file import tree_name
from hierindex.vectors import positive

__all__ = ["Freed", "vacuum"]

GRACE = timedelta(hours=1)
"""How long a file may lie there that no version names: a writer may be about to commit it."""


@dataclass(frozen=True)
class Freed:
    """What a vacuum took away.

    Attributes:
        files: how many files.
        bytes: how many bytes they held.
        oldest: the oldest version that can still be opened.
    """

    files: int
    bytes: int
    oldest: int


def vacuum(path: Place, retain: int | timedelta, held: int, grace: timedelta = GRACE) -> Freed:
    """Remove the versions before the horizon, and all files that only they needed or that no version ever named.

    Files go first (so that a full disk can be vacuumed), then the log is summed up at the oldest version that stays,
    then the commits before it go. Stopped anywhere, it leaves whole what stays, and the rest for the next vacuum.

    Args:
        path: the folder of the index.
        retain: the newest so many versions stay; or every version that was the newest at some time since then.
        held: a version that stays in any case, and so do those after it.
        grace: a file that no version names stays while it is younger.

    Raises:
        InputError: ``retain`` is neither a number of at least 1 nor a time of at least 0.
        CorruptIndexError: the log cannot be read.
        StorageError: the disk cannot be written.
    """
    known = commits(path / POINTS)
    newest = open_log(path / POINTS)
    oldest = max(min(known), min(_oldest(known, newest.version, retain), held))
    kept = open_log(path / POINTS, oldest)
    past = [action for number in known if number < oldest for action in actions_of(known[number])]
    later = [action for number in known if number > oldest for action in actions_of(known[number])]
    needed = {f"{POINTS}/{part.path.name}" for part in kept.parts} | {_tree(kept.tree), _model(kept.model)}
    needed.add(_removed(kept.removed.number))
    needed |= _named(later, "add") | {f"{POINTS}/{LOG}"}
    done_with = _named(past, "add") | _named(later, "remove")
    young = time.time() - grace.total_seconds()
    going = [
        file
        for file in listed(path)
        if file.name.startswith((f"{POINTS}/", f"{TREE}/", f"{MODEL}/", f"{REMOVED}/"))
        and (unit := _unit(file.name)) not in needed
        and (unit in done_with or file.written < young)
    ]
    with saving(path):
        for unit in sorted({_unit(file.name) for file in going}):
            remove(_at(path, unit))
        if oldest > min(known):
            summarise(kept)
            if newest.version > oldest:
                summarise(newest)  # readers look for the summary that was written last
            past_log = [file for file in listed(path / POINTS / LOG) if _number(file.name) < oldest]
            for file in past_log:
                remove(path / POINTS / LOG / file.name)
            going += past_log
    return Freed(len(going), sum(file.size for file in going), oldest)


def _oldest(known: dict[int, Place], newest: int, retain: int | timedelta) -> int:
    """The oldest version in the horizon."""
    if not isinstance(retain, timedelta):
        return newest + 1 - positive(retain, "retain")
    if retain < timedelta(0):
        raise InputError(f"retain should be a time of at least 0, or a number of versions; found {retain}")
    since = datetime.now(UTC) - retain
    for number in sorted(known, reverse=True):
        if datetime.fromtimestamp(commit_info(known[number])["timestamp"] / 1000, UTC) <= since:
            return number  # it was the newest when the horizon began
    return min(known)


def _named(actions: Iterable[Json], kind: str) -> set[str]:
    """The units that commits name: parts by ``kind`` (add or remove), and, among what they add, generations."""
    found = {f"{POINTS}/{action[kind]['path']}" for action in actions if kind in action}
    for txn in (action["txn"] for action in actions if "txn" in action and kind == "add"):
        if name := _GENERATIONS.get(txn["appId"]):
            found.add(name(int(txn["version"])))
    return found


def _unit(name: str) -> str:
    """What comes and goes as one: a part, a generation, the log."""
    return "/".join(name.split("/")[:2])


def _tree(number: int) -> str:
    return f"{TREE}/{tree_name(number)}"


def _model(number: int) -> str:
    return f"{MODEL}/{model_name(number)}"


def _removed(number: int) -> str:
    return f"{REMOVED}/{removed_name(number)}"


_GENERATIONS = {TREE_TXN: _tree, MODEL_TXN: _model, REMOVED_TXN: _removed}


def _number(name: str) -> int | float:
    """The version of a file of the log, such as ``00000000000000000007.json``; infinity for others."""
    stem = name.partition(".")[0]
    return int(stem) if stem.isdigit() else float("inf")


def _at(folder: Place, name: str) -> Place:
    """The place of a name with slashes."""
    for part in name.split("/"):
        folder = folder / part
    return folder
