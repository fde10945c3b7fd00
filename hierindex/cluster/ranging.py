"""A search by radius whose rows lie elsewhere. Each holder finds what is near among its own; nothing is missed."""

from __future__ import annotations

import numpy as np

from hierindex.cluster.front import Front
from hierindex.cluster.messages import Pairs
from hierindex.cluster.only import Only
from hierindex.cluster.results import ClusterHits, ClusterRanges
from hierindex.cluster.scanner import LeafScanner
from hierindex.index.explain import NoWatch
from hierindex.index.ranges import Searched, checked_radius, near_pairs, touched
from hierindex.vectors import Float32

__all__ = ["nearer", "within"]


def within(
    front: Front,
    scanner: LeafScanner,
    queries: Float32,
    radius: float,
    only: Only | None = None,
    watch: NoWatch | None = None,
) -> ClusterRanges:
    """All rows within a distance of each query.

    Args:
        front: the version to search.
        scanner: who has its rows; all of them are asked.
        queries: ``(q, d)`` prepared.
        radius: the largest distance.
        only: which rows may be found; None for all.
        watch: told of the leaves of what was found.

    Raises:
        InputError: see `checked_radius`; a filter that does not fit the columns.
    """
    queries, radius = np.ascontiguousarray(queries), checked_radius(radius, front.metric)
    late = _late(front, queries, radius, only)
    answers = scanner.every("within", queries, radius, only)
    pairs = Pairs.joined([late, *(each for each in answers.given if isinstance(each, Pairs))])
    order = np.lexsort((pairs.seq, pairs.distances, pairs.query))
    query, leaf, n = pairs.query[order], front.nodes.leaves[pairs.leaf[order]], len(queries)
    lims = np.searchsorted(query, np.arange(n + 1)).astype(np.int64)
    if watch is not None:
        watch.probed(front.nodes, touched((front.nodes, leaf), query, np.arange(len(leaf)), n))
    asked = np.full(n, len(answers.given), np.int64)
    found = pairs.ids[order], pairs.distances[order], leaf
    return ClusterRanges(lims, *found, np.full(n, answers.partial), asked)


def nearer(hits: ClusterHits, radius: float) -> ClusterRanges:
    """Those of the k found that are at most ``radius`` away."""
    near = (hits.leaves >= 0) & (hits.distances <= np.float32(radius))
    lims = np.concatenate([[0], np.cumsum(near.sum(axis=1))]).astype(np.int64)
    return ClusterRanges(lims, hits.ids[near], hits.distances[near], hits.leaves[near], hits.partial, hits.fan_out)


def _late(front: Front, queries: Float32, radius: float, only: Only | None) -> Pairs:
    late = front.late
    allowed = None if only is None else only.mask(late.seq, late.leaf, late.payload)
    searched = Searched(late.rows, front.metric, allowed if len(late) else None)
    query, row, distances = near_pairs(queries, radius, searched, NoWatch())
    return Pairs(query, late.seq[row], late.leaf[row], late.ids[row], distances)
