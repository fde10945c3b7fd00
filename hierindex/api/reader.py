"""Looking into an index: everything that only reads, on whatever view is current."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from hierindex.api.atlas import Atlas
from hierindex.api.describe import describe
from hierindex.api.outline import outline_of
from hierindex.api.view import Branch, View
from hierindex.errors import InputError, UnknownIdError
from hierindex.export import BASE, Format, write, write_text
from hierindex.index.heat import Heat, HeatCounter, Tier
from hierindex.learning.history import History
from hierindex.storage import Store, Version
from hierindex.tree import Tree
from hierindex.vectors import Float32, Ids, Int64, Metric, positive

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Reader"]


class Reader:
    """The part of `HierIndex` that looks and changes nothing."""

    _view: View
    _store: Store | None
    _heat: HeatCounter | None = None

    def __len__(self) -> int:
        """How many points are in the index."""
        return len(self._view.rows)

    def __contains__(self, id: object) -> bool:  # noqa: A002 - what all calls here call it
        """Whether a point has this id."""
        try:
            self._view.snapshot.ids.rows_of(np.array([id]))
        except UnknownIdError:
            return False
        return True

    def __repr__(self) -> str:
        snapshot = self._view.snapshot
        where = f", {str(self._store.path)!r}" if self._store else ""
        return (
            f"HierIndex({len(self):,} x {snapshot.rows.shape[1]}, {snapshot.metric.value}, "
            f"{len(snapshot.nodes.leaves)} leaves{where})"
        )

    @property
    def ids(self) -> Ids:
        """``(n,)``: ids of the points in the order in which they came; int64, or objects (`str`)."""
        return self._view.ids

    @property
    def dim(self) -> int:
        """d, the dimension of the vectors."""
        return int(self._view.snapshot.rows.shape[1])

    @property
    def metric(self) -> Metric:
        """How distances are measured."""
        return self._view.snapshot.metric

    @property
    def tree(self) -> Tree:
        """The tree over all points, SciPy's linkage ``(n - 1, 4)`` and more; its leaf i is ``ids[i]``."""
        return self._view.tree

    @property
    def atlas(self) -> Atlas:
        """The tree as a map of the Poincare disk, of the state that the index is in now: where its nodes stand."""
        return self._view.atlas

    @property
    def version(self) -> int | None:
        """The version on disk that this index stands at; None if it was never saved."""
        return self._store.version if self._store else None

    @property
    def training(self) -> History:
        """The record of the learning: losses, gradient norms and view consistency by epoch, then the heads' fits."""
        return History.from_json(self._view.model.about["history"])

    def history(self) -> list[Version]:
        """The versions on disk up to the one this index stands at, newest first; `HierIndex.open` takes their numbers.

        Raises:
            InputError: the index was never saved.
        """
        return self._required_store("history").history()

    def vectors(self, ids: ArrayLike | None = None) -> Float32:
        """Stored vectors ``(n, d)`` float32 of some ids, or of all; of unit length for cosine.

        Raises:
            UnknownIdError: an id is not in the index.
        """
        view = self._view
        rows = view.rows if ids is None else view.snapshot.ids.rows_of(np.asarray(ids))
        return view.snapshot.rows[rows]

    def payload(self, ids: ArrayLike | None = None) -> pa.Table | None:
        """The payload columns of some ids, or of all in the order of ``ids``; None if there are none.

        Raises:
            UnknownIdError: an id is not in the index.
        """
        if ids is None:
            return self._view.payload
        snapshot = self._view.snapshot
        rows = snapshot.ids.rows_of(np.asarray(ids))
        return None if snapshot.payload is None else snapshot.payload.take(rows)

    def pinned(self) -> Self:
        """This index as it is now, whatever is added or deleted later: for several calls that should see one state.

        It shares the memory of this one and takes microseconds. It stands on no disk: a change made to it stays in it.
        """
        pinned = copy.copy(self)
        pinned._store = None
        return pinned

    def leaf_sizes(self) -> Int64:
        """``(L,)``: how many points each leaf holds, from left to right in the tree."""
        view = self._view
        return view.counts[view.snapshot.nodes.leaves]

    def path(self, id: int | str) -> list[int]:  # noqa: A002
        """The nodes from the root to the leaf that holds a point; look at one with `browse`.

        Raises:
            UnknownIdError: the id is not in the index.
        """
        return self._view.path(id)

    def browse(self, node: int | None = None, *, examples: int = 9) -> Branch:
        """One node of the tree with its children, its number of points and its most typical points; None is the root.

        Raises:
            InputError: there is no such node.
        """
        return self._view.branch(node, examples)

    def members(self, node: int) -> Ids:
        """Ids of all points below a node.

        Raises:
            InputError: there is no such node.
        """
        view = self._view
        return view.snapshot.ids.values[view.members(node)]

    def labels(self, n_clusters: int | Sequence[int]) -> Int64:
        """The cluster of each point when the tree is cut, at one granularity or at several.

        More clusters split fewer, and numbers are stable: the cut into k+1 splits one cluster of the cut into k, whose
        larger part keeps its number while the other part becomes k (see `Tree.levels`). They hold for one state of the
        index: adding or deleting points makes another tree.

        Args:
            n_clusters: how many clusters, or several such numbers.

        Returns:
            ``(n,)`` int64, 0 .. n_clusters-1, in the order of ``ids``; ``(n, len(n_clusters))`` for several.

        Raises:
            InputError: a number below 1 or above the number of points.

        Example:
            ``coarse, fine = index.labels([20, 100]).T``
        """
        if isinstance(n_clusters, Sequence | np.ndarray):
            return self.tree.levels([positive(k, "n_clusters") for k in n_clusters])
        return self.tree.levels([positive(n_clusters, "n_clusters")])[:, 0]

    def sample(self, n: int, *, balanced: bool = True, seed: int = 0) -> Ids:
        """Ids of n different points: one from each of n branches of the tree, or uniformly at random.

        Branches are cut by how far apart their parts lie, not by how much they hold (`Tree.by_spread`), so that a crowd
        of points alike gives no more than a few that differ as much: what is rare comes oftener than its share. That
        evens out classes as far as the tree sets them apart (``benchmarks/imbalanced.py`` measures it).

        Args:
            n: how many.
            balanced: False draws uniformly.
            seed: of the choice; the same seed gives the same points.

        Raises:
            InputError: n below 1 or above the number of points.
        """
        return self._view.sample(n, balanced=balanced, seed=seed)

    def record_heat(self, on: bool = True) -> None:
        """Begin to count, from zero, which leaves each `search` touches; or stop, and forget what was counted.

        Counts are kept in memory only: they belong to the traffic of one process, not to the data.
        """
        self._heat = HeatCounter() if on else None

    def heat(self, node: int | None = None) -> Heat:
        """How many queries touched each leaf since `record_heat`: those that a search scanned.

        Where all rows are compared (``info()["search"]["mode"]``: few points, see `IndexConfig`; recall 1; narrow
        filters) no leaf is picked out, and the leaves of the k results count instead, each once a query.

        Args:
            node: only the leaves below this node; None is the root.

        Raises:
            InputError: counting was not switched on, or there is no such node.

        Example:
            ``index.record_heat(); index.search(queries); index.heat().counts``
        """
        return self._view.heat(self._counter(), node)

    def tiers(self, shares: Sequence[float] = (0.8, 0.95), node: int | None = None) -> tuple[Tier, ...]:
        """Where leaves belong by what the counted searches touched: hot storage first, coldest last.

        Args:
            shares: the share of the touches that the first tier serves, the first two together, and so on; by default
                a hot, a warm and a cold tier. Each is filled with the leaves touched most often a point.
            node: place only what lies below this node; None is the root.

        Raises:
            InputError: as for `heat`; shares that are not rising between 0 and 1; or nothing was counted there.

        Example:
            ``hot, warm, cold = index.tiers(); hot.ids, hot.traffic``
        """
        view = self._view
        return view.tiers(view.heat(self._counter(), node), shares)

    def info(self) -> dict[str, Any]:
        """What this index is, as JSON values: sizes, how it searches and why, what was learned, where it is saved."""
        return describe(self._view, self._store)

    def export(
        self,
        path: str | PathLike[str],
        *,
        format: Format | str | None = None,  # noqa: A002
        depth: int | None = None,
        n_clusters: int | None = None,
        points: bool = True,
        typical: int = 3,
        payload: Sequence[str] = (),
        base: str = BASE,
    ) -> tuple[Path, ...]:
        """Write the layered structure for other programs.

        Branches bear the numbers of `browse`, `path` and ``hits.leaves``, and have their height, depth, number of
        points and most typical points; the points hang below the lowest branch shown. Formats:

        - Newick (``.nwk``), for tree viewers: names and lengths only. Without ``depth``, ``n_clusters`` or
          ``points=False`` it is the full binary tree, down to single points.
        - GraphML (``.graphml``), for graph programs (networkx, Gephi, yEd).
        - RDF as Turtle (``.ttl``) or N-Triples (``.nt``), for knowledge graphs: branches are SKOS concepts with
          ``skos:broader``, points have their branch as ``dcterms:subject``.
        - Parquet (``.parquet``): three files, ``<stem>.nodes``, ``<stem>.edges`` and ``<stem>.points``.

        Args:
            path: the file; one that is there is replaced.
            format: "nwk", "graphml", "ttl", "nt" or "parquet"; None goes by the suffix.
            depth: only branches with so many edges from the root or fewer; None shows all, down to the leaves.
            n_clusters: only the branches above and of the cut into so many, at most as many as there are leaves.
            points: False leaves the points out.
            typical: how many typical points each branch names.
            payload: columns of the payload to write with the points (not in Newick).
            base: in RDF, what the IRIs of branches and points begin with; ids follow percent-encoded.

        Returns:
            The files written.

        Raises:
            InputError: no such format, level or column; an id or text that the format cannot hold (controls in XML).
            StorageError: the file cannot be written.

        Example:
            ``index.export("photos.ttl", n_clusters=100, base="https://example.org/photos/")``
        """
        target, view = Path(path), self._view
        form = Format.of(target, format)
        if form is Format.NEWICK and points and depth is None and n_clusters is None:
            return write_text([view.tree.newick(view.ids.tolist())], target)
        return write(outline_of(view, depth, n_clusters, typical, payload, points), target, form, base)

    def to_arrow(self) -> pa.Table:
        """All points as a typed table: id, leaf, vector (a list of float32) and the payload columns."""
        return self._view.to_arrow()

    def _counter(self) -> HeatCounter:
        if self._heat is None:
            raise InputError("heat and tiers should come after record_heat() and some searches; found counting off")
        return self._heat

    def _required_store(self, verb: str) -> Store:
        if self._store is None:
            raise InputError(f"{verb} should come after save or open; this index was never saved")
        return self._store
