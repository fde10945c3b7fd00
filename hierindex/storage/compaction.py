"""Many small parts into few, and removed rows left out: what a stream of small changes leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from hierindex.storage.commit import Operation, Publication
from hierindex.storage.draft import Draft
from hierindex.storage.live import Rewriting
from hierindex.storage.log import Log
from hierindex.storage.parts import Part, group_rows, part_rows
from hierindex.storage.removed_file import Removed
from hierindex.storage.tree_file import TreeFile

__all__ = ["Compacted", "compaction", "runs"]


@dataclass(frozen=True)
class Compacted:
    """What a compaction did.

    Attributes:
        version: the version after it; the one before where there was nothing to do.
        parts_before: how many files the points were in.
        parts_after: how many they are in.
    """

    version: int
    parts_before: int
    parts_after: int


def runs(parts: list[Part], limit: int, removed: Removed) -> list[list[Part]]:
    """Neighbours by seq that fit together into one part of at most ``limit`` rows; a part alone where it has lost some.

    Example:
        >>> from pathlib import Path
        >>> parts = [Part(Path(str(i)), 0, rows, {"seq": i}, {}) for i, rows in enumerate([3, 4, 9, 2, 1])]
        >>> [[part.rows for part in run] for run in runs(parts, 8, Removed.none())]
        [[3, 4], [2, 1]]
    """
    found: list[list[Part]] = []
    open_run: list[Part] = []
    filled = 0
    for part in sorted(parts, key=lambda part: part.low.get("seq", 0)):
        rows = part.rows - removed.count_in(part)
        if open_run and filled + rows > limit:
            found.append(open_run)
            open_run, filled = [], 0
        open_run.append(part)
        filled += rows
    return [run for run in [*found, open_run] if len(run) > 1 or any(removed.count_in(part) for part in run)]


def compaction(log: Log, draft: Draft, dim: int, tree: TreeFile | None) -> Publication | None:
    """Write full parts of rows that are there in the place of others, and the tree.

    Returns:
        What has to be committed; None where there is nothing to do.
    """
    joined = runs(log.parts, part_rows(dim), log.removed)
    if not joined and tree is None:
        return None
    work = Rewriting(log.schema, log.removed)
    added = [part for run in joined for part in draft.parts(_joined(run, work, group_rows(dim)), log.schema)]
    removed = [part for run in joined for part in run]
    without = work.still_removed(draft, log.removed)
    number = log.tree if tree is None else draft.tree(tree, without.format)
    return Publication(Operation.COMPACT, log.rows, number, log.model, added=added, removed=removed, without=without)


def _joined(run: list[Part], work: Rewriting, rows: int) -> Iterator[pa.Table]:
    """The rows of some parts that are there, as full row groups."""
    left = [group for part in run for group in work.live(part)]
    if not left:
        return
    whole = pa.concat_tables(left)
    for start in range(0, len(whole), rows):
        yield whole.slice(start, rows).combine_chunks()
