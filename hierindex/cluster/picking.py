"""Points by id, and answers that do not all say the same, where rows lie elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hierindex.api.diverse import Among
from hierindex.cluster.front import Front
from hierindex.cluster.messages import Held
from hierindex.cluster.only import Only
from hierindex.cluster.results import ClusterHits
from hierindex.cluster.scanner import LeafScanner
from hierindex.cluster.searching import Found, search
from hierindex.errors import InputError, ProcessError, UnknownIdError
from hierindex.index.explain import NoWatch
from hierindex.vectors import Float32, Ids, Int64, as_ids

__all__ = ["Elsewhere", "bearing", "named", "numbered"]


def bearing(front: Front, scanner: LeafScanner, ids: Ids) -> list[Held]:
    """The points that bear one of some ids, from everybody who has some.

    Raises:
        ProcessError: some leaves are held by nobody alive.
    """
    answers = scanner.every("bearing", ids)
    if answers.partial:
        raise ProcessError("points by id should be asked for with all leaves held; found a worker missing; repeat it")
    late = front.late
    return [late.take(late.bearing(ids)), *(each for each in answers.given if isinstance(each, Held))]


def named(front: Front, scanner: LeafScanner, ids: ArrayLike) -> Held:
    """The points of some ids, in that order.

    Raises:
        UnknownIdError: some are not in the index. ProcessError: as for `bearing`.
    """
    wanted = np.atleast_1d(np.asarray(ids))
    fits = wanted.dtype.kind in ("UO" if front.of_strings else "iu")
    plain = wanted.astype(object if front.of_strings else np.int64) if fits else wanted[:0]
    points = Held.joined(bearing(front, scanner, np.unique(plain))) if len(plain) else front.late.take(plain)
    at = {each: row for row, each in enumerate(points.ids.tolist())}
    missing = [each for each in wanted.tolist() if not fits or each not in at]
    if missing:
        raise UnknownIdError(
            f"ids should be in the index; {len(missing)} are not, such as {missing[:5]}; they may have been deleted"
        )
    return points.take(np.array([at[each] for each in plain.tolist()], np.int64))


def numbered(front: Front, scanner: LeafScanner, ids: ArrayLike | None) -> Int64:
    """The numbers, rising, of those of some ids that are in the index.

    Raises:
        InputError: ids of another kind than those of the index. ProcessError: as for `bearing`.
    """
    unwanted = np.unique(np.atleast_1d(np.asarray([] if ids is None else ids)))
    if not unwanted.size:
        return np.zeros(0, np.int64)
    chosen = as_ids(unwanted, len(unwanted))
    if (chosen.dtype == object) != front.of_strings:
        kinds = ("strings", "integers") if front.of_strings else ("integers", "strings")
        raise InputError(f"ids should be {kinds[0]}, as those of the index are; found {kinds[1]}")
    return np.sort(np.concatenate([piece.seq for piece in bearing(front, scanner, chosen)]))


@dataclass(eq=False)
class Elsewhere:
    """Rows that lie with workers, for `Diverse`: they go by their ``seq``.

    Attributes:
        front, scanner, recall, only: as for `search`.
    """

    front: Front
    scanner: LeafScanner
    recall: float
    only: Only | None
    _looks: list[Found] = field(default_factory=list)

    def __len__(self) -> int:
        """See `Searchable`."""
        return self.front.n

    def nearest(self, queries: Float32, k: int, among: Among | None, watch: NoWatch | None) -> tuple[Int64, Float32]:
        """See `Searchable`."""
        only = self.only
        if among is not None:
            leaves, without = among.open[self.front.nodes.leaves], np.sort(among.without)
            only = replace(only or Only(), leaves=leaves, without=without)
        found = search(self.front, self.scanner, queries, k, self.recall, watch, only=only)
        self._looks.append(found)
        return found.seq, found.hits.distances

    def leaf_of(self, rows: Int64) -> Int64:
        """See `Searchable`."""
        seq, first = self._known
        at = first[np.searchsorted(seq, rows)]
        return np.concatenate([look.hits.leaves.ravel() for look in self._looks])[at]

    def hits(self, rows: Int64, distances: Float32, merged: bool) -> ClusterHits:
        """What was found at last, ``(q, k)``, by id.

        An answer is partial if its first look was, and all are if any later look was: those are not told apart.
        """
        ids: Ids = np.full(rows.shape, None) if self.front.of_strings else np.full(rows.shape, -1, np.int64)
        leaves, there = np.full(rows.shape, -1, np.int64), rows >= 0
        seq, first = self._known
        at = first[np.searchsorted(seq, rows[there])]
        ids[there] = np.concatenate([look.hits.ids.ravel() for look in self._looks])[at]
        leaves[there] = self.leaf_of(rows[there])
        partial, asked = self._looks[0].hits.partial.copy(), self._looks[0].hits.fan_out.copy()
        if any(look.hits.partial.any() for look in self._looks[1:]):
            partial[:] = True
        if merged:
            partial, asked = np.asarray(partial.any(keepdims=True)), asked.max(keepdims=True)
        return ClusterHits(ids, distances, leaves, partial, asked)

    @property
    def _known(self) -> tuple[Int64, NDArray[np.int64]]:
        """The numbers met so far, rising, and where each of them was met first."""
        seq, first = np.unique(np.concatenate([look.seq.ravel() for look in self._looks]), return_index=True)
        return seq, first.astype(np.int64)
