"""A change to an index: what it adds and deletes, whether it fits what is stored, and the files it makes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hierindex.errors import DuplicateIdError, InputError, UnknownIdError
from hierindex.storage.commit import Operation, Publication
from hierindex.storage.draft import TREE, Draft
from hierindex.storage.files import Place
from hierindex.storage.live import Rewriting
from hierindex.storage.log import Log
from hierindex.storage.parts import Part, group_rows, groups, highest
from hierindex.storage.payload import fit_given
from hierindex.storage.points import OWN, Points, arrow_ids
from hierindex.storage.removed_file import Removed
from hierindex.storage.tree_file import TreeFile, read_tree
from hierindex.vectors import Ids, Int64, as_ids

__all__ = ["Change", "Edit", "Reached"]

_WORN = 3
"""A part is written anew once more than one in so many of its rows is removed, so that files stay in bounds."""
_NONE = np.empty(0, np.int64)


@dataclass(frozen=True)
class Edit:
    """New payload values of some points: unique ids, and a table with a row for each and the columns to set."""

    ids: Ids
    values: pa.Table


@dataclass(frozen=True, eq=False)
class Reached:
    """What of the stored points a change reaches: the ``seq`` of those to delete, the parts with payload to set."""

    deleted: Int64
    edited: list[Part]


@dataclass(frozen=True)
class Change:
    """Points to add, points to delete, payload to set and a new tree; each may be None.

    Attributes:
        log: the version that is changed.
        added: new points.
        deleted: ids as an Arrow array; may be empty.
        tree: a new generation of the tree.
        edit: payload to set.
        checked: whether the caller has seen that the ids to add are new to this version: looking for them in all parts
            takes longer than writing a few points.
        at: the ``seq`` of what is deleted, where the caller knows it: then its ids are not looked for either.
    """

    log: Log
    added: Points | None
    deleted: pa.Array
    tree: TreeFile | None
    edit: Edit | None = None
    checked: bool = False
    at: Int64 | None = None

    @classmethod
    def of(
        cls,
        log: Log,
        added: Points | None,
        deleted: Ids | None,
        tree: TreeFile | None,
        edit: Edit | None = None,
        checked: bool = False,
        at: Int64 | None = None,
    ) -> Change:
        """The change as it was asked for.

        Raises:
            InputError: the ids are no ids, or of another kind than those of the index; the payload is none of its.
            DuplicateIdError: an id to delete or edit is given twice.
        """
        none = pa.array([], log.schema.field("id").type)
        some = deleted is not None and len(deleted) > 0
        gone = _of_kind(log, arrow_ids(as_ids(deleted, len(deleted)))) if some and deleted is not None else none
        if edit is not None and len(edit.ids):
            edit = Edit(as_ids(edit.ids, len(edit.ids)), fit_given(edit.values, pa.schema(list(log.schema)[OWN:])))
            _of_kind(log, arrow_ids(edit.ids))
        else:
            edit = None
        return cls(log, added if added is not None and len(added) else None, gone, tree, edit, checked, at)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return self.added is None and self.tree is None and self.edit is None and not len(self.deleted)

    def check(self, n_nodes: int, dim: int) -> Reached:
        """See that the change fits an index with ``n_nodes`` nodes over ``dim`` dimensions; what it reaches.

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
            _check_new(self.log, self.added, self.deleted, self.checked)
        at = self.at
        deleted = np.concatenate([_NONE, *_located(self.log, self.deleted).values()]) if at is None else at
        _check_there(self.log, deleted, len(self.deleted))
        edited = {} if self.edit is None else _located(self.log, arrow_ids(self.edit.ids))
        return Reached(np.sort(deleted), [part for part in self.log.parts if part.path in edited])

    def write(self, draft: Draft, reached: Reached, dim: int) -> Publication:
        """Write the files of the change; what has to be committed."""
        log, parts = self.log, []
        removed = log.removed.then(reached.deleted)
        worn = [part for part in log.parts if _WORN * removed.count_in(part) > part.rows] if len(self.deleted) else []
        rewritten = list({part.path: part for part in [*reached.edited, *worn]}.values())
        work = Rewriting(log.schema, removed)
        for part in rewritten:  # each by itself, so that the seq of parts do not overlap
            parts += draft.parts(self._kept(work, part), log.schema)
        if self.added is not None:
            parts += draft.parts(self.added.tables(log.schema, group_rows(dim)), log.schema)
        rows = log.rows - len(self.deleted) + (0 if self.added is None else len(self.added))
        without = work.still_removed(draft, log.removed)
        tree = self._tree(draft, without)
        return Publication(self._operation, rows, tree, log.model, added=parts, removed=rewritten, without=without)

    def _tree(self, draft: Draft, without: Removed) -> int:
        """The generation of the tree: a new one also where the first removed row raises the version of the format."""
        log, tree = self.log, self.tree
        if tree is None and without.format > log.removed.format:
            known = read_tree(log.folder.parent / TREE, log.tree)
            tree = known if known.format < without.format else None
        return log.tree if tree is None else draft.tree(tree, without.format)

    @property
    def _operation(self) -> Operation:
        if self.added is not None:
            return Operation.UPDATE if len(self.deleted) else Operation.ADD
        if self.edit is not None:
            return Operation.PAYLOAD
        return Operation.DELETE if len(self.deleted) else Operation.TREE

    def _kept(self, work: Rewriting, part: Part) -> Iterator[pa.Table]:
        """The rows of a part as they are afterwards, row group by row group."""
        for group in work.live(part):
            yield group if self.edit is None else _edited(group, self.edit)


