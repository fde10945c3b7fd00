"""The tree of an index as a map of the Poincare disk, to be looked at piece by piece.

What costs a pass over all points (their order by leaf) is done once for each state of the index; every question after
that costs what it answers, so that a page over a million points asks for what it shows.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hierindex.decode import decode
from hierindex.decode.arcs import arc_points
from hierindex.errors import InputError
from hierindex.vectors import Ids, Int64, positive

if TYPE_CHECKING:
    from hierindex.api.view import View

__all__ = ["Atlas", "Place", "Spot"]

MOST_TYPICAL = 24
_DECODED = 4_000  # points of a leaf up to which the tree in it is made when somebody looks: half a second
_NEAR_LEAVES = 8


@dataclass(frozen=True)
class Spot:
    """One node of the tree, and where it stands.

    Attributes:
        node, parent, children, depth, height, count: as of `Branch`.
        place: (x, y) in the Poincare disk: the mean of its points, in the Klein model, where all points stand evenly
            on the boundary in the tree's order (see `decode.arcs`).
        arc: the part of the boundary that its points take, as (start, stop) in turns from 0 to 1.
        examples: ids of typical points, the nearest to its centroid first.
    """

    node: int
    parent: int | None
    children: tuple[int, ...]
    depth: int
    height: float
    count: int
    place: tuple[float, float]
    arc: tuple[float, float]
    examples: Ids


@dataclass(frozen=True)
class Place:
    """Where one point stands: its leaf, and its place on the boundary in turns from 0 to 1."""

    id: int | str
    leaf: int
    turn: float


class Atlas:
    """Where everything of one state of an index stands; made by ``index.atlas``, and never changed.

    Example:
        >>> import numpy as np
        >>> from hierindex import HierIndex
        >>> x = np.random.default_rng(0).normal(size=(200, 8)).astype("float32")
        >>> atlas = HierIndex.from_vectors(x).atlas
        >>> root, *below = atlas.below(None, depth=1, limit=3)
        >>> root.arc, root.count == sum(spot.count for spot in below)
        ((0.0, 1.0), True)
    """

    def __init__(self, view: View) -> None:
        """Use ``index.atlas``."""
        self._view = view
        self._nodes = view.snapshot.nodes
        self._orders: dict[int, Int64] = {}
        self._examples: dict[int, Int64] = {}

    def __len__(self) -> int:
        """How many points there are."""
        return len(self._view.rows)

    @property
    def leaves(self) -> int:
        """How many leaves the index has."""
        return len(self._nodes.leaves)

    @property
    def made(self) -> int:
        """How many nodes the tree ever had: with `leaves` it tells whether it is still the same tree."""
        return len(self._nodes)

    def spot(self, node: int | None = None, *, examples: int = 1) -> Spot:
        """One node; None is the root.

        Raises:
            InputError: there is no such node, or ``examples`` is above 24.
        """
        return self._spot(self._known(node), _most(examples))

    def below(self, node: int | None = None, *, depth: int, limit: int, examples: int = 1) -> list[Spot]:
        """A node and what lies up to ``depth`` levels below it, larger branches first, at most ``limit`` of them.

        A node comes with its sibling or not at all, and always after its parent: what is left out hangs below what is
        there.

        Raises:
            InputError: there is no such node; depth below 0; limit below 1; or ``examples`` above 24.
        """
        top, k, room = self._known(node), _most(examples), positive(limit, "limit")
        if isinstance(depth, bool) or depth < 0:
            raise InputError(f"depth should be an integer of at least 0; found {depth!r}")
        counts, levels = self._view.counts, self._nodes.depth
        found, waiting = [top], [(-int(counts[top]), top)]
        while waiting and len(found) + 2 <= room:
            _, at = heapq.heappop(waiting)
            if levels[at] - levels[top] >= depth:
                continue
            for child in self._children(at):
                found.append(child)
                heapq.heappush(waiting, (-int(counts[child]), child))
        return [self._spot(at, k) for at in found]

    def above(self, nodes: Iterable[int], *, examples: int = 1) -> list[Spot]:
        """Some nodes and everything above them, each once, parents first.

        Raises:
            InputError: there is no such node, or ``examples`` is above 24.
        """
        k, seen = _most(examples), dict[int, None]()
        for node in nodes:
            seen |= dict.fromkeys(self._nodes.path(self._known(node)))
        return [self._spot(node, k) for node in seen]

    def cut(self, n_clusters: int) -> list[int]:
        """The nodes into which the tree over the leaves falls when cut into so many, left to right.

        Raises:
            InputError: fewer than one, or more than there are leaves.
        """
        return [int(node) for node in self._nodes.cut(positive(n_clusters, "n_clusters"))]

    def members(self, node: int, *, offset: int = 0, limit: int = 100) -> list[Place]:
        """Points below a node in the order of the full tree (``index.tree.order``), so that like stands by like.

        In a leaf of more than 4,000 points they come as they were added: its tree would take too long to wait for.

        Raises:
            InputError: there is no such node; offset below 0; limit below 1.
        """
        if isinstance(offset, bool) or offset < 0:
            raise InputError(f"offset should be an integer of at least 0; found {offset!r}")
        start, stop = self._spans[self._known(node)].tolist()
        start, stop = start + offset, min(stop, start + offset + positive(limit, "limit"))
        places: list[Place] = []
        while start < stop:
            leaf = int(self._nodes.leaves[np.searchsorted(self._starts, start, side="right") - 1])
            first, last = self._spans[leaf].tolist()
            rows = self._order(leaf)[start - first : min(stop, last) - first]
            ids = self._view.snapshot.ids.values[rows].tolist()
            places += [Place(id_, leaf, self._turn(start + i)) for i, id_ in enumerate(ids)]
            start = min(stop, last)
        return places

    def find(self, ids: Iterable[int | str]) -> list[Place]:
        """Where points stand, by their ids.

        Raises:
            UnknownIdError: an id is not in the index.
        """
        places = []
        for wanted in ids:
            row = int(self._view.snapshot.ids.rows_of(np.array([wanted]))[0])
            leaf = int(self._view.snapshot.leaf[row])
            rank = int(np.flatnonzero(self._order(leaf) == row)[0])
            places.append(Place(wanted, leaf, self._turn(int(self._spans[leaf, 0]) + rank)))
        return places

    def labels(self, ids: Sequence[int | str], column: str) -> list[str | None]:
        """The values of a payload column as texts; None where there is none.

        Raises:
            InputError: there is no such column. UnknownIdError: an id is not in the index.
        """
        table = self._view.snapshot.payload
        columns = [] if table is None else table.column_names
        if table is None or column not in columns:
            raise InputError(f"label should be a payload column of the index, one of {columns}; found {column!r}")
        if not ids:
            return []
        rows = self._view.snapshot.ids.rows_of(np.array(ids, dtype=object if isinstance(ids[0], str) else None))
        return [None if value is None else str(value) for value in table.column(column).take(rows).to_pylist()]

    @property
    def of_strings(self) -> bool:
        """Whether ids are strings."""
        return self._view.snapshot.ids.of_strings

    def rows(self, node: int) -> Int64:
        """Row numbers of the points below a node, leaf after leaf."""
        start, stop = self._spans[node]
        return self._by_leaf[start:stop]

    # ---- inside

    def _spot(self, node: int, k: int) -> Spot:
        nodes, n = self._nodes, max(len(self), 1)
        start, stop = self._spans[node].tolist()
        parent, (x, y) = int(nodes.parent[node]), self._places[node].tolist()
        return Spot(
            node=node,
            parent=None if parent < 0 else parent,
            children=tuple(self._children(node)),
            depth=int(nodes.depth[node]),
            height=float(nodes.height[node]),
            count=stop - start,
            place=(x, y),
            arc=(start / n, stop / n),
            examples=self._view.snapshot.ids.values[self._typical(node)[:k]],
        )

    def _children(self, node: int) -> list[int]:
        return [int(child) for child in self._nodes.children[node] if child >= 0]

    def _turn(self, position: int) -> float:
        return (position + 0.5) / len(self)

    def _known(self, node: int | None) -> int:
        if node is None:
            return self._nodes.root
        known = self._view.checked(node)
        self._nodes.leaves_under(known)  # refuses what upkeep took out of the tree
        return known

    def _typical(self, node: int) -> Int64:
        """Rows nearest to a node's centroid, among those of the eight leaves below it whose centroids are nearest."""
        if node not in self._examples:
            leaves = self._nodes.leaves_under(node)
            leaves = leaves[self._view.counts[leaves] > 0]
            if len(leaves) > _NEAR_LEAVES:
                gaps = np.linalg.norm(self._nodes.centroid[leaves] - self._nodes.centroid[node], axis=1)
                leaves = leaves[np.argsort(gaps, kind="stable")[:_NEAR_LEAVES]]
            near = np.sort(np.concatenate([self._by_leaf[:0], *(self.rows(int(leaf)) for leaf in leaves)]))
            self._examples[node] = self._view.typical(node, near, MOST_TYPICAL)
        return self._examples[node]

    def _order(self, leaf: int) -> Int64:
        """The rows of a leaf, left to right in the tree inside it; in a huge leaf, as they came."""
        if leaf not in self._orders:
            rows, snapshot = self.rows(leaf), self._view.snapshot
            if 0 < len(rows) <= _DECODED:
                rows = rows[decode(snapshot.table.points.values[rows], snapshot.decode).order]
            self._orders[leaf] = rows
        return self._orders[leaf]

    @cached_property
    def _position(self) -> Int64:
        """``(n,)``: which of the leaves, left to right, each live point is in."""
        return self._nodes.leaf_position[self._view.snapshot.leaf[self._view.rows]]

    @cached_property
    def _by_leaf(self) -> Int64:
        """``(n,)``: the rows of live points, leaf after leaf from left to right, in each as they came."""
        return self._view.rows[np.argsort(self._position, kind="stable")]

    @cached_property
    def _starts(self) -> Int64:
        """``(L + 1,)``: where the points of each leaf begin."""
        sizes = np.bincount(self._position, minlength=self.leaves)
        return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

    @cached_property
    def _spans(self) -> Int64:
        """``(m, 2)``: start and stop of each node's points."""
        return self._starts[self._nodes.spans]

    @cached_property
    def _places(self) -> NDArray[np.float64]:
        return arc_points(self._spans, max(len(self), 1))


def _most(examples: int) -> int:
    if isinstance(examples, bool) or not 0 <= examples <= MOST_TYPICAL:
        raise InputError(f"examples should be an integer from 0 to {MOST_TYPICAL}; found {examples!r}")
    return examples
