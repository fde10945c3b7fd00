"""An index on disk: opened at a version, read as plain values, changed by one atomic commit at a time."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import timedelta

from hierindex.errors import NotAnIndexError, StorageError
from hierindex.storage.change import Change, Edit
from hierindex.storage.codes_file import CodesFile, read_codes, write_codes
from hierindex.storage.commit import Operation, Publication, checkpoint, preparing, publish, start, summarise, sync_log
from hierindex.storage.compaction import Compacted, compaction
from hierindex.storage.draft import CODES, MODEL, POINTS, REMOVED, TREE, drafting
from hierindex.storage.files import Place, damaged, listed, place_of
from hierindex.storage.history import Version, history
from hierindex.storage.load import load_points
from hierindex.storage.log import Log, is_table, latest, open_log
from hierindex.storage.mapped import RowCache
from hierindex.storage.model_file import ModelFile, read_model
from hierindex.storage.parts import group_rows, highest
from hierindex.storage.points import Points, point_schema
from hierindex.storage.remote import Remote
from hierindex.storage.removed_file import removed_path
from hierindex.storage.since import Since, read_since
from hierindex.storage.tree_file import TreeFile, read_tree, tree_shape
from hierindex.storage.turn import turn
from hierindex.storage.vacuum import Freed, vacuum
from hierindex.vectors import Ids, Int64

__all__ = ["Contents", "Store", "Version", "refuse_taken"]

# Every name that an unfinished `create` can leave behind.
_OURS = re.compile(
    r"points(/part-[0-9a-f]+\.parquet(\.tmp)?|/_delta_log(/.*)?)?"
    r"|tree(/\d+\.parquet(\.tmp)?)?"
    r"|model(/\d+(/(spec\.json|weights\.safetensors)(\.tmp)?)?)?"
    r"|removed(/\d+\.parquet(\.tmp)?)?"
    r"|codes(/\d+\.parquet(\.tmp)?)?"
)


@dataclass(frozen=True)
class Contents:
    """All that an index holds at one version.

    Attributes:
        points, tree, model: see there.
        next_seq: no point to come has a ``seq`` below it: those of removed rows are taken, too.
    """

    points: Points
    tree: TreeFile
    model: ModelFile
    next_seq: int = 0


class Store:
    """An index on disk, at one version.

    A version never changes: what was opened stays readable while others commit. `commit` publishes the next version,
    and only if this store is at the newest one.
    """

    def __init__(self, path: Place, log: Log, cache: RowCache | None = None) -> None:
        """Use `Store.open` or `Store.create`."""
        self._path = path
        self._log = log
        self.cache = cache
        """Where `load` maps the rows from; None reads them into memory."""
        self._n_nodes, self._dim = tree_shape(path / TREE, log.tree)

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str] | Remote,
        points: Points,
        tree: TreeFile,
        model: ModelFile,
        overwrite: bool = False,
        options: Mapping[str, str] | None = None,
    ) -> Store:
        """Write a new index.

        Args:
            path: a folder that is empty or does not exist yet; its parents are made. Or the address of one in an object
                store, see `place_of`.
            points: the points; their leaves are nodes of ``tree``.
            tree: the tree.
            model: encoder and heads.
            overwrite: replace an index that is there already. That is a new version of it: readers are not
                disturbed, a crash leaves the old one, and older versions can still be opened.
            options: of the object store: credentials, region, endpoint; None takes them from the environment.

        Raises:
            InputError: something cannot be stored.
            NotAnIndexError: the path holds something that is no index.
            StorageError: an index is there and ``overwrite`` is not set, or the disk cannot be written.
            ConflictError: another writer was first.
        """
        path = place_of(path, options)
        tree.check()
        model.check()
        points.check(len(tree.nodes), tree.dim)
        schema = point_schema(points)
        exists = is_table(path / POINTS)
        if not (exists and overwrite):
            refuse_taken(path)
        with drafting(path) as draft:
            parts = draft.parts(points.tables(schema, group_rows(tree.dim)), schema)
            operation = Operation.REPLACE if exists else Operation.CREATE
            what = Publication(operation, len(points), draft.tree(tree), draft.model(model), added=parts)
            draft.hand_over()
            start(path / POINTS, schema, what)
        store = cls.open(path)
        sync_log(path / POINTS, store.version)
        return store

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] | Remote,
        version: int | None = None,
        options: Mapping[str, str] | None = None,
        cache: RowCache | None = None,
    ) -> Store:
        """Open an index at ``version``, or at the newest; ``options`` as for `create`, ``cache`` as it is kept.

        Raises:
            NotAnIndexError: there is no index at the path.
            StorageError: there is no such version.
            FormatVersionError: a newer hierindex wrote it.
            CorruptIndexError: the log or the tree is missing or damaged.
        """
        path = place_of(path, options)
        if not path.is_dir():
            found = "a file" if path.exists() else "nothing"
            raise NotAnIndexError(f"{path} should be the folder of an index; found {found} there; see to the path")
        return cls(path, open_log(path / POINTS, version), cache)

    @property
    def path(self) -> Place:
        """The folder of the index."""
        return self._path

    @property
    def version(self) -> int:
        """The version that this store is at."""
        return self._log.version

    def latest(self) -> int:
        """The newest version there is by now."""
        return latest(self._path / POINTS)

    def history(self) -> list[Version]:
        """The versions up to this one, newest first."""
        return history(self._path / POINTS, self.version)

    def load(self) -> Contents:
        """Read everything.

        Raises:
            CorruptIndexError: something is missing, damaged or contradicts the rest.
        """
        log = self._log
        tree = read_tree(self._path / TREE, log.tree)
        model = read_model(self._path / MODEL, log.model)
        n_nodes = len(tree.nodes)
        points = load_points(self._path / POINTS, log.parts, log.schema, n_nodes, tree.dim, log.removed, self.cache)
        if len(points) != log.rows:
            lost = len(log.removed) - (sum(part.rows for part in log.parts) - len(points))
            raise damaged(removed_path(self._path / REMOVED, log.removed.number), f"{lost} rows that no part holds")
        return Contents(points, tree, model, self._next_seq())

    def token(self, token: str) -> int | None:
        """The version that was committed under a caller's token; None if there is none up to this version."""
        return self._log.token(token)

    def newest(self) -> Store:
        """The newest version of this index, held as this one is."""
        return Store(self._path, open_log(self._path / POINTS), self.cache)

    def since(self, older: Store) -> Since | None:
        """What this version has that an older one had not; None where everything had better be read.

        Raises:
            CorruptIndexError: a file is missing or damaged.
        """
        return read_since(older._log, self._log, (self._n_nodes, self._dim), self._next_seq())

    @property
    def n_parts(self) -> int:
        """In how many files the points are."""
        return len(self._log.parts)

    def same_model(self, other: Store) -> bool:
        """Whether another version of the index has the same encoder and heads: it was not replaced in between."""
        return self._log.model == other._log.model

    def commit(
        self,
        added: Points | None = None,
        deleted: Ids | None = None,
        tree: TreeFile | None = None,
        *,
        edit: Edit | None = None,
        token: str | None = None,
        checked: bool = False,
        at: Int64 | None = None,
    ) -> int:
        """Publish the next version: points added, points deleted, payload set and a new tree, all or nothing.

        An id that is deleted may be added again in the same commit. Without anything to do there is no new version.

        Args:
            added: new points; their seq is above all that are stored, and a payload column not given is null.
            deleted: ids to delete.
            tree: a new generation of the tree; its nodes are those of the old one, with new ones appended.
            edit: payload to set; points keep all else.
            token: the caller's name for the change, which `token` knows from then on.
            checked: the caller has seen that the ids to add are new to this version.
            at: the ``seq`` of what is deleted, by a caller who knows; None looks for the ids in the parts.

        Returns:
            The version, which this store is then at.

        Raises:
            InputError: something cannot be stored.
            DuplicateIdError: an id to add is in the index already.
            UnknownIdError: an id to delete is not.
            ConflictError: another writer committed since this store was opened; nothing is changed.
            StorageError: the disk cannot be written; nothing is changed.
        """
        change = Change.of(self._log, added, deleted, tree, edit, checked, at)
        if change.empty:
            return self.version
        with preparing(self._path / POINTS, self.version), drafting(self._path) as draft:
            reached = change.check(self._n_nodes, self._dim)
            what = replace(change.write(draft, reached, self._dim), token=token)
            draft.hand_over()
            self._log = publish(self._log, what)
        if tree is not None:
            self._n_nodes = len(tree.nodes)
        self._confirm()
        return self.version

    def compact(self, tree: TreeFile | None = None) -> Compacted:
        """Put the points of many small parts into few full ones, as one more version, and sum up the log.

        Points, their order and all older versions stay as they are.

        Args:
            tree: a new generation of the tree, with the same nodes.

        Raises:
            InputError: the tree cannot be stored.
            ConflictError: another writer committed since this store was opened; nothing is changed.
            CorruptIndexError: a part is damaged. StorageError: the disk cannot be written; nothing is changed.
        """
        before = self.n_parts
        Change.of(self._log, None, None, tree).check(self._n_nodes, self._dim)
        with preparing(self._path / POINTS, self.version), drafting(self._path) as draft:
            what = compaction(self._log, draft, self._dim, tree)
            if what is not None:
                draft.hand_over()
                self._log = publish(self._log, what)
        if what is not None:
            self._confirm()
            summarise(self._log)
        return Compacted(self.version, before, self.n_parts)

    def vacuum(self, retain: int | timedelta) -> Freed:
        """Remove the versions before a horizon and what only they needed, see `vacuum`; this one always stays."""
        return vacuum(self._path, retain, self.version)

    def codes(self, coder: str) -> CodesFile | None:
        """The codes that were kept beside the index, if they are of this coder (its digest) and whole."""
        return read_codes(self._path / CODES, coder)

    def keep_codes(self, codes: CodesFile) -> None:
        """Keep codes beside the index, in the place of those that are there; they are a cache, and this never fails."""
        write_codes(self._path / CODES, codes)

    def turn(self) -> AbstractContextManager[None]:
        """While it is held no other writer on this machine has its turn, see `turn`; not to be taken twice."""
        return turn(self._path / POINTS)

    def _next_seq(self) -> int:
        return 1 + max((highest(part, self._log.schema, "seq") for part in self._log.parts), default=-1)

    def _confirm(self) -> None:
        sync_log(self._path / POINTS, self.version)
        self._log = checkpoint(self._log)


def refuse_taken(path: Place) -> None:
    """See that a new index can be made at a path: before the work, not after it.

    Raises:
        NotAnIndexError: the path holds something that is no index.
        StorageError: there is an index.
    """
    if is_table(path / POINTS):
        raise StorageError(f"{path} should be free; found an index; set overwrite=True, or take another path")
    _refuse_foreign(path)


def _refuse_foreign(path: Place) -> None:
    """Let a new index into a folder that does not exist, is empty, or holds the remains of an unfinished one."""
    if path.exists() and not path.is_dir():  # in this order: another creator may make it in between
        raise NotAnIndexError(f"{path} should be free or an empty folder; found a file; take another path")
    foreign = [file.name for file in listed(path) if not _OURS.fullmatch(file.name)]
    if foreign:
        raise NotAnIndexError(
            f"{path} should be free or an empty folder; found {foreign[0]}, which is no part of an index; "
            "take another path"
        )
