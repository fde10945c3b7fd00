"""Changes to an index that is searched by many workers: each is one commit to its files, which all of them then read.

The caller finds the leaf of each new point and writes the commit; no more of the index is read for that than the parts
in which an id might be. New points are late rows with the caller until there are enough of them; then one commit moves
them into the lists, and their leaves' workers read them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from hierindex.api.payload import as_payload
from hierindex.cluster.front import Front
from hierindex.cluster.placement import Placement
from hierindex.errors import DuplicateIdError, InputError
from hierindex.index.native import nearest
from hierindex.storage import Edit, Points, Store, TreeFile
from hierindex.storage.draft import POINTS, TREE
from hierindex.storage.log import Log, open_log
from hierindex.storage.parts import highest
from hierindex.storage.tree_file import read_tree
from hierindex.vectors import Float32, Ids, as_ids

if TYPE_CHECKING:
    from hierindex.cluster.index import _State

__all__ = ["Changing"]

_TAIL = 200  # late rows up to the packed ones over this wait for more


class Changing:
    """The part of `ClusterIndex` that changes it."""

    _state: _State
    _writer: threading.RLock

    def add(
        self, points: object, *, ids: ArrayLike | None = None, payload: object = None, token: str | None = None
    ) -> Ids:
        """Add points; every search that begins after this returns finds them, on every `ClusterIndex` after `refresh`.

        Args:
            points: vectors ``(n, d)``, or images of the kinds that the index was built from.
            ids: unique and new; None numbers on from the largest.
            payload: the same columns as the index has.
            token: as for `HierIndex.add`.

        Returns:
            The ids of what was added; none if the token was known.

        Raises:
            DuplicateIdError: an id is there already. InputError: points, ids or payload do not fit.
            ConflictError: another writer committed first; refresh and repeat. Nothing is changed then.
        """
        return self._put(points, ids, payload, token, replacing=False)

    def upsert(self, points: object, ids: ArrayLike, *, payload: object = None, token: str | None = None) -> Ids:
        """Put points in the place of those with the same ids, and add the others: one commit.

        Args:
            points: as for `add`.
            ids: one for each.
            payload: as for `add`.
            token: as for `add`.

        Raises:
            InputError, ConflictError: as for `add`.
        """
        return self._put(points, ids, payload, token, replacing=True)

    def delete(self, ids: ArrayLike, *, token: str | None = None) -> int:
        """Remove points; how many there were.

        Args:
            ids: unique, and in the index.
            token: as for `add`; 0 is returned if it was known.

        Raises:
            UnknownIdError: an id is not in the index. ConflictError: as for `add`. Nothing is changed then.
        """
        array = np.atleast_1d(np.asarray(ids))
        gone = as_ids(array, len(array)) if array.size else None
        if gone is None or not self._changed(token, lambda store: store.commit(deleted=gone, token=token)):
            return 0
        return len(gone)

    def update_payload(self, ids: ArrayLike, payload: object, *, token: str | None = None) -> int:
        """Set payload columns of some points; how many.

        Args:
            ids: unique, and in the index.
            payload: a row for each id, with the columns to set.
            token: as for `delete`.

        Raises:
            UnknownIdError, InputError, ConflictError: as for `HierIndex.update_payload`. Nothing is changed then.
        """
        array = np.atleast_1d(np.asarray(ids))
        if not array.size:
            return 0
        names = as_ids(array, len(array))
        values = as_payload(payload, len(names))
        if values is None:
            raise InputError("payload should be columns to set; found None")
        edit = Edit(names, values)
        return len(names) if self._changed(token, lambda store: store.commit(edit=edit, token=token)) else 0

    # ---- inside

    def _put(
        self, points: object, ids: ArrayLike | None, payload: object, token: str | None, *, replacing: bool
    ) -> Ids:
        with self._writer:
            state = self._state
            front, rows = state.front, state.encoding.query(points)
            store = self._open()
            if token is not None and store.token(token) is not None:
                return as_ids(None, 0)
            with store.turn():
                log = open_log(store.path / POINTS, store.version)
                chosen = _named(log, ids, len(rows))
                there = _present(state, chosen)
                if there is not None and len(there) and not replacing:
                    raise DuplicateIdError(
                        f"ids should be new; {len(there)} are in the index, such as {there[:5].tolist()}"
                    )
                new = _points(log, front, rows, chosen, as_payload(payload, len(rows)))
                tree = _folded(store, log, front, new)
                gone = there if replacing else None
                store.commit(new, gone, tree, token=token, checked=there is not None)
            self._shown(store, None)
        return chosen

    def _changed(self, token: str | None, change: Callable[[Store], object]) -> bool:
        """Make a change under a token and show it; False where the token is known."""
        with self._writer:
            store = self._open()
            if token is not None and store.token(token) is not None:
                return False
            with store.turn():
                change(store)
            self._shown(store, None)
        return True

    def _open(self) -> Store:
        """A store of its own for a change: a commit moves it on, and what is searched stays where it is."""
        store = self._state.store
        return Store.open(store.path, store.version)

    def _shown(self, store: Store, placement: Placement | None) -> None:
        raise NotImplementedError


def _named(log: Log, ids: ArrayLike | None, n: int) -> Ids:
    """The ids of n new points; numbers above all that are stored, where none are given."""
    strings = pa.types.is_string(log.schema.field("id").type)
    if ids is None and strings:
        raise InputError("ids should be given: those of this index are strings")
    top = -1 if strings else max((highest(part, log.schema, "id") for part in log.parts), default=-1)
    chosen = as_ids(ids, n, start=top + 1)
    if (chosen.dtype == object) != strings:
        raise InputError(f"ids should be {'strings' if strings else 'integers'}, as those of the index are")
    return chosen


def _present(state: _State, ids: Ids) -> Ids | None:
    """Those of the ids that are in the index, as the workers know; None where a leaf is held by nobody alive."""
    held = state.scanner.present(ids)
    late = state.front.late.ids
    return None if held is None else np.concatenate([held, late[np.isin(late, ids)]])


def _points(log: Log, front: Front, rows: Float32, ids: Ids, payload: pa.Table | None) -> Points:
    """New points behind those that are stored, each in the leaf with the nearest centroid."""
    first = 1 + max((highest(part, log.schema, "seq") for part in log.parts), default=-1)
    leaf = front.nodes.leaves[nearest(rows, front.nodes.leaf_centroids)]
    return Points(ids, np.arange(first, first + len(rows), dtype=np.int64), leaf, rows, payload)


def _folded(store: Store, log: Log, front: Front, new: Points) -> TreeFile | None:
    """The tree by which late rows move into the lists, where there are too many of them; None where they may wait.

    Raises:
        InputError: the set was small enough to be compared whole, and is no longer.
    """
    n_late, config = len(front.late) + len(new), front.config
    if front.packed_seq is None:
        if front.n + len(new) > front.bound:
            raise InputError(
                f"an index of up to {front.bound:,} points has no lists yet; found that it would grow to "
                f"{front.n + len(new):,}; add these points with HierIndex, which lays it out, then refresh"
            )
        return None
    if n_late <= max(config.tail_rows, (front.n - len(front.late)) // _TAIL):
        return None
    tree = read_tree(store.path / TREE, log.tree)
    nodes = front.nodes
    more = np.concatenate([nodes.leaves[front.late.leaf], new.leaf])
    state = tree.about["state"] | {"packed_seq": int(new.seq[-1]) + 1}
    counted = replace(nodes, count=nodes.count + nodes.counts(more))
    return TreeFile(counted, tree.about | {"state": state})
