"""Upkeep of an index that changes: its shape, its files, its past."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Literal, overload

from hierindex.api import persist
from hierindex.api.brisk import brisk
from hierindex.api.persist import Step
from hierindex.api.writer import Writer
from hierindex.errors import ConflictError
from hierindex.index import updates
from hierindex.index.snapshot import Snapshot
from hierindex.index.updates import Maintained
from hierindex.storage import Compacted, Freed
from hierindex.vectors import positive

__all__ = ["Keeper"]

_WEEK = timedelta(days=7)
_MOST_STEPS = 1_000


class Keeper(Writer):
    """The part of `HierIndex` that keeps it in shape; nothing that a search finds is changed by it."""

    @overload
    def maintain(self, *, steps: int | None = ..., leaves: int = ..., wait: Literal[True] = ...) -> Maintained: ...
    @overload
    def maintain(self, *, steps: int | None = ..., leaves: int = ..., wait: Literal[False]) -> Future[Maintained]: ...
    def maintain(
        self, *, steps: int | None = None, leaves: int = 64, wait: bool = True
    ) -> Maintained | Future[Maintained]:
        """Make the index as good as one built anew for the points that it holds now, step by step.

        Adding splits leaves that overflow, and no more. Upkeep splits and dissolves leaves until all are near the size
        that suits the number of points, centres them on their rows, puts rows where they are nearest, draws the tree
        above the leaves anew once these have become others (numbers of leaves stay, those of nodes above them are
        new), and trains codes and settings anew once the rows have become others. Each step is one commit. What it
        takes to work one out happens beside searches and other writers; these wait only while it is shown.

        Args:
            steps: at most so many; None goes on until nothing is left to do.
            leaves: how many leaves a step may work on.
            wait: False works in a thread of its own and gives a `concurrent.futures.Future`.

        Returns:
            What was done, and how much is left.

        Raises:
            InputError: steps or leaves below 1. StorageError: as for `add`; the step is not made, those before it are.

        Example:
            ``while index.maintain(steps=1).left: ...``
        """
        most = _MOST_STEPS if steps is None else positive(steps, "steps")
        positive(leaves, "leaves")
        if wait:
            return self._maintained(most, leaves)
        pool = ThreadPoolExecutor(1, "hierindex-upkeep")
        try:
            return pool.submit(self._maintained, most, leaves)
        finally:
            pool.shutdown(wait=False)

    def compact(self) -> Compacted:
        """Tidy up after many small changes: few large files for many small ones, and the memory of deleted points back.

        Searches find the same, and all older versions stay until `vacuum`. An index that was never saved has no files
        to count.

        Raises:
            StorageError: as for `upsert`; the index is as before.
        """
        with self._writer, brisk():
            old = self._view.snapshot
            new = updates.compact(old)
            if self._store is None:
                self._view = replace(self._view, snapshot=new)
                return Compacted(0, 0, 0)
            with self._turn(), self._shown(new):
                return persist.compact(self._store, old, new)

    def vacuum(self, retain: int | timedelta = _WEEK) -> Freed:
        """Take away older versions and the files that only they needed; what it freed.

        Never removed: what the newest version, one in the horizon, or the one this index stands at needs; and files
        younger than an hour that no version names, because a writer may be about to commit them.

        Args:
            retain: keep the newest so many versions, or all that were the newest within this time.

        Raises:
            InputError: not saved, or no such horizon. StorageError: the disk cannot be written.

        Example:
            ``index.vacuum(retain=1).bytes``
        """
        with self._writer:
            store = self._required_store("vacuum")
            with self._turn():
                return store.vacuum(retain)

    # ---- inside

    def _maintained(self, steps: int, leaves: int) -> Maintained:
        total = Maintained()
        for _ in range(steps):
            done = self._step(leaves)
            total = total.then(done)
            if done.nothing or not done.left:
                break
        return total

    def _step(self, leaves: int) -> Maintained:
        """One step: worked out on the index as it is, shown if it still is that, or made again while others wait."""
        before = self._view.snapshot
        after, done = updates.maintain(before, leaves)
        if done.nothing:
            return done
        with self._writer, brisk(), self._turn():
            now = self._view.snapshot
            if now is not before:
                after, done = self._again(now, after, done, leaves)
            try:
                self._publish(after, Step())
            except ConflictError:  # another process was first
                if not self._caught_up():
                    raise
                after, done = updates.maintain(self._view.snapshot, leaves)
                if not done.nothing:
                    self._publish(after, Step())
        return done

    def _again(self, now: Snapshot, worked: Snapshot, done: Maintained, leaves: int) -> tuple[Snapshot, Maintained]:
        """The step for an index that was changed meanwhile; codes and settings that were found are kept."""
        if done.retrained:
            return updates.adopt(now, worked), done
        return updates.maintain(now, leaves)
