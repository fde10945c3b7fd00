"""The rows of a part that are still in the index: what is written anew when removed ones are left out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from hierindex.storage.draft import Draft
from hierindex.storage.parts import Part, groups
from hierindex.storage.removed_file import Removed
from hierindex.vectors import Int64

__all__ = ["Rewriting"]


class Rewriting:
    """Parts on their way into other ones, and which removed rows were left out meanwhile.

    Args:
        schema: of the table.
        removed: rows that are left out.
    """

    def __init__(self, schema: pa.Schema, removed: Removed) -> None:
        self._schema = schema
        self._removed = removed
        self._left_out: list[Int64] = []

    def live(self, part: Part) -> Iterator[pa.Table]:
        """The rows of a part that are there, row group by row group.

        Raises:
            CorruptIndexError: see `groups`.
        """
        if part.rows and self._removed.count_in(part) == part.rows:  # none is left, so its vectors need not be read
            seq = np.concatenate([group["seq"].to_numpy() for group in groups(part, self._schema, ["seq"])])
            if self._removed.has(seq).all():
                self._left_out.append(seq)
                return
        for group in groups(part, self._schema):
            seq = group["seq"].to_numpy()
            gone = self._removed.has(seq)
            self._left_out.append(seq[gone])
            left = group.filter(pa.array(~gone)) if gone.any() else group
            if len(left):
                yield left

    def still_removed(self, draft: Draft, before: Removed) -> Removed:
        """What has to be listed once the parts that were read are gone; written where it is not what was ``before``."""
        left = self._removed.without(np.concatenate([np.empty(0, np.int64), *self._left_out]))
        return before if np.array_equal(left, before.seq) else draft.removed(left)
