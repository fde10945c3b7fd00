"""Leaves that grew too large become subtrees, and every row finds its place by one rule."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from hierindex.decode import Decode
from hierindex.errors import CorruptIndexError
from hierindex.index.config import IndexConfig
from hierindex.index.native import nearest_among
from hierindex.index.nodes import Nodes
from hierindex.index.partition import cells, decode_groups, group_sums, nodes_of
from hierindex.index.tables import Table
from hierindex.vectors import Float32, Int64

__all__ = ["settle", "split_leaves"]

_PASSES = 8
_PAIRS_AT_ONCE = 4_000_000


def settle(rows: Float32, leaf: Int64, nodes: Nodes) -> Int64:
    """Where rows are now that were put into ``leaf``: there, or in the nearest leaf (L2) below it if it has split.

    Depends on nothing but its arguments, row by row, so that a split in memory and a load from disk agree.

    Args:
        rows: ``(n, d)``.
        leaf: ``(n,)`` node numbers.
        nodes: the tree.

    Raises:
        CorruptIndexError: a number is no node.
    """
    if not len(leaf):
        return leaf.copy()
    if not 0 <= leaf.min() <= leaf.max() < len(nodes):
        raise CorruptIndexError(
            f"leaves of rows should be nodes 0..{len(nodes) - 1}; found {leaf.min()}..{leaf.max()}; "
            "restore an older version or build the index again"
        )
    if (gone := nodes.retired[leaf]).any():
        raise CorruptIndexError(
            f"leaves of rows should be nodes of the tree; found {int(leaf[gone][0])}, which was taken out of it; "
            "restore an older version or build the index again"
        )
    settled = leaf.copy()
    order = np.argsort(leaf, kind="stable")
    homes, first = np.unique(leaf[order], return_index=True)
    for home, members in zip(homes.tolist(), np.split(order, first[1:]), strict=True):
        if not nodes.is_leaf[home]:
            settled[members] = _nearest_below(rows, members, nodes.leaves_under(home), nodes.centroid)
    return settled


def split_leaves(
    table: Table, nodes: Nodes, kind: Decode, config: IndexConfig, watched: Iterable[int], factor: float | None = None
) -> tuple[Table, Nodes]:
    """Split those of the watched leaves that hold more than ``factor`` times the wanted number of rows.

    None takes ``config.split_factor``. Each splits straight into as many leaves of the wanted size as its rows fill
    (two at a time would need many passes and never get done with near-duplicates, lance#9051). A leaf of identical rows
    stays as it is.
    """
    wanted = config.leaf_size(table.ids.n_live)
    most = (config.split_factor if factor is None else factor) * wanted
    watched = set(watched)
    for _ in range(_PASSES):
        filled = [leaf for leaf in watched if leaf < len(table.filling)]  # leaves behind the last filled one are empty
        if not (table.filling[filled] > most).any():
            break
        grown, below = _grow(table, nodes, kind, (wanted, most, config.seed), watched)
        if not below:
            break
        homes = np.zeros(len(grown), np.bool_)
        homes[[node for leaf in below for node in grown.path(leaf)]] = True
        moved = np.flatnonzero(homes[table.home.values])
        leaf = table.leaf.values.copy()
        leaf[moved] = settle(table.rows.values[moved], table.home.values[moved], grown)
        table, nodes = table.moved(leaf), replace(grown, count=grown.counts(leaf[table.ids.live_rows]))
        watched = {int(node) for leaf_ in below for node in nodes.leaves_under(leaf_)}
    return table, nodes


def _grow(
    table: Table, nodes: Nodes, kind: Decode, size: tuple[int, float, int], watched: set[int]
) -> tuple[Nodes, list[int]]:
    """The nodes with subtrees below the watched leaves that are too large, and which leaves these were."""
    wanted, most, seed = size
    live = table.ids.live_rows
    leaf = table.leaf.values[live]
    counts = np.bincount(leaf, minlength=len(nodes))
    split: list[int] = []
    for node in sorted(watched):
        if counts[node] <= most:
            continue
        members = live[leaf == node]
        rows, points = table.rows.values[members], table.points_of(members)
        below = _subtree(rows, points, -(-len(members) // wanted), kind, seed)
        if below is not None:
            nodes = _hung(nodes, node, below)
            split.append(node)
    return nodes, split


def _subtree(rows: Float32, points: Float32, k: int, kind: Decode, seed: int) -> Nodes | None:
    """A tree over up to k cells of the rows of one leaf; None where they cannot be told apart."""
    if (rows == rows[0]).all():
        return None
    cell = cells(rows, max(2, min(k, len(rows))), seed)
    n_cells = int(cell.max()) + 1
    if n_cells < 2:
        return None
    return nodes_of(decode_groups(*group_sums(points, cell, n_cells), kind), rows, points, cell)


def _hung(nodes: Nodes, leaf: int, below: Nodes) -> Nodes:
    """The nodes with ``below`` in the place of a leaf: its root takes the leaf's number, the others come behind."""
    number = len(nodes) + np.arange(len(below))
    number[below.root] = leaf  # a decoded tree has its root last, so the others are numbered without a gap
    new = np.delete(np.arange(len(below)), below.root)
    above = nodes.parent[leaf]
    height = np.minimum(below.height, np.inf if above < 0 else nodes.height[above])
    changed = {}
    for name, values in (
        ("height", height),
        ("centroid", below.centroid),
        ("ball", below.ball),
        ("count", below.count),
    ):
        old = getattr(nodes, name).copy()
        old[leaf] = values[below.root]
        changed[name] = np.concatenate([old, values[new]])
    return Nodes(parent=np.concatenate([nodes.parent, number[below.parent[new]]]), **changed)


def _nearest_below(rows: Float32, members: Int64, leaves: Int64, centroid: Float32) -> Int64:
    step = max(1, _PAIRS_AT_ONCE // len(leaves))
    found = np.empty(len(members), np.int64)
    for start in range(0, len(members), step):
        some = np.ascontiguousarray(rows[members[start : start + step]])
        choices = np.ascontiguousarray(np.broadcast_to(leaves, (len(some), len(leaves))))
        found[start : start + step] = nearest_among(some, centroid, choices, 1, by_product=False)[0][:, 0]
    return found