def _edited(group: pa.Table, edit: Edit) -> pa.Table:
    """The rows with the payload that was set for some of them."""
    at = pc.index_in(group["id"], arrow_ids(edit.ids)).to_numpy(zero_copy_only=False)
    found = ~np.isnan(at.astype(np.float64))
    source = np.arange(len(group))
    source[found] = len(group) + at[found].astype(np.int64)
    for name in edit.values.column_names:
        both = pa.chunked_array([*group[name].chunks, *edit.values[name].chunks], group.schema.field(name).type)
        group = group.set_column(group.schema.get_field_index(name), group.schema.field(name), both.take(source))
    return group


def _check_tree(log: Log, tree: TreeFile, dim: int) -> None:
    if tree.dim != dim:
        raise InputError(f"centroids should have {dim} dimensions, as the points have; found {tree.dim}")
    top = max((highest(part, log.schema, "leaf") for part in log.parts), default=-1)
    if top >= len(tree.nodes):
        raise InputError(f"nodes should only be appended; found {len(tree.nodes)}, but points lie in leaf {top}")


def _check_new(log: Log, added: Points, deleted: pa.Array, checked: bool) -> None:
    new = _of_kind(log, arrow_ids(added.ids))
    top = max((highest(part, log.schema, "seq") for part in log.parts), default=-1)
    if added.seq[0] <= top:
        raise InputError(f"seq should be above {top}, the last one stored; found {added.seq[0]}")
    known = new[:0] if checked else _common(log, new)
    known = known.filter(pc.invert(pc.is_in(known, deleted)))
    if len(known):
        raise DuplicateIdError(
            f"ids should be new to the index; found {len(known)} that it holds: {known[:5].to_pylist()}; "
            "delete them in the same change, or leave them out"
        )


def _check_there(log: Log, deleted: Int64, n: int) -> None:
    """See that rows to delete may be stored: in the range of some part, and not removed before."""
    ranges = [(part.low.get("seq", 0), part.high.get("seq", deleted.max(initial=0))) for part in log.parts]
    held = sum(((low <= deleted) & (deleted <= high) for low, high in ranges), np.zeros(len(deleted), np.int64))
    if not len(deleted) == len(np.unique(deleted)) == n or (held == 0).any() or log.removed.has(deleted).any():
        raise InputError(f"seq of points to delete should be those of {n} stored ones; found {deleted[:5].tolist()}")


def _located(log: Log, ids: pa.Array) -> dict[Place, Int64]:
    """The ``seq`` of points to delete or edit, by the part that holds them."""
    held = [(part.path, _held(log, part, ids)) for part in _candidates(log, ids)]
    found = pa.concat_arrays([ids[:0], *(chunk for _, there in held for chunk in there["id"].chunks)])
    missing = ids.filter(pc.invert(pc.is_in(ids, found)))
    if len(missing):
        raise UnknownIdError(
            f"ids to delete or edit should be in the index; found {len(missing)} that are not: "
            f"{missing[:5].to_pylist()}"
        )
    return {path: there["seq"].to_numpy() for path, there in held if len(there)}


def _common(log: Log, ids: pa.Array) -> pa.Array:
    """Those of ``ids`` that the index holds."""
    held = [_held(log, part, ids)["id"] for part in _candidates(log, ids)]
    return pa.concat_arrays([ids[:0], *(chunk for there in held for chunk in there.chunks)])


def _held(log: Log, part: Part, ids: pa.Array) -> pa.Table:
    """``id`` and ``seq`` of the points of a part that are there under these ids."""
    some = [group.filter(pc.is_in(group["id"], ids)) for group in groups(part, log.schema, ["id", "seq"])]
    found = pa.concat_tables(some) if some else pa.table({"id": ids[:0], "seq": pa.array(_NONE)})
    return found.filter(pa.array(~log.removed.has(found["seq"].to_numpy())))


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
