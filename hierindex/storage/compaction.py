"""Many small parts into few: what a stream of small changes leaves behind, read and written once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from hierindex.storage.commit import Operation, Publication
from hierindex.storage.draft import Draft
from hierindex.storage.log import Log
from hierindex.storage.parts import Part, group_rows, groups, part_rows
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


def runs(parts: list[Part], limit: int) -> list[list[Part]]:
    """Neighbours by seq that fit together into one part of at most ``limit`` rows, two or more at a time.

    Example:
        >>> from pathlib import Path
        >>> parts = [Part(Path(str(i)), 0, rows, {"seq": i}, {}) for i, rows in enumerate([3, 4, 9, 2, 1])]
        >>> [[part.rows for part in run] for run in runs(parts, 8)]
        [[3, 4], [2, 1]]
    """
    found: list[list[Part]] = []
    open_run: list[Part] = []
    for part in sorted(parts, key=lambda part: part.low.get("seq", 0)):
        if open_run and sum(each.rows for each in open_run) + part.rows > limit:
            found.append(open_run)
            open_run = []
        open_run.append(part)
    return [run for run in [*found, open_run] if len(run) > 1]


def compaction(log: Log, draft: Draft, dim: int, tree: TreeFile | None) -> Publication | None:
    """Write full parts in the place of small ones, and the tree; what has to be committed, or None for nothing."""
    joined = runs(log.parts, part_rows(dim))
    if not joined and tree is None:
        return None
    added = [part for run in joined for part in draft.parts(_joined(run, log.schema, group_rows(dim)), log.schema)]
    removed = [part for run in joined for part in run]
    number = log.tree if tree is None else draft.tree(tree)
    return Publication(Operation.COMPACT, log.rows, number, log.model, added=added, removed=removed)


def _joined(run: list[Part], schema: pa.Schema, rows: int) -> Iterator[pa.Table]:
    """The rows of some parts as full row groups."""
    whole = pa.concat_tables([group for part in run for group in groups(part, schema)])
    for start in range(0, len(whole), rows):
        yield whole.slice(start, rows).combine_chunks()
