"""What a version of an index has that an earlier one had not: the new parts, and which rows are gone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hierindex.storage.draft import TREE
from hierindex.storage.load import load_points
from hierindex.storage.log import Log
from hierindex.storage.points import Points
from hierindex.storage.tree_file import TreeFile, read_tree
from hierindex.vectors import Int64

__all__ = ["Since", "read_since"]

_MOST = 2
"""Where more than one in so many rows lies in new parts, reading everything costs about the same."""


@dataclass(frozen=True, eq=False)
class Since:
    """The way from one version to a later one.

    Attributes:
        points: what the new parts hold and is there: rows that are new, and rows that were written anew (with a ``seq``
            that was known, and perhaps other payload).
        removed: ``(r,)`` the ``seq`` of rows that are newly listed as removed.
        replaced: first and last ``seq`` of each part that is gone; its rows are gone with it, unless they are in
            ``points``.
        tree: the new tree; None where it is the same generation.
        rows: how many points there are afterwards.
        next_seq: see `Contents.next_seq`.
    """

    points: Points
    removed: Int64
    replaced: list[tuple[int, int]]
    tree: TreeFile | None
    rows: int
    next_seq: int


def read_since(old: Log, new: Log, shape: tuple[int, int], next_seq: int) -> Since | None:
    """What ``new`` has that ``old`` had not; None where these are two indexes, or most is new.

    Args:
        old: a version.
        new: a later one.
        shape: nodes and dimensions of the later one.
        next_seq: of the later one.

    Raises:
        CorruptIndexError: a file is missing or damaged.
    """
    if old.model != new.model or old.version > new.version:
        return None
    before, after = {part.path.name for part in old.parts}, {part.path.name for part in new.parts}
    gone = [part for part in old.parts if part.path.name not in after]
    fresh = [part for part in new.parts if part.path.name not in before]
    known = all("seq" in part.low and "seq" in part.high for part in gone)
    if not known or _MOST * sum(part.rows for part in fresh) > new.rows:
        return None
    tree = None if old.tree == new.tree else read_tree(new.folder.parent / TREE, new.tree)
    points = load_points(new.folder, fresh, new.schema, *shape, new.removed)
    return Since(
        points=points,
        removed=np.setdiff1d(new.removed.seq, old.removed.seq, assume_unique=True),
        replaced=[(part.low["seq"], part.high["seq"]) for part in gone],
        tree=tree,
        rows=new.rows,
        next_seq=next_seq,
    )
