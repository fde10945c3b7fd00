"""Keeping an index that changes as good as one built today, a bounded step at a time.

In this order: removed rows, which every scan passes over, are left out; leaves that grew too large are split, ones
that became too small are dissolved, leaves whose rows have drifted from their centroids are centred on them and rows go
to where they are nearest (the steps of SPFresh, Xu et al., SOSP 2023, and one of Lloyd's k-means around what changed);
then the tree above the leaves is drawn anew, if these have become others; then codes and settings are made again, if
the rows have become others. All pure functions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from hierindex.index.dissolving import dissolved, room_for
from hierindex.index.native import scan_rows
from hierindex.index.nodes import Nodes
from hierindex.index.partition import group_sums
from hierindex.index.readying import compact, ready, retune
from hierindex.index.reassign import centred, near_leaves, resettled
from hierindex.index.reshape import drawn_anew
from hierindex.index.snapshot import Snapshot
from hierindex.index.splitting import split_leaves
from hierindex.index.tables import Table
from hierindex.index.watch import codes_drifted
from hierindex.vectors import Int64

__all__ = ["Maintained", "maintain"]

_LARGE, _SMALL = 2.0, 0.25
"""A leaf above or below so many times the wanted size is split or dissolved. Adding waits for `split_factor`."""
_MANY = 1.2
"""Above so many times the wanted number of leaves the smallest ones are dissolved."""
_FULL = 1.5
"""A leaf is dissolved only where the nearest one then holds at most so many times the wanted size."""
_DRIFT = 0.1
"""How far rows may have drifted from their leaf's centroid, as a share of the way to the next centroid."""
_DEAD = 0.1
_WORK = 4
"""Upkeep stops when it has worked on so many times as many leaves as there are and no point came or went: a crowd of
near-duplicates could be split and dissolved for ever, for k-means would rather have it in one leaf."""
_PASSES = 3
_ALIKE = 1e-6
_REDRAW = 1.1
_RETUNE = 1.2


@dataclass(frozen=True)
class Maintained:
    """What upkeep did.

    Attributes:
        split, dissolved, centred: how many leaves were split, dissolved, or moved to the mean of their rows.
        moved: how many rows went to another leaf, those of split and dissolved leaves not counted.
        redrawn: how many times the tree above the leaves was drawn anew.
        retrained: how many times codes and settings were made anew.
        compacted: how many times the rows of removed points were left out.
        left: how much is still to be done: leaves, and one each for the tree above them and for codes and settings.
    """

    split: int = 0
    dissolved: int = 0
    centred: int = 0
    moved: int = 0
    redrawn: int = 0
    retrained: int = 0
    compacted: int = 0
    left: int = 0

    @property
    def nothing(self) -> bool:
        """Whether there was nothing to do."""
        return not (self.split or self.dissolved or self.centred or self.redrawn or self.retrained or self.compacted)

    def then(self, later: Maintained) -> Maintained:
        """Both steps as one."""
        return Maintained(
            split=self.split + later.split,
            dissolved=self.dissolved + later.dissolved,
            centred=self.centred + later.centred,
            moved=self.moved + later.moved,
            redrawn=self.redrawn + later.redrawn,
            retrained=self.retrained + later.retrained,
            compacted=self.compacted + later.compacted,
            left=later.left,
        )


@dataclass(frozen=True)
class _Due:
    """Leaves to look after, the worst first."""

    split: list[int]
    dissolve: list[int]
    centre: list[int]

    def __len__(self) -> int:
        return len(self.split) + len(self.dissolve) + len(self.centre)


def maintain(snapshot: Snapshot, leaves: int = 64) -> tuple[Snapshot, Maintained]:
    """The snapshot after one step of upkeep, and what was done.

    Args:
        snapshot: the state to look after; it stays as it is.
        leaves: at most so many leaves are split, dissolved or centred.

    Returns:
        The same snapshot where there is nothing to do.
    """
    if not len(snapshot):
        return snapshot, Maintained()
    due, dead = _due(snapshot), len(snapshot.table) - len(snapshot)
    if dead > _DEAD * len(snapshot.table):
        after = compact(snapshot)
        return after, Maintained(compacted=1, left=len(due) + _outdated(after) + _worn(after))
    if len(due):
        after, done = _shaped(snapshot, due, leaves)
    elif _outdated(snapshot):
        table = _pinned(snapshot.table)
        nodes = drawn_anew(_counted(table, snapshot.nodes), snapshot.decode)
        after = ready(replace(snapshot, table=table, nodes=nodes, drawn=len(nodes.leaves)))
        done = Maintained(redrawn=1)
    elif _worn(snapshot):
        after, done = retune(snapshot), Maintained()
    else:
        return snapshot, Maintained()
    left = len(_due(after)) if len(due) else 0
    left += _outdated(after) + _worn(after)
    return after, replace(done, retrained=int(after.tuned is not snapshot.tuned), left=left)


def _shaped(snapshot: Snapshot, due: _Due, most: int) -> tuple[Snapshot, Maintained]:
    """Leaves split, dissolved and centred, ``most`` of them."""
    table, nodes = _pinned(snapshot.table), snapshot.nodes
    split = due.split[:most]
    if split:
        table, nodes = split_leaves(table, nodes, snapshot.decode, snapshot.config, split, _LARGE)
        table = _pinned(table)
    changed = [np.flatnonzero(nodes.is_leaf[len(snapshot.nodes) :]) + len(snapshot.nodes)]
    dissolve = due.dissolve[: most - len(split)]
    table, nodes, receivers = dissolved(table, nodes, dissolve, _FULL * snapshot.config.leaf_size(len(snapshot)))
    centre = np.array(due.centre[: most - len(split) - len(dissolve)], np.int64)
    changed += [receivers, centre[nodes.is_leaf[centre]]]
    table, nodes, moved = _relaxed(table, nodes, np.unique(np.concatenate(changed)))
    worked = snapshot.worked + len(split) + len(dissolve) + len(centre)
    after = ready(replace(snapshot, table=table, nodes=_counted(table, nodes), worked=worked))
    return after, Maintained(
        split=int((~nodes.is_leaf[split]).sum()) if split else 0,
        dissolved=int(nodes.retired[dissolve].sum()) if dissolve else 0,
        centred=len(centre),
        moved=moved,
    )


