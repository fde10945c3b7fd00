"""`ClusterIndex`: an index on disk, searched by many workers at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from hierindex.api.encoding import Encoding
from hierindex.api.model import Model
from hierindex.cluster.asking import Asking
from hierindex.cluster.changing import Changing
from hierindex.cluster.config import ClusterConfig, Placing
from hierindex.cluster.front import Front
from hierindex.cluster.loading import Source, read_front
from hierindex.cluster.placement import Placement, weights
from hierindex.cluster.ray import joined
from hierindex.cluster.scanner import SpreadLeaves
from hierindex.cluster.workers import AtVersion, Crew, Recovery
from hierindex.errors import CorruptIndexError
from hierindex.index.heat import HeatCounter
from hierindex.storage import Store
from hierindex.vectors import Int64, Metric

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ClusterIndex"]

_TRIES = 5


@dataclass(eq=False)
class _State:
    """One version, and how many searches are on it at the moment."""

    front: Front
    scanner: SpreadLeaves
    encoding: Encoding
    model: Model
    store: Store
    placement: Placement
    users: int = 0


class ClusterIndex(Asking, Changing):
    """A saved index whose leaves lie with the workers of a Ray cluster; the tree and the router stay with the caller.

    A query is asked of those workers only that hold leaves which it needs, and what it finds is bit for bit what
    `HierIndex` finds at the same version. Any number of threads may search. A worker that dies is replaced from the
    files; until then its leaves are searched where their copies are; where there are none the answers say `partial`.

    Example:
        ``with ClusterIndex.open("my.index", cluster=ClusterConfig(workers=8)) as index: index.search(query, k=5)``
    """

    def __init__(
        self,
        store: Store,
        options: Mapping[str, str] | None,
        config: ClusterConfig,
        module: nn.Module | None,
    ) -> None:
        """Use `open`."""
        self._options, self._config, self._module = options, config, module
        self._heat = HeatCounter()
        self._writer, self._turnstile = threading.RLock(), threading.Condition()
        front, model = read_front(self._source(store))
        placement = self._placed(front, None)
        self._crew = Crew(config, self._source(store), placement)
        self._state = self._made(store, front, model, placement)

    @classmethod
    def open(
        cls,
        path: str | PathLike[str],
        *,
        cluster: ClusterConfig | None = None,
        version: int | None = None,
        encoder: nn.Module | None = None,
        storage_options: Mapping[str, str] | None = None,
    ) -> Self:
        """Start workers and let each read its leaves.

        Args:
            path: where the index was saved; all workers must see it there.
            cluster: how many workers, how many copies; which Ray cluster.
            version: an older version; None for the newest.
            encoder: as for `HierIndex.open`.
            storage_options: as for `HierIndex.open`.

        Raises:
            MissingExtraError: Ray is not installed. ProcessError: the Ray cluster does not answer.
            NotAnIndexError, FormatVersionError, CorruptIndexError, StorageError: as for `HierIndex.open`.
        """
        config = cluster or ClusterConfig()
        joined(config)
        return cls(Store.open(path, version, storage_options), storage_options, config, encoder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers. Nothing is lost: all there is lies on disk."""
        self._crew.close()

    def __len__(self) -> int:
        """How many points are in the index."""
        return self._state.front.n

    def __repr__(self) -> str:
        state = self._state
        workers, copies = self._config.workers, self._config.replicas
        return f"ClusterIndex({len(self):,} points, {workers} workers, {copies} copies, {str(state.store.path)!r})"

    @property
    def version(self) -> int:
        """The version on disk that is searched."""
        return self._state.store.version

    @property
    def metric(self) -> Metric:
        """How distances are measured."""
        return self._state.front.metric

    @property
    def dim(self) -> int:
        """d, the dimension of the vectors."""
        return int(self._state.front.nodes.centroid.shape[1])

    # ---- the workers

    def workers(self) -> list[dict[str, Any] | None]:
        """What each worker holds (rows, leaves, bytes), its process and the most memory that ever took; None: dead."""
        return self._crew.told()

    @property
    def recoveries(self) -> tuple[Recovery, ...]:
        """The workers that died and were replaced, and how long that took."""
        return self._crew.recoveries

    def refresh(self) -> bool:
        """Go on to the newest version; whether there was a newer one.

        Workers read what is new while the old version is searched; then all searches that begin see the new one.

        Raises:
            StorageError: the index cannot be read; the version before is searched as before.
        """
        with self._writer:
            state = self._state
            for tried in range(_TRIES):
                if state.store.latest() == state.store.version:
                    return False
                store = Store.open(state.store.path)
                try:
                    self._shown(store, None)
                except CorruptIndexError:  # a writer may have taken files away meanwhile; then there is a newer version
                    if tried == _TRIES - 1 or store.latest() == store.version:
                        raise
                else:
                    return True
            return False

    def rebalance(self) -> None:
        """Place leaves anew by the rows they hold and by what searches have compared in them since the start.

        Raises:
            StorageError: the index cannot be read; leaves stay where they are.
        """
        with self._writer:
            state = self._state
            front = state.front
            touches = self._heat.heat(front.nodes, front.nodes.count).counts
            self._shown(state.store, self._placed(front, touches))

    # ---- inside

    def _shown(self, store: Store, placement: Placement | None) -> None:
        """Let the workers hold a version, then search it, then let go of the one before.

        A new placement of the same version needs new workers: one number holds one set of leaves for a version.
        """
        before = self._state
        front, model = read_front(self._source(store))
        if placement is None:
            same = len(front.nodes.leaves) == len(before.placement.holders)
            placement = before.placement if same else self._placed(front, None)
            self._crew.hold(self._source(store), placement)
            self._swap(self._made(store, front, model, placement))
            self._crew.retire(store.version)
            return
        old, self._crew = self._crew, Crew(self._config, self._source(store), placement)
        self._swap(self._made(store, front, model, placement))
        old.close()

    def _swap(self, state: _State) -> None:
        """Show a state, and wait until nobody searches the one before."""
        with self._turnstile:
            before, self._state = self._state, state
            self._turnstile.wait_for(lambda: not before.users)

    @contextmanager
    def _entered(self) -> Iterator[_State]:
        with self._turnstile:
            state = self._state
            state.users += 1
        try:
            yield state
        finally:
            with self._turnstile:
                state.users -= 1
                self._turnstile.notify_all()

    def _made(self, store: Store, front: Front, model: Model, placement: Placement) -> _State:
        transport = AtVersion(self._crew, store.version)
        scanner = SpreadLeaves(placement, transport, front.of_strings, self._config.patience)
        dim = int(front.nodes.centroid.shape[1])
        encoding = Encoding(model, front.metric, dim, self._module)
        return _State(front, scanner, encoding, model, store, placement)

    def _placed(self, front: Front, touches: Int64 | None) -> Placement:
        config, sizes = self._config, front.nodes.count[front.nodes.leaves]
        weight = weights(np.maximum(sizes, 0), touches, config.heat)
        probed = front.probed_at_leaves() if config.placing is Placing.PROBED else None
        return Placement.of(weight, config.workers, config.replicas, config.placing, probed, config.borders)

    def _source(self, store: Store) -> Source:
        return Source.of(store.path, store.version, self._options)
