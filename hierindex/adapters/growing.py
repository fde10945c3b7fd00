"""An index that may hold nothing yet, and learns its tree again while it is small.

Vector stores and FAISS's indexes begin empty and may be filled a point at a time. A tree is learned from points, so
here it is made with the first of them, and made again whenever there are eight times as many as it was learned from;
from a thousand on it is kept, and grows by splitting leaves as any other index does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from os import PathLike
from typing import TypeVar

import numpy as np
import pyarrow as pa

from hierindex.api import BuildConfig, HierIndex
from hierindex.errors import ConflictError, InputError, NotAnIndexError, StorageError
from hierindex.storage import Store
from hierindex.vectors import Float32, Ids, Metric

__all__ = ["Growing"]

_T = TypeVar("_T")

_FACTOR = 8
_ENOUGH = 1_000
_RETRIES = 8


class Growing:
    """An index, or the promise of one.

    Writers in other threads and processes are waited for, and where one was first the change is made again on top of
    what it wrote. Readers take `index` once and see one state of it.

    Args:
        metric: how vectors are compared.
        config: how the tree is learned and laid out.
        path: where it is saved, and opened from where something is there already; None keeps it in memory.

    Raises:
        InputError: what is saved there has another metric. StorageError: it cannot be opened.

    Example:
        >>> growing = Growing(Metric.L2)
        >>> len(growing)
        0
    """

    def __init__(
        self, metric: Metric, config: BuildConfig | None = None, path: str | PathLike[str] | None = None
    ) -> None:
        self._metric, self._config, self._path = metric, config, path
        self._lock = threading.RLock()
        self.index: HierIndex | None = None
        self._learned = 0
        self._look()

    def __len__(self) -> int:
        """How many points there are."""
        return 0 if self.index is None else len(self.index)

    def hold(self, index: HierIndex) -> None:
        """Go on with an index that was made elsewhere, and keep its tree."""
        self.index, self._learned = index, _ENOUGH

    def add(self, rows: Float32, ids: Ids, payload: pa.Table | None = None, *, replace: bool = False) -> None:
        """Add points; they are found by the next search, and on disk (where there is a path) when this returns.

        Args:
            rows: ``(n, d)`` vectors, n >= 1.
            ids: ``(n,)``, unique.
            payload: a table of n rows.
            replace: points with the same ids are taken out first.

        Raises:
            DuplicateIdError: an id is there already, and ``replace`` is not set. InputError: what does not fit.
            StorageError: as for `HierIndex.add`.
        """
        with self._lock:
            self._look()
            index = self.index
            if index is None:
                self.index, self._learned = self._first(rows, ids, payload), len(rows)
                return
            verb = index.upsert if replace else index.add
            self._again(index, lambda: verb(rows, ids=ids, payload=payload))
            if self._learned < _ENOUGH and len(index) >= _FACTOR * max(self._learned, 1):
                self._relearn(index)

    def remove(self, ids: Ids) -> int:
        """Take points out; ids that are not there are passed over. How many there were."""
        with self._lock:
            self._look()
            index = self.index
            return 0 if index is None else self._again(index, lambda: index.delete(ids, missing="ignore"))

    def refresh(self) -> bool:
        """Go on to what other processes have committed; whether there was anything new."""
        with self._lock:
            if self._path is None:
                return False
            if self.index is None:
                self._look()
                return self.index is not None
            return self.index.refresh()

    def _look(self) -> None:
        """Open what another process may have saved at the path since."""
        if self.index is not None or self._path is None:
            return
        try:
            found = HierIndex.open(self._path)
        except NotAnIndexError:
            return
        if found.metric is not self._metric:
            raise InputError(
                f"metric should be {found.metric.value!r}, as the index at {self._path} has it; "
                f"found {self._metric.value!r}"
            )
        made = [version.rows for version in found.history() if version.operation in ("create", "replace")]
        self.index, self._learned = found, len(found) if not made or made[0] is None else made[0]

    def _first(self, rows: Float32, ids: Ids, payload: pa.Table | None) -> HierIndex:
        if len(rows) > 1:
            return self._from(rows, ids, payload, self._path)
        double = None if payload is None else pa.concat_tables([payload, payload])
        other: Ids = ids + 1 if ids.dtype != object else np.array([ids[0] + "+"], dtype=object)
        index = self._from(np.concatenate([rows, -rows]), np.concatenate([ids, other]), double, None)
        index.delete(other)  # a tree is learned from two points at least
        if self._path is not None:
            index.save(self._path)
        return index

    def _from(self, rows: Float32, ids: Ids, payload: pa.Table | None, path: str | PathLike[str] | None) -> HierIndex:
        return HierIndex.from_vectors(
            rows, metric=self._metric, ids=ids, payload=payload, config=self._config, path=path
        )

    def _relearn(self, index: HierIndex) -> None:
        """Learn the tree anew; where that cannot be committed, leave it to the next addition: this one is done."""
        made = self._from(index.vectors(), index.ids, index.payload(), None)
        if self._path is not None:
            try:
                with Store.open(self._path).turn():
                    if index.refresh():  # another process wrote meanwhile, and would lose that
                        return
                    made.save(self._path, overwrite=True)
            except StorageError:
                return
        self.index, self._learned = made, len(made)

    @staticmethod
    def _again(index: HierIndex, change: Callable[[], _T]) -> _T:
        for _ in range(_RETRIES):
            try:
                return change()
            except ConflictError:
                index.refresh()
        return change()
