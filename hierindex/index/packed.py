"""Leaves made ready for scanning: a router, the lists, and how many rows they hold. A cache of the table and nodes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hierindex.index.codes import Coder
from hierindex.index.leaves import FlatLeaves, LeafLists, PqLeaves
from hierindex.index.nodes import Nodes
from hierindex.index.rings import Rings, RingsOnce
from hierindex.index.router import Router
from hierindex.index.rows import Column
from hierindex.index.tables import Table
from hierindex.vectors import Float32, Int64, Metric

__all__ = ["Packed", "pack"]


@dataclass(frozen=True, eq=False)
class Packed:
    """The first ``base`` rows of a table, in lists.

    Attributes:
        base: rows from here on are the tail, which a search scans one by one.
        nodes: the tree that the lists follow.
        sizes: ``(L,)``, rows in each list. list_of: ``(base,)``, the list of each row.
        coder, codes: of the coded rows; None where lists are float32.
        rings: the order in which the leaves' rows lie around their centroids, once a search by radius has asked.
    """

    base: int
    nodes: Nodes
    router: Router
    lists: LeafLists
    sizes: Int64
    list_of: NDArray[np.int32]
    coder: Coder | None
    codes: Column | None
    rings: RingsOnce = field(default_factory=RingsOnce)

    def turned(self, queries: Float32) -> Float32:
        """Queries ``(q, d)`` as the router and the lists take them."""
        return queries if self.coder is None else self.coder.turned(queries)

    def matching(self, mask: NDArray[np.bool_]) -> Int64:
        """``(L,)``: how many of the rows of each list are among those of a mask over all rows."""
        return np.bincount(self.list_of[mask[: self.base]], minlength=len(self.sizes)).astype(np.int64)

    def rings_of(self, table: Table) -> Rings:
        """Where the packed rows of the table lie."""
        return self.rings.of(table.rows.values[: self.base], self.list_of, self.nodes.leaf_centroids)

    def tail_is_long(self, n: int, at_least: int) -> bool:
        """Whether n rows leave a tail worth packing: above ``at_least`` and above half a percent of the packed rows.

        Packing anew costs about 0.15 microseconds a row, a tail 10 to 30 nanoseconds a row in every search.
        """
        return n - self.base > max(at_least, self.base // 200)


def pack(
    table: Table,
    nodes: Nodes,
    metric: Metric,
    coder: Coder | None,
    codes: Column | None,
    base: int,
) -> Packed:
    """The lists of the first ``base`` rows of a table.

    Args:
        table: the rows.
        nodes: the tree whose leaves become lists.
        metric: how rows are compared.
        coder: makes lists of codes; None makes lists of float32 rows.
        codes: what ``coder`` made of the first rows already, if anything.
        base: how many rows.
    """
    router = Router.over(nodes, metric is Metric.IP, coder)
    lists = nodes.leaf_position[table.leaf.values[:base]]
    sizes = np.bincount(lists, minlength=len(nodes.leaves)).astype(np.int64)
    rows, list_of = table.rows.values[:base], lists.astype(np.int32)
    if coder is None:
        flat = FlatLeaves.pack(rows, lists, len(sizes), metric.by_product)
        return Packed(base, nodes, router, flat, sizes, list_of, None, None)
    codes = _more_codes(coder, codes, table, base)
    coded = PqLeaves.pack(coder, codes.values[:base], lists, len(sizes), metric.coded_by_product)
    return Packed(base, nodes, router, coded, sizes, list_of, coder, codes)


def _more_codes(coder: Coder, codes: Column | None, table: Table, base: int) -> Column:
    if codes is None:
        return Column.of(coder.encode(table.rows.values[:base]))
    return codes if len(codes) >= base else codes.append(coder.encode(table.rows.values[len(codes) : base]))
