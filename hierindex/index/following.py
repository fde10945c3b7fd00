"""From a snapshot of one stored version to that of a later one, without reading what both have.

What comes out answers as the later version does when it is opened: the tree, the settings and which rows are packed are
those that were stored. Rows that are gone stay behind as removed ones, until there are too many of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hierindex.index.moves import Moves
from hierindex.index.native import nearest
from hierindex.index.nodes import Nodes
from hierindex.index.rows import Column
from hierindex.index.snapshot import Snapshot
from hierindex.index.splitting import settle
from hierindex.index.tables import NewRows, Table
from hierindex.index.updates import counted, restored
from hierindex.vectors import Int64

__all__ = ["News", "follow"]

_DEAD = 0.1
"""Removed rows, as a share of all, that may stay behind: each scan passes over them."""


@dataclass(frozen=True, eq=False)
class News:
    """Stored rows that a snapshot does not know, or knows with other payload; and which are gone.

    Attributes:
        new: the rows, by rising ``seq``.
        seq, leaf: ``(n,)`` int64 of them, as stored.
        removed: the ``seq`` of rows that are gone.
        replaced: ranges of ``seq``, of which only those are left that are among the new.
        n: how many rows there are afterwards.
        next_seq: no row to come has a ``seq`` below it.
    """

    new: NewRows
    seq: Int64
    leaf: Int64
    removed: Int64
    replaced: list[tuple[int, int]]
    n: int
    next_seq: int


def follow(snapshot: Snapshot, news: News, tree: tuple[Nodes, Mapping[str, Any]] | None) -> Snapshot | None:
    """The snapshot with the news.

    Args:
        snapshot: an earlier stored version.
        news: what is new.
        tree: nodes and `Snapshot.state` that were stored since; None where they are the same.

    Returns:
        None where it is better read anew: much is gone, codes or settings were made anew, or the news do not fit.

    Raises:
        DuplicateIdError, CorruptIndexError: what is stored does not fit together.
    """
    table = _without_gone(snapshot.table, news)
    if table is None or (tree is not None and not _same_coder(snapshot, tree[1])):
        return None
    first = _first_new(table, news)
    total = len(table) + len(news.seq) - first
    if table.ids.n_live + len(news.seq) - first != news.n or total - news.n > _DEAD * total:
        return None
    if tree is None:
        return _under_the_same(snapshot, _appended(table, news, first, table.moves, snapshot.nodes))
    nodes, state = tree
    news = replace(news, next_seq=max(news.next_seq, counted(state, "next_seq", 0)))
    moves = Moves.from_json(state.get("moves"), most=news.next_seq)
    table = _appended(table, news, first, moves, nodes)
    table = _settled(table, moves, nodes)
    return restored(replace(snapshot, table=table, nodes=nodes, packed=None), state, lambda *_: _codes(snapshot))


def _first_new(table: Table, news: News) -> int:
    """From where on the rows are new; those before it are known already."""
    return int(np.searchsorted(news.seq, table.seq.values[-1], side="right")) if len(table) else 0


def _without_gone(table: Table, news: News) -> Table | None:
    """The table without what is gone, and with the payload that rows have now; None where it does not fit."""
    seq, alive = table.seq.values, table.ids.alive
    known = _first_new(table, news)
    again = np.searchsorted(seq, news.seq[:known])
    if not (np.array_equal(seq[again], news.seq[:known]) and alive[again].all()):
        return None
    gone = np.zeros(len(table), np.bool_)
    for low, high in news.replaced:
        gone[np.searchsorted(seq, low) : np.searchsorted(seq, high, side="right")] = True
    gone[again] = False
    gone |= np.isin(seq, news.removed)
    gone &= alive
    if gone.any():
        table = table.remove(np.flatnonzero(gone))
    if known and news.new.payload is not None:
        table = table.edited(again, news.new.payload.slice(0, known))
    return table


def _appended(table: Table, news: News, first: int, moves: Moves, nodes: Nodes) -> Table:
    """The table with the rows that are new behind its last one."""
    if first < len(news.seq):
        new = news.new
        payload = None if new.payload is None else new.payload.slice(first)
        rows = NewRows(new.rows[first:], new.ids[first:], new.points[first:], payload)
        home = moves.homes(news.seq[first:], news.leaf[first:])
        table = table.append(rows, settle(rows.rows, home, nodes), home, news.seq[first:])
    return replace(table, floor=max(table.floor, news.next_seq))


def _under_the_same(snapshot: Snapshot, table: Table) -> Snapshot | None:
    """The snapshot where neither tree nor settings are new."""
    small = table.ids.n_live <= snapshot.bound
    if not small and snapshot.packed is None:
        return None  # it has grown out of being compared whole
    return replace(snapshot, table=table, packed=None if small else snapshot.packed)


def _settled(table: Table, moves: Moves, nodes: Nodes) -> Table:
    """The table with each row where it is in another tree."""
    home = moves.homes(table.seq.values, table.home.values).copy()
    dead = np.flatnonzero(~table.ids.alive)  # they lie in some list, and where they were put may be gone from the tree
    if len(dead):
        home[dead] = nodes.leaves[nearest(table.rows.values[dead], nodes.leaf_centroids)]
    leaf = settle(table.rows.values, home, nodes)
    return replace(table.moved(leaf), home=Column.taking(home), moves=moves.of(table.seq.values))


def _same_coder(snapshot: Snapshot, state: Mapping[str, Any]) -> bool:
    packed, coder = snapshot.packed, state.get("coder")
    own = None if packed is None or packed.coder is None else packed.coder.to_json()
    return own == coder


def _codes(snapshot: Snapshot) -> Column | None:
    return None if snapshot.packed is None else snapshot.packed.codes
