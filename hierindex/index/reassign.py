"""Rows go where they are nearest: after leaves have split, merged, or drifted from where their centroids stood.

The rule of SPFresh (Xu et al., SOSP 2023, section 3): each row lies in the leaf with the nearest centroid. Inserts keep
it by themselves; a split breaks it for rows around the new centroids, which are looked at again.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hierindex.decode import klein_to_poincare, poincare_to_klein
from hierindex.index.native import nearest, nearest_among, scan_rows
from hierindex.index.nodes import Nodes
from hierindex.index.partition import group_sums
from hierindex.index.tables import Table
from hierindex.vectors import Int64

__all__ = ["attracted", "centred", "near_leaves", "resettled", "rows_in"]

NEIGHBOURS = 16
"""Leaves around a new one whose rows may be nearer to it."""


def rows_in(table: Table, leaves: Int64, n_nodes: int) -> Int64:
    """The rows that are there in some leaves, rising."""
    wanted = np.zeros(n_nodes, np.bool_)
    wanted[leaves] = True
    live = table.ids.live_rows
    return np.asarray(live[wanted[table.leaf.values[live]]])


def near_leaves(nodes: Nodes, leaves: Int64, k: int = NEIGHBOURS) -> Int64:
    """These leaves and the k nearest ones to each, by centroid (L2), rising."""
    k = min(k + 1, len(nodes.leaves))
    found, _ = scan_rows(np.ascontiguousarray(nodes.centroid[leaves]), nodes.leaf_centroids, k, by_product=False)
    return np.union1d(leaves, nodes.leaves[found.ravel()])


def attracted(table: Table, nodes: Nodes, fresh: Int64) -> Table:
    """Rows of the leaves around the ``fresh`` ones go over to those that are nearer than their own."""
    around = np.setdiff1d(near_leaves(nodes, fresh), fresh)
    if not len(fresh) or not len(around):
        return table
    rows = rows_in(table, around, len(nodes))
    if not len(rows):
        return table
    vectors, own = table.rows.values[rows], table.leaf.values[rows]
    new = fresh[nearest(vectors, np.ascontiguousarray(nodes.centroid[fresh]))]
    choices = np.ascontiguousarray(np.stack([own, new], axis=1))
    best = nearest_among(vectors, nodes.centroid, choices, 1, by_product=False)[0][:, 0]
    gone = best != own
    return table.rehomed(rows[gone], best[gone])


def resettled(table: Table, nodes: Nodes, leaves: Int64) -> tuple[Table, int]:
    """Each row of some leaves goes to the nearest of all leaves; and how many went."""
    rows = rows_in(table, leaves, len(nodes))
    if not len(rows):
        return table, 0
    best = nodes.leaves[nearest(table.rows.values[rows], nodes.leaf_centroids)]
    gone = best != table.leaf.values[rows]
    return table.rehomed(rows[gone], best[gone]), int(gone.sum())


def centred(table: Table, nodes: Nodes, leaves: Int64) -> Nodes:
    """The nodes with some leaves, and all above them, at the means of the rows that are there now.

    A leaf without rows stays where it is.
    """
    rows = rows_in(table, leaves, len(nodes))
    group = np.searchsorted(leaves, table.leaf.values[rows])
    counts, sums = group_sums(table.rows.values[rows], group, len(leaves))
    _, klein = group_sums(table.points_of(rows), group, len(leaves))
    filled = counts > 0
    weight = counts[filled, None]
    centroid, ball = nodes.centroid.copy(), nodes.ball.copy()
    centroid[leaves[filled]] = sums[filled] / weight
    ball[leaves[filled]] = klein_to_poincare(klein[filled] / weight)
    count = nodes.counts(table.leaf.values[table.ids.live_rows])
    nodes = replace(nodes, centroid=centroid, ball=ball, count=count)
    return _means_above(nodes, leaves[filled])


def _means_above(nodes: Nodes, leaves: Int64) -> Nodes:
    """The nodes above some leaves at the means of their two children, weighted by rows."""
    changed = np.zeros(len(nodes), np.bool_)
    changed[leaves] = True
    centroid, klein = nodes.centroid.astype(np.float64), poincare_to_klein(nodes.ball.astype(np.float64))
    above: list[int] = []
    for node in nodes.preorder[::-1].tolist():
        left, right = nodes.children[node].tolist()
        if left < 0 or not (changed[left] or changed[right]):
            continue
        changed[node] = True
        share = nodes.count[left] / max(nodes.count[node], 1) if nodes.count[node] else 0.5
        for values in (centroid, klein):
            values[node] = share * values[left] + (1 - share) * values[right]
        above.append(node)
    ball = nodes.ball.copy()
    ball[above] = klein_to_poincare(klein[above])
    return replace(nodes, centroid=centroid.astype(np.float32), ball=ball)
