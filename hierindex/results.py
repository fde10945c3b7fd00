"""What a search gives back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from hierindex.vectors import Float32, Ids, Int64

__all__ = ["Hit", "Hits", "Ranges"]


@dataclass(frozen=True)
class Hit:
    """One neighbour of one query."""

    id: int | str
    distance: float
    leaf: int


@dataclass(frozen=True)
class Hits:
    """The k nearest neighbours of each of n queries, nearest first.

    Attributes:
        ids: ``(n, k)`` int64, or objects (`str`); -1 or None where fewer than k exist.
        distances: ``(n, k)`` float32, true distances of the index's metric (see `Metric`); inf where there is no hit.
        leaves: ``(n, k)`` int64, the tree node (leaf) that holds each hit; -1 where there is none.

    Iterating gives, query by query, the list of its `Hit`s, without the missing ones.

    Example:
        >>> import numpy as np
        >>> hits = Hits(np.array([[7, -1]]), np.array([[0.5, np.inf]], np.float32), np.array([[3, -1]]))
        >>> next(iter(hits))
        [Hit(id=7, distance=0.5, leaf=3)]
    """

    ids: Ids
    distances: Float32
    leaves: Int64

    def __len__(self) -> int:
        """How many queries were asked."""
        return len(self.ids)

    def __iter__(self) -> Iterator[list[Hit]]:
        for ids, distances, leaves in zip(self.ids, self.distances, self.leaves, strict=True):
            found = leaves >= 0
            rows = zip(ids[found].tolist(), distances[found].tolist(), leaves[found].tolist(), strict=True)
            yield [Hit(*row) for row in rows]

    @property
    def found(self) -> Int64:
        """``(n,)``: how many neighbours each query has."""
        return np.asarray((self.leaves >= 0).sum(axis=1), dtype=np.int64)


@dataclass(frozen=True)
class Ranges:
    """The points within a distance of each of n queries, nearest first: as many for each as there are.

    Attributes:
        lims: ``(n + 1,)`` int64; what belongs to query i stands at ``lims[i]:lims[i + 1]`` in the others.
        ids: ``(t,)`` int64, or objects (`str`).
        distances: ``(t,)`` float32, true distances of the index's metric (see `Metric`).
        leaves: ``(t,)`` int64, the tree node (leaf) that holds each.

    Iterating gives, query by query, the list of its `Hit`s.

    Example:
        >>> import numpy as np
        >>> near = Ranges(np.array([0, 0, 2]), np.array([7, 4]), np.array([0.5, 0.75], np.float32), np.array([3, 3]))
        >>> near.found.tolist(), [hit.id for hit in list(near)[1]]
        ([0, 2], [7, 4])
    """

    lims: Int64
    ids: Ids
    distances: Float32
    leaves: Int64

    def __len__(self) -> int:
        """How many queries were asked."""
        return len(self.lims) - 1

    def __iter__(self) -> Iterator[list[Hit]]:
        for start, stop in pairwise(self.lims.tolist()):
            each = (values[start:stop].tolist() for values in (self.ids, self.distances, self.leaves))
            yield [Hit(*row) for row in zip(*each, strict=True)]

    @property
    def found(self) -> Int64:
        """``(n,)``: how many points each query has."""
        return np.diff(self.lims)
