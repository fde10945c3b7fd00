"""Changing an index: every change is one commit, made first and shown then."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from hierindex.api import build as building
from hierindex.api import persist
from hierindex.api.brisk import brisk
from hierindex.api.following import newer
from hierindex.api.payload import as_payload
from hierindex.api.persist import Step
from hierindex.api.searcher import Searcher
from hierindex.errors import ConflictError, InputError, StorageError
from hierindex.index import updates
from hierindex.index.heat import HeatCounter
from hierindex.index.snapshot import Snapshot
from hierindex.index.tables import NewRows
from hierindex.storage import Store, place_of
from hierindex.vectors import Ids, as_ids

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Writer"]

_RETRIES = 8


class Writer(Searcher):
    """The part of `HierIndex` that changes it.

    A change is checked whole, then committed where the index was saved, then shown to searches; if any of it fails,
    nothing of it is there. Threads that change one index wait for each other, and so do processes on one machine.
    """

    _writer: threading.RLock
    _module: nn.Module | None

    def save(
        self, path: str | PathLike[str], *, overwrite: bool = False, storage_options: Mapping[str, str] | None = None
    ) -> None:
        """Write the index to a folder and stay with it: later changes are committed there.

        Args:
            path: a folder that does not exist or is empty; or an address in an object store, ``s3://bucket/name``.
            overwrite: replace an index that is there; it stays as an older version.
            storage_options: of the object store: credentials, region, endpoint, by deltalake's names; None takes them
                from the environment.

        Raises:
            StorageError: something else is there, or it cannot be written; this index is as before.
            MissingExtraError: an object store, without ``pip install 'hierindex[cloud]'``.
        """
        with self._writer:
            contents = persist.contents_of(self._view)
            place, old = place_of(path, storage_options), self._store
            self._store = Store.create(place, contents.points, contents.tree, contents.model, overwrite=overwrite)
            if old is not None and old.cache is not None:
                self._store.cache = old.cache.moved(old.path, place)
            persist.keep_codes(self._store, self._view.snapshot)

    def refresh(self) -> bool:
        """Go on to the newest version on disk; whether there was a newer one.

        No more is read than is new, unless that is most of it, or codes and settings were made anew.

        Raises:
            StorageError: the index was not saved or opened, or cannot be read.
        """
        with self._writer:
            store = self._required_store("refresh")
            if store.latest() == store.version:
                return False
            newest, view = newer(store, self._view, self._module)
            if not newest.same_model(store):
                self._heat = None if self._heat is None else HeatCounter()  # what was counted belongs to another tree
            self._store, self._view = newest, view
            return True

    def add(
        self,
        points: object,
        *,
        ids: ArrayLike | None = None,
        payload: object = None,
        on_error: str = "raise",
        token: str | None = None,
    ) -> Ids:
        """Add images, rows or vectors; they are found by the next search, and on disk (where saved) when this returns.

        Where another writer committed first, this index goes on to the newest version and the points are added to that:
        all that an addition needs is that its ids are new, and that is looked at again. Numbers that were given out for
        ``ids=None`` are given out anew. It is tried eight times, and not where the index was replaced (`save` with
        ``overwrite``): its encoder is another one then.

        Args:
            points: as for `build` or `from_vectors`.
            ids: unique and new; None takes file names, or numbers above the largest id.
            payload: the same columns as the index has.
            on_error: "skip" leaves unreadable images out.
            token: a name of your own for this addition. Where the index has a commit under this name, nothing is done:
                so a call whose answer was lost can be made again. Tokens are kept as long as the index is.

        Returns:
            The ids of what was added; none if the token was known (`committed` says since when).

        Raises:
            DuplicateIdError: an id is there already. InputError: points, ids or payload do not fit, or a token without
            a saved index. StorageError: the commit failed; ConflictError: other writers were first each time. Nothing
            is changed then.
        """
        with self._writer, brisk():
            if self._repeats(token):
                return self.ids[:0]
            numbered = ids is None and not self._view.snapshot.ids.of_strings
            new = building.new_points(points, ids, payload, on_error, self._view)
            with self._turn():
                for tried in range(_RETRIES + 1):
                    try:
                        self._publish(self._with(new), Step(added=new.ids, token=token))
                        break
                    except ConflictError:
                        if tried == _RETRIES or not self._caught_up():
                            raise
                    if self._repeats(token):
                        return self.ids[:0]
                    if numbered:
                        new = replace(new, ids=as_ids(None, len(new.ids), start=building.next_id(self._view)))
            return new.ids

    def upsert(
        self,
        points: object,
        ids: ArrayLike | None,
        *,
        payload: object = None,
        on_error: str = "raise",
        token: str | None = None,
    ) -> Ids:
        """Put points in the place of those with the same ids, and add the others: one commit.

        Args:
            points: as for `add`.
            ids: one for each; None takes file names.
            payload: as for `add`; what is replaced loses the one it had.
            on_error: as for `add`.
            token: as for `add`.

        Returns:
            The ids of the points, which now come last in the order of ``ids``; none if the token was known.

        Raises:
            As for `add`, but for ids that are there; and ConflictError as soon as another writer was first: what it
            wrote might be what would be replaced. Refresh, look, and repeat.
        """
        with self._writer, brisk():
            if self._repeats(token):
                return self.ids[:0]
            view = self._view
            new = building.new_points(points, ids, payload, on_error, view)
            old = view.snapshot.ids.present(new.ids)
            left = updates.delete(view.snapshot, old) if len(old) else view.snapshot
            with self._turn():
                self._publish(self._with(new, left), Step(added=new.ids, deleted=old, token=token))
            return new.ids

    def update_payload(self, ids: ArrayLike, payload: object, *, token: str | None = None) -> int:
        """Set payload columns of some points; their other columns, vectors and order stay. How many points there were.

        Args:
            ids: unique, and in the index.
            payload: a row for each id, with one or more of the columns of the index.
            token: as for `add`; 0 is returned if it was known.

        Raises:
            UnknownIdError: an id is not in the index. InputError: columns or values that the payload has not.
            StorageError: as for `upsert`. Nothing is changed then.
        """
        with self._writer, brisk():
            array = np.atleast_1d(np.asarray(ids))
            if self._repeats(token) or not array.size:
                return 0
            names = as_ids(array, len(array))
            values = as_payload(payload, len(names))
            if values is None:
                raise InputError("payload should be columns to set; found None")
            with self._turn():
                changed = updates.edit(self._view.snapshot, names, values)
                self._publish(changed, Step(edited=(names, values.column_names), token=token))
            return len(names)

    def delete(self, ids: ArrayLike, *, missing: str = "error", token: str | None = None) -> int:
        """Remove points; they are found by no later search. How many there were.

        Args:
            ids: unique.
            missing: "error", or "ignore" passes over ids that are not in the index.
            token: as for `add`; 0 is returned if it was known.

        Raises:
            UnknownIdError: an id is not in the index; nothing is removed then.
            StorageError: as for `upsert`.
        """
        if missing not in ("error", "ignore"):
            raise InputError(f"missing should be 'error' or 'ignore'; found {missing!r}")
        with self._writer, brisk():
            array = np.atleast_1d(np.asarray(ids))
            if self._repeats(token) or not array.size:
                return 0
            gone = as_ids(array, len(array))
            if missing == "ignore":
                gone = self._view.snapshot.ids.present(gone)
                if not len(gone):
                    return 0
            with self._turn():
                self._publish(updates.delete(self._view.snapshot, gone), Step(deleted=gone, token=token))
            return len(gone)

    def committed(self, token: str) -> int | None:
        """The version that was committed under a token of `add`, `upsert`, `delete` or `update_payload`; None if none.

        Raises:
            InputError: the index was never saved, or this is no token.
        """
        if not isinstance(token, str) or not token:
            raise InputError(f"token should be text that is not empty; found {token!r}")
        return self._required_store("tokens").token(token)

    # ---- inside

    def _with(self, new: NewRows, snapshot: Snapshot | None = None) -> Snapshot:
        snapshot = self._view.snapshot if snapshot is None else snapshot
        return updates.add(snapshot, new.rows, new.ids, new.points, new.payload)

    def _publish(self, snapshot: Snapshot, step: Step) -> None:
        """Commit first, show then: a failed commit leaves this index as it was."""
        with self._shown(snapshot):
            if self._store is not None:
                persist.commit(self._store, self._view.snapshot, snapshot, step)

    @contextmanager
    def _shown(self, snapshot: Snapshot) -> Iterator[None]:
        """Show a snapshot once it is committed; also where the disk then did not confirm it, since it is published."""
        before = None if self._store is None else self._store.version
        try:
            yield
        except StorageError:
            if self._store is not None and self._store.version != before:
                self._view = replace(self._view, snapshot=snapshot)
            raise
        self._view = replace(self._view, snapshot=snapshot)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if self._store is None:
            yield
            return
        with self._store.turn():
            yield

    def _repeats(self, token: str | None) -> bool:
        """Whether there is a commit under this token."""
        return token is not None and self.committed(token) is not None

    def _caught_up(self) -> bool:
        """Go on to the newest version; False, and nothing done, where the index was replaced by another one."""
        store = self._required_store("refresh")
        if not Store.open(store.path).same_model(store):
            return False
        self._store, self._view = newer(store, self._view, self._module)
        return True
