"""A change to an index: what it adds and deletes, whether it fits what is stored, and the files it makes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from deltalake.transaction import AddAction, RemoveAction

from hierindex.errors import DuplicateIdError, InputError, UnknownIdError
from hierindex.storage.draft import Draft
from hierindex.storage.log import Log, Operation, Publication
from hierindex.storage.parts import Part, group_rows, groups, highest
from hierindex.storage.points import Points, arrow_ids
from hierindex.storage.tree_file import TreeFile
from hierindex.vectors import Ids, as_ids

__all__ = ["Change"]


@dataclass(frozen=True)
class Change:
    """Points to add, points to delete and a new tree; each may be None.

    Attributes:
        log: the version that is changed.
        added: new points.
        deleted: ids as an Arrow array; may be empty.
        tree: a new generation of the tree.
    """

    log: Log
    added: Points | None
    deleted: pa.Array
    tree: TreeFile | None

    @classmethod
    def of(cls, log: Log, added: Points | None, deleted: Ids | None, tree: TreeFile | None) -> Change:
        """The change as it was asked for.

        Raises:
            InputError: the ids are no ids, or of another kind than those of the index.
            DuplicateIdError: an id to delete is given twice.
        """
        none = pa.array([], log.schema.field("id").type)
        some = deleted is not None and len(deleted) > 0
        gone = _of_kind(log, arrow_ids(as_ids(deleted, len(deleted)))) if some and deleted is not None else none
        return cls(log, added if added is not None and len(added) else None, gone, tree)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return self.added is None and self.tree is None and not len(self.deleted)

    def check(self, n_nodes: int, dim: int) -> list[Part]:
        """See that the change fits an index with ``n_nodes`` nodes over ``dim`` dimensions; the parts it touches.

        Raises:
            InputError: something cannot be stored.
            DuplicateIdError: an id to add is in the index already.
            UnknownIdError: an id to delete is not.
        """
        if self.tree is not None:
            self.tree.check()
            n_nodes = len(self.tree.nodes)
            _check_tree(self.log, self.tree, dim)
        if self.added is not None:
            self.added.check(n_nodes, dim)
            _check_new(self.log, self.added, self.deleted)
        return _touched(self.log, self.deleted)

    def write(self, draft: Draft, touched: list[Part], dim: int) -> tuple[list[AddAction | RemoveAction], Publication]:
        """Write the files of the change; what has to be committed."""
        log, now = self.log, int(time.time() * 1000)
        actions: list[AddAction | RemoveAction] = [
            RemoveAction(part.path.name, True, now, part.size, {}) for part in touched
        ]
        actions += draft.parts(_survivors(log, touched, self.deleted), log.schema)
        if self.added is not None:
            actions += draft.parts(self.added.tables(log.schema, group_rows(dim)), log.schema)
        rows = log.rows - len(self.deleted) + (0 if self.added is None else len(self.added))
        tree = log.tree if self.tree is None else draft.tree(self.tree)
        return actions, Publication(self._operation, rows, tree, log.model)

    @property
    def _operation(self) -> Operation:
        if self.added is not None:
            return Operation.UPDATE if len(self.deleted) else Operation.ADD
        return Operation.DELETE if len(self.deleted) else Operation.TREE


def _check_tree(log: Log, tree: TreeFile, dim: int) -> None:
    if tree.dim != dim:
        raise InputError(f"centroids should have {dim} dimensions, as the points have; found {tree.dim}")
    top = max((highest(part, log.schema, "leaf") for part in log.parts), default=-1)
    if top >= len(tree.nodes):
        raise InputError(f"nodes should only be appended; found {len(tree.nodes)}, but points lie in leaf {top}")


def _check_new(log: Log, added: Points, deleted: pa.Array) -> None:
    new = _of_kind(log, arrow_ids(added.ids))
    top = max((highest(part, log.schema, "seq") for part in log.parts), default=-1)
    if added.seq[0] <= top:
        raise InputError(f"seq should be above {top}, the last one stored; found {added.seq[0]}")
    known = _common(log, new)
    known = known.filter(pc.invert(pc.is_in(known, deleted)))
    if len(known):
        raise DuplicateIdError(
            f"ids should be new to the index; found {len(known)} that it holds: {known[:5].to_pylist()}; "
            "delete them in the same change, or leave them out"
        )


def _touched(log: Log, deleted: pa.Array) -> list[Part]:
    """The parts that hold points to delete."""
    found = _common(log, deleted)
    missing = deleted.filter(pc.invert(pc.is_in(deleted, found)))
    if len(missing):
        raise UnknownIdError(
            f"ids to delete should be in the index; found {len(missing)} that are not: {missing[:5].to_pylist()}"
        )
    return [part for part in _candidates(log, deleted) if len(_held(log, part, deleted))]


def _survivors(log: Log, parts: list[Part], deleted: pa.Array) -> Iterator[pa.Table]:
    """The rows of ``parts`` that are not deleted, row group by row group."""
    for part in parts:
        for group in groups(part, log.schema):
            kept = group.filter(pc.invert(pc.is_in(group["id"], deleted)))
            if len(kept):
                yield kept


def _common(log: Log, ids: pa.Array) -> pa.Array:
    """Those of ``ids`` that the index holds."""
    return pa.concat_arrays([ids[:0], *(_held(log, part, ids) for part in _candidates(log, ids))])


def _held(log: Log, part: Part, ids: pa.Array) -> pa.Array:
    chunks = [chunk for group in groups(part, log.schema, ["id"]) for chunk in group["id"].chunks]
    return pa.concat_arrays([ids[:0], *(chunk.filter(pc.is_in(chunk, ids)) for chunk in chunks)])


def _candidates(log: Log, ids: pa.Array) -> list[Part]:
    """The parts that may hold ids of this range; all of them where ids are strings."""
    if not len(ids):
        return []
    if not pa.types.is_integer(ids.type):
        return log.parts
    low, high = pc.min_max(ids).as_py().values()
    return [part for part in log.parts if part.low.get("id", low) <= high and part.high.get("id", high) >= low]


def _of_kind(log: Log, ids: pa.Array) -> pa.Array:
    kind = log.schema.field("id").type
    if ids.type != kind:
        raise InputError(f"ids should be of type {kind}, as those of the index are; found {ids.type}")
    return ids
