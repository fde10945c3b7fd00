"""One state of an index, as a reader sees it: the snapshot, the learned model, and the tree over both.

`HierIndex` swaps its view in one assignment, so whatever started on a view finishes on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from hierindex.api.atlas import Atlas
from hierindex.api.encoding import Encoding
from hierindex.api.model import Model
from hierindex.errors import InputError
from hierindex.index.heat import Heat, HeatCounter, Tier
from hierindex.index.snapshot import Snapshot
from hierindex.index.structure import full_tree
from hierindex.results import Hits, Ranges
from hierindex.tree import Tree
from hierindex.vectors import Float32, Ids, Int64, positive

__all__ = ["Branch", "View"]


@dataclass(frozen=True)
class Branch:
    """One node of the index's tree, to look at and to walk on from.

    Attributes:
        node: its id; stable as the index grows. parent: the id above, None at the root.
        children: the ids below, none at a leaf.
        depth: edges from the root. height: the merge height of the decode (0 at a leaf of the index).
        count: how many points lie below. examples: ids of the points nearest to the branch's centroid, nearest first.
        ball: ``(p,)``, its place in the Poincare ball.
    """

    node: int
    parent: int | None
    children: tuple[int, ...]
    depth: int
    height: float
    count: int
    examples: Ids
    ball: Float32


@dataclass(frozen=True, eq=False)
class View:
    """A snapshot, the model that placed its points, and the way from queries to its vectors."""

    snapshot: Snapshot
    model: Model
    encoding: Encoding

    @cached_property
    def rows(self) -> Int64:
        """``(n,)``: the row numbers of the live points, in the order in which they came."""
        return self.snapshot.live_rows

    @cached_property
    def ids(self) -> Ids:
        """``(n,)``: the ids of the live points, in the order in which they came."""
        return self.snapshot.ids.values[self.rows]

    @cached_property
    def tree(self) -> Tree:
        """The tree over the live points; leaf i of it is ``ids[i]``."""
        return full_tree(self.snapshot)

    @cached_property
    def spread_tree(self) -> Tree:
        """The tree with the spread of its branches as heights, on the ball where it was decoded."""
        return self.tree.by_spread(self.snapshot.table.points.values[self.rows])

    @cached_property
    def counts(self) -> Int64:
        """``(m,)``: how many live points lie below each node."""
        return self.snapshot.nodes.counts(self.snapshot.leaf[self.rows])

    @cached_property
    def atlas(self) -> Atlas:
        """Where everything stands in the Poincare disk."""
        return Atlas(self)

    @cached_property
    def payload(self) -> pa.Table | None:
        """The payload columns of the live points, in the order in which they came."""
        table = self.snapshot.payload
        return table if table is None or len(self.rows) == len(table) else table.take(self.rows)

    def hits(self, rows: Int64, distances: Float32) -> Hits:
        """What a search found, by id; -1 among the rows marks a missing hit."""
        known = self.snapshot.ids
        if not rows.size or rows.item(rows.argmin()) >= 0:  # nothing is missing: what almost every search finds
            return Hits(known.values[rows], distances, self.snapshot.leaf[rows])
        found = rows >= 0
        ids: Ids = np.full(rows.shape, None) if known.of_strings else np.full(rows.shape, -1, np.int64)
        leaves = np.full(rows.shape, -1, np.int64)
        ids[found], leaves[found] = known.values[rows[found]], self.snapshot.leaf[rows[found]]
        return Hits(ids, distances, leaves)

    def ranges(self, lims: Int64, rows: Int64, distances: Float32) -> Ranges:
        """What a search by radius found, by id: query i found ``rows[lims[i]:lims[i + 1]]``."""
        hits = self.hits(rows, distances)
        return Ranges(lims, hits.ids, distances, hits.leaves)

    def nearer(self, rows: Int64, distances: Float32, radius: float) -> Ranges:
        """Those of the k found ``(q, k)`` that are at most ``radius`` away, by id."""
        near = (rows >= 0) & (distances <= np.float32(radius))
        lims = np.concatenate([[0], np.cumsum(near.sum(axis=1))]).astype(np.int64)
        return self.ranges(lims, rows[near], distances[near])

    def to_arrow(self) -> pa.Table:
        """All live points: id, leaf, vector and the payload columns."""
        vectors = self.snapshot.rows[self.rows]
        table = pa.table(
            {
                "id": pa.array(self.ids, pa.string() if self.snapshot.ids.of_strings else pa.int64()),
                "leaf": self.snapshot.leaf[self.rows],
                "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1]),
            }
        )
        if self.payload is not None:
            for name, column in zip(self.payload.column_names, self.payload.columns, strict=True):
                table = table.append_column(name, column)
        return table

    def path(self, point: int | str) -> list[int]:
        """Node ids from the root to the leaf that holds the point."""
        row = int(self.snapshot.ids.rows_of(np.array([point]))[0])
        return list(self.snapshot.nodes.path(int(self.snapshot.leaf[row])))

    def branch(self, node: int | None, examples: int) -> Branch:
        """The node of that id, the root for None."""
        nodes = self.snapshot.nodes
        at = nodes.root if node is None else self.checked(node)
        nearest = self.typical(at, self.members(at), examples)
        parent = int(nodes.parent[at])
        return Branch(
            node=at,
            parent=None if parent < 0 else parent,
            children=tuple(int(child) for child in nodes.children[at] if child >= 0),
            depth=int(nodes.depth[at]),
            height=float(nodes.height[at]),
            count=int(self.counts[at]),
            examples=self.snapshot.ids.values[nearest],
            ball=nodes.ball[at],
        )

    def members(self, node: int) -> Int64:
        """Row numbers of the live points below a node, in the order in which they came."""
        below = np.zeros(len(self.snapshot.nodes), dtype=bool)
        below[self.snapshot.nodes.leaves_under(self.checked(node))] = True
        return self.rows[below[self.snapshot.leaf[self.rows]]]

    def typical(self, node: int, members: Int64, k: int) -> Int64:
        """The k rows among ``members`` nearest to the centroid of a node, nearest first."""
        rows, centre = self.snapshot.rows, self.snapshot.nodes.centroid[node]
        step = 65_536  # rows copied at once
        gaps = [np.linalg.norm(rows[members[at : at + step]] - centre, axis=1) for at in range(0, len(members), step)]
        return members[np.argsort(np.concatenate(gaps), kind="stable")[:k]] if gaps else members

    def heat(self, counter: HeatCounter, node: int | None) -> Heat:
        """What was counted, leaf by leaf, below a node (None: the root)."""
        nodes = self.snapshot.nodes
        heat = counter.heat(nodes, self.counts)
        if node is None:
            return heat
        start, stop = nodes.spans[self.checked(node)]
        return Heat(heat.leaves[start:stop], heat.counts[start:stop], heat.sizes[start:stop], heat.queries)

    def tiers(self, heat: Heat, shares: Sequence[float]) -> tuple[Tier, ...]:
        """The tiers of `Heat.tiers` with their points."""
        touched = np.zeros(len(self.snapshot.nodes), np.int64)
        touched[heat.leaves] = heat.counts
        leaf = self.snapshot.leaf[self.rows]
        return tuple(
            Tier(leaves, self.ids[np.isin(leaf, leaves)], float(touched[leaves].sum() / heat.counts.sum()))
            for leaves in heat.tiers(shares)
        )

    def sample(self, n: int, *, balanced: bool, seed: int) -> Ids:
        """Ids of n different points; balanced: one from each of n branches, cut by their spread."""
        if positive(n, "n") > len(self.rows):
            raise InputError(f"n should be at most {len(self.rows)}, the number of points; found {n}")
        rng = np.random.default_rng(seed)
        if not balanced:
            return self.ids[np.sort(rng.choice(len(self.rows), n, replace=False))]
        labels = self.spread_tree.cut(n)
        shuffled = rng.permutation(len(labels))
        _, first = np.unique(labels[shuffled], return_index=True)
        return self.ids[shuffled[first]]

    def checked(self, node: int) -> int:
        """A number that is a node's.

        Raises:
            InputError: it is not.
        """
        m = len(self.snapshot.nodes)
        if isinstance(node, bool) or not isinstance(node, (int, np.integer)) or not 0 <= node < m:
            raise InputError(f"node should be one of 0..{m - 1}; found {node!r}")
        return int(node)