def _due(snapshot: Snapshot) -> _Due:
    """What is due; worked out once, though asked at the end of a step and at the beginning of the next."""
    known = _KNOWN.get(snapshot)
    if known is None:
        known = _KNOWN[snapshot] = _looked_for(snapshot)
    return known


_KNOWN: WeakKeyDictionary[Snapshot, _Due] = WeakKeyDictionary()
"""A snapshot never changes, and nor does what is due in it."""


def _looked_for(snapshot: Snapshot) -> _Due:
    table, nodes = snapshot.table, snapshot.nodes
    live, leaves = table.ids.live_rows, nodes.leaves
    if snapshot.worked > _WORK * len(leaves):
        return _Due([], [], [])
    position = nodes.leaf_position[table.leaf.values[live]]
    counts, sums = group_sums(table.rows.values, position, len(leaves), some=live)
    members = np.split(live[np.argsort(position, kind="stable")], np.cumsum(counts)[:-1])
    wanted = snapshot.config.leaf_size(len(live))
    large = [i for i in np.argsort(-counts, kind="stable").tolist() if counts[i] > _LARGE * wanted]
    split = [i for i in large if _differ(table, members[i])]
    excess = len(leaves) - _MANY * snapshot.config.leaves_for(len(live))
    rising = np.argsort(counts, kind="stable").tolist()
    small = [i for rank, i in enumerate(rising) if rank < excess or counts[i] < _SMALL * wanted]
    room = np.asarray(_FULL * wanted - counts, np.float64)
    small = [i for i in small if room_for(table, nodes, members[i], i, room)]
    shift, way = _drift(nodes, counts, sums)
    drifted = np.flatnonzero(shift > _DRIFT * way)
    drifted = np.setdiff1d(drifted[np.argsort(-shift[drifted], kind="stable")], split, assume_unique=True)
    return _Due(leaves[split].tolist(), leaves[small].tolist(), leaves[drifted].tolist())


def _differ(table: Table, rows: Int64) -> bool:
    """Whether some rows can be told apart."""
    vectors = table.rows.values[rows]
    return bool((np.abs(vectors - vectors[0]) > _ALIKE * np.abs(vectors).max()).any())


def _drift(nodes: Nodes, counts: Int64, sums: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """``(L,)`` each: how far the mean of a leaf's rows is from its centroid, and how far the next centroid is."""
    centroids = nodes.leaf_centroids.astype(np.float64)
    filled = counts > 0
    shift = np.zeros(len(counts))
    shift[filled] = np.linalg.norm(sums[filled] / counts[filled, None] - centroids[filled], axis=1)
    room = np.linalg.norm(centroids - centroids[_next_leaf(nodes)], axis=1) if len(counts) > 1 else np.ones(1)
    return shift, np.maximum(room, 1e-6 * np.linalg.norm(centroids, axis=1))


def _next_leaf(nodes: Nodes) -> Int64:
    """``(L,)``: which other leaf's centroid is nearest to that of each."""
    centroids = nodes.leaf_centroids
    if len(centroids) < 2:
        return np.zeros(len(centroids), np.int64)
    found, _ = scan_rows(centroids, centroids, 2, by_product=False)
    own = np.arange(len(centroids))
    return np.where(found[:, 0] == own, found[:, 1], found[:, 0])


def _pinned(table: Table) -> Table:
    """The table with every row put where it is: what it was put into may be gone from the tree afterwards."""
    rows = np.flatnonzero(table.home.values != table.leaf.values)
    return table.rehomed(rows, table.leaf.values[rows])


def _relaxed(table: Table, nodes: Nodes, leaves: Int64) -> tuple[Table, Nodes, int]:
    """Some leaves and those around them after a few steps of Lloyd's k-means; and how many rows moved."""
    if not len(leaves):
        return table, nodes, 0
    around, total = near_leaves(nodes, leaves), 0
    for _ in range(_PASSES):
        nodes = centred(table, nodes, around)
        table, moved = resettled(table, nodes, around)
        total += moved
    return table, centred(table, nodes, around), total


def _counted(table: Table, nodes: Nodes) -> Nodes:
    return replace(nodes, count=nodes.counts(table.leaf.values[table.ids.live_rows]))


def _changed(now: int, then: int, factor: float) -> bool:
    return now > factor * then or then > factor * now


def _outdated(snapshot: Snapshot) -> bool:
    """Whether the tree above the leaves was drawn for fewer or more of them."""
    return _changed(len(snapshot.nodes.leaves), snapshot.drawn, _REDRAW)


def _worn(snapshot: Snapshot) -> bool:
    """Whether codes and settings were made for other rows or leaves than there are now."""
    tuned, packed = snapshot.tuned, snapshot.packed
    if tuned is None or packed is None or snapshot.small:
        return False
    n, n_leaves = len(snapshot), len(snapshot.nodes.leaves)
    if _changed(n, tuned.n_live, _RETUNE) or _changed(n_leaves, tuned.n_leaves, _REDRAW):
        return True
    return codes_drifted(snapshot.table, packed.coder, tuned.n_live)
