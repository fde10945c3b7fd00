"""What is asked of a shard, what goes into one, and what it answers; all of it travels between processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hierindex.cluster.only import Only
from hierindex.cluster.pool import NO_KEY, Pool
from hierindex.vectors import Float32, Ids, Int64

__all__ = ["Ask", "Counts", "Entries", "Held", "Pairs"]


@dataclass(frozen=True, eq=False)
class Ask:
    """Queries and the leaves that should be scanned for each.

    Attributes:
        queries: ``(q, d)`` prepared. turned: ``(q, w)``, as lists take them.
        lists: ``(q, p)`` positions of leaves in the tree's order, -1 for none.
        k: neighbours wanted. candidates: rows to compare exactly.
        spare: so many candidates more tell where ties begin.
        alone: ``(q,)`` bool: nobody else is asked for this query.
        only: which rows may be found; None for all.
    """

    queries: Float32
    turned: Float32
    lists: Int64
    k: int
    candidates: int
    spare: int
    alone: NDArray[np.bool_]
    only: Only | None = None

    def of(self, queries: Int64) -> Ask:
        """What is asked for some of the queries."""
        some = {name: getattr(self, name)[queries] for name in ("queries", "turned", "lists", "alone")}
        return replace(self, **some)


@dataclass(frozen=True, eq=False)
class Held:
    """Rows of some leaves on their way into a shard, by rising seq.

    Attributes:
        rows: ``(n, d)``. seq, ids: ``(n,)``. leaf: ``(n,)``, the position of each row's leaf.
        payload: n rows of further columns, or None.
    """

    rows: Float32
    seq: Int64
    ids: Ids
    leaf: Int64
    payload: pa.Table | None = None

    def __len__(self) -> int:
        """How many rows."""
        return len(self.rows)

    @classmethod
    def joined(cls, pieces: Sequence[Held]) -> Self:
        """The rows of several, one after the other."""
        rows, seq, ids, leaf = (
            np.concatenate([getattr(piece, name) for piece in pieces]) for name in ("rows", "seq", "ids", "leaf")
        )
        columns = [piece.payload for piece in pieces if piece.payload is not None]
        return cls(rows, seq, ids, leaf, pa.concat_tables(columns).combine_chunks() if columns else None)

    def take(self, rows: Int64) -> Held:
        """Some of the rows."""
        payload = None if self.payload is None else self.payload.take(rows)
        return Held(self.rows[rows], self.seq[rows], self.ids[rows], self.leaf[rows], payload)

    def bearing(self, ids: Ids) -> Int64:
        """The rows that bear one of some ids."""
        if self.ids.dtype != object:
            return np.flatnonzero(np.isin(self.ids, ids)).astype(np.int64)
        wanted = set(ids.tolist())
        there = np.fromiter((each in wanted for each in self.ids.tolist()), np.bool_, len(self.ids))
        return np.flatnonzero(there).astype(np.int64)

    def pool(self, rows: Int64, raw: Float32, by_product: bool) -> Pool:
        """The rows ``(q, c)``, -1 for none, with what FAISS says of each: squared distances or products."""
        there = rows >= 0
        keys = np.where(there, -raw if by_product else raw, NO_KEY).astype(np.float32)
        ids: Ids = np.full(rows.shape, None) if self.ids.dtype == object else np.full(rows.shape, -1, np.int64)
        seq, leaf = np.full(rows.shape, -1, np.int64), np.full(rows.shape, -1, np.int64)
        for out, values in ((ids, self.ids), (seq, self.seq), (leaf, self.leaf)):
            out[there] = values[rows[there]]
        return Pool(keys, seq, ids, leaf)


@dataclass(frozen=True, eq=False)
class Entries:
    """What lists hold, for whoever scans them again.

    Attributes:
        lists, seq: ``(n,)``. codes: ``(n, bytes)`` uint8; of float32 lists the rows themselves.
        allowed: ``(n,)`` bool: which may be found.
    """

    lists: Int64
    seq: Int64
    codes: NDArray[np.uint8]
    allowed: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Counts:
    """How full some lists are.

    Attributes:
        lists: ``(l,)``. sizes: ``(l,)``, rows in each. matching: ``(l,)``, how many of them may be found.
    """

    lists: Int64
    sizes: Int64
    matching: Int64


@dataclass(frozen=True, eq=False)
class Pairs:
    """Rows near queries, in no order.

    Attributes:
        query, seq, leaf: ``(p,)``, the number of the query, of the row, the position of its leaf.
        ids: ``(p,)``. distances: ``(p,)`` float32, of the metric.
    """

    query: Int64
    seq: Int64
    leaf: Int64
    ids: Ids
    distances: Float32

    @classmethod
    def joined(cls, pairs: Sequence[Pairs]) -> Self:
        """All pairs of several."""
        names = ("query", "seq", "leaf", "ids", "distances")
        return cls(*(np.concatenate([getattr(each, name) for each in pairs]) for name in names))
