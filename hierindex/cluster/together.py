"""Leaves that queries scan together lie together, and those at the borders lie on both sides.

A centroid of a leaf is a query, too: the leaves that it would scan are joined to its own by edges, and the graph is cut
into parts of about the same weight with few edges between them (METIS: Karypis and Kumar, "A Fast and High Quality
Multilevel Scheme for Partitioning Irregular Graphs", SIAM Journal on Scientific Computing 20, 1998). Then some leaves
are copied: those first whose copy spares most of these queries a worker. No row is looked at for that.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hierindex.errors import need
from hierindex.vectors import Int64

__all__ = ["bordered", "grouped"]

Float64 = NDArray[np.float64]
_UNITS = 100_000  # METIS takes whole numbers as weights
_ROUNDS = 40  # copies are chosen in so many rounds: each changes what the next ones are worth
_EVEN = 1.03  # no worker gets more than so many times an even share; METIS keeps to the same


def grouped(weight: Float64, probed: Int64, parts: int) -> Int64 | None:
    """``(L,)``: a part 0 .. parts-1 for each leaf; None where METIS leaves a part empty, for there are few leaves.

    Args:
        weight: ``(L,)``, shares of 1.
        probed: ``(q, p)`` leaves that queries scan; query i is at leaf i, and -1 is none.
        parts: how many.

    Raises:
        MissingExtraError: pymetis is not installed.
    """
    n = len(weight)
    if parts == 1 or n <= parts:
        return np.arange(n) if parts > 1 else np.zeros(n, np.int64)
    metis: Any = need("pymetis", "cluster")
    query, leaf = _pins(probed)
    edges = _matrix(query, leaf, (n, n))
    edges = edges + edges.T
    edges.setdiag(0)
    edges.eliminate_zeros()
    units = np.maximum(1, np.round(weight / max(float(weight.sum()), 1e-30) * _UNITS)).astype(int)
    graph = metis.CSRAdjacency(edges.indptr.tolist(), edges.indices.tolist())
    joint = edges.data.astype(int).tolist()
    part = np.array(
        metis.part_graph(parts, graph, vweights=units.tolist(), eweights=joint, recursive=False).vertex_part, np.int64
    )
    return part if len(np.unique(part)) == parts else None


def bordered(weight: Float64, probed: Int64, owner: Int64, workers: int, extra: float) -> NDArray[np.bool_]:
    """``(L, workers)``: who holds which leaf, its owner and those that get a copy of it.

    Args:
        weight: ``(L,)``.
        probed: as for `grouped`.
        owner: ``(L,)``, the worker of each leaf.
        workers: how many.
        extra: how much all copies weigh at most, as a share of all leaves.
    """
    held = np.zeros((len(weight), workers), np.bool_)
    held[np.arange(len(weight)), owner] = True
    load, pins, total = np.bincount(owner, weight, workers), _pins(probed), float(weight.sum())
    most, copied = (1 + extra) * total / workers * _EVEN, 0.0
    for number in range(1, _ROUNDS + 1) if extra > 0 and workers > 1 else ():
        leaf, worker, worth = _worth(held, pins, weight)
        budget = extra * total * number / _ROUNDS
        for at in np.argsort(-worth, kind="stable").tolist():
            if copied + weight[leaf[at]] > budget:
                break
            if load[worker[at]] + weight[leaf[at]] <= most:
                held[leaf[at], worker[at]] = True
                load[worker[at]] += weight[leaf[at]]
                copied += weight[leaf[at]]
    return held


def _worth(held: NDArray[np.bool_], pins: tuple[Int64, Int64], weight: Float64) -> tuple[Int64, Int64, Float64]:
    """Leaves and workers that have none of them, and how much a copy is worth for its weight.

    A query that asks a worker for one leaf only is spared it by a copy where it goes anyway; of two such leaves each
    counts a quarter, and so on.
    """
    (query, leaf), (n_leaves, workers) = pins, held.shape
    n = int(query.max(initial=0)) + 1
    asked = _served(held, query, leaf, n)
    goes = _matrix(query, asked, (n, workers))
    alone = 1.0 / np.asarray(goes.toarray()[query, asked], np.float64) ** 2
    goes.data[:] = 1
    worth = (csr_array((alone, (leaf, query)), shape=(n_leaves, n)) @ goes).tocoo()
    row, column = worth.coords
    new = ~held[row, column]
    row, column = row[new].astype(np.int64), column[new].astype(np.int64)
    return row, column, worth.data[new] / np.maximum(weight[row], 1e-30)


def _served(held: NDArray[np.bool_], query: Int64, leaf: Int64, n: int) -> Int64:
    """The worker of each pin: for every query the one that holds most of its leaves, then of those that are left."""
    asked, left = np.full(len(query), -1, np.int64), np.ones(len(query), np.bool_)
    copies = csr_array(held.astype(np.float64))
    while left.any():
        most = (_matrix(query[left], leaf[left], (n, len(held))) @ copies).toarray().argmax(axis=1)
        taken = left & held[leaf, most[query]]
        asked[taken] = most[query[taken]]
        left &= ~taken
    return asked


def _pins(probed: Int64) -> tuple[Int64, Int64]:
    """The queries' numbers and the leaves of all pairs."""
    query, place = np.nonzero(probed >= 0)
    return query.astype(np.int64), probed[query, place]


def _matrix(row: Int64, column: Int64, shape: tuple[int, int]) -> Any:  # noqa: ANN401 - scipy.sparse has two kinds
    """How often each pair occurs."""
    return csr_array((np.ones(len(row)), (row, column)), shape=shape)
