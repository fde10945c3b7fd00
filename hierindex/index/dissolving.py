"""Leaves that became too small are taken out of the tree, and their rows go to the nearest ones that are left."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hierindex.index.native import nearest
from hierindex.index.nodes import Nodes
from hierindex.index.reshape import without
from hierindex.index.tables import Table
from hierindex.vectors import Int64

__all__ = ["dissolved", "room_for"]


def dissolved(table: Table, nodes: Nodes, leaves: list[int], most: float) -> tuple[Table, Nodes, Int64]:
    """Leaves taken out of the tree, their rows in the nearest ones that are left; and which these are.

    A leaf stays where those before it have taken the room: no other would then hold more than ``most``.
    """
    alive, where = table.ids.alive, table.leaf.values.copy()
    counts = np.bincount(where[alive], minlength=len(nodes))
    held = {leaf: [rows] for leaf, rows in _rows_of(where, leaves).items()}  # removed rows move too
    receivers: list[int] = []
    for leaf in leaves:
        if not nodes.is_leaf[leaf]:
            continue
        rows, room = np.sort(np.concatenate(held[leaf])), np.asarray(most - counts[nodes.leaves], np.float64)
        if not room_for(table, nodes, rows[alive[rows]], int(nodes.leaf_position[leaf]), room):
            continue
        nodes = without(nodes, leaf)
        into = nodes.leaves[nearest(table.rows.values[rows], nodes.leaf_centroids)]
        where[rows], counts[leaf] = into, 0
        np.add.at(counts, into[alive[rows]], 1)
        for other in np.unique(into).tolist():
            receivers.append(other)
            if other in held:
                held[other].append(rows[into == other])
    gone = np.flatnonzero(where != table.leaf.values)
    left = np.unique(np.array(receivers, np.int64))
    return table.rehomed(gone, where[gone]), nodes, left[nodes.is_leaf[left]]


def room_for(table: Table, nodes: Nodes, rows: Int64, place: int, room: NDArray[np.float64]) -> bool:
    """Whether other leaves have room ``(L,)`` for the rows of the one at a place."""
    others = np.delete(np.arange(len(nodes.leaves)), place)
    if not len(others):
        return False
    into = others[nearest(table.rows.values[rows], np.ascontiguousarray(nodes.leaf_centroids[others]))]
    return bool((np.bincount(into, minlength=len(room)) <= np.maximum(room, 0)).all())


def _rows_of(leaf: Int64, wanted: list[int]) -> dict[int, Int64]:
    """The rows of some leaves: one look at all rows for all of them."""
    some = np.unique(np.array(wanted, np.int64))
    rows = np.flatnonzero(np.isin(leaf, some))
    rows = rows[np.argsort(leaf[rows], kind="stable")]
    first = np.searchsorted(leaf[rows], some)
    return dict(zip(some.tolist(), np.split(rows, first[1:]), strict=True)) if len(some) else {}
