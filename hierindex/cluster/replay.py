"""The few queries whose answer hangs on which of equal rows a scan meets first: their lists, scanned once more whole.

What the lists of these queries hold is brought to the caller as codes, and goes through the very calls of a local
search; then the vectors of the candidates come, and are compared in the order in which that scan gave them.
"""

from __future__ import annotations

import numpy as np

from hierindex.cluster.front import Front
from hierindex.cluster.messages import Ask, Entries, Held
from hierindex.cluster.only import Only
from hierindex.cluster.pool import Pool
from hierindex.cluster.scanner import LeafScanner
from hierindex.index.exact import exact_rows, joined
from hierindex.index.leaves import FaissLists, FlatLeaves, PqLeaves
from hierindex.index.native import Selector, nearest_among
from hierindex.vectors import Float32, Int64

__all__ = ["late_of", "replayed"]

_TRIES = 3


def replayed(front: Front, scanner: LeafScanner, ask: Ask) -> Pool | None:
    """The k nearest ``(q, k)`` of these queries as a local search finds them; None where a leaf is out of reach."""
    lists = np.unique(ask.lists[ask.lists >= 0])
    for _ in range(_TRIES):
        entries = scanner.entries(lists, ask.only)
        if entries is None:
            continue
        by_code, seq = _scanned(front, ask, lists, entries)
        held = _brought(scanner, np.unique(seq[by_code[by_code >= 0]]))
        if held is None:
            continue
        candidates = np.where(by_code >= 0, np.searchsorted(held.seq, seq[by_code]), -1)
        return _ranked(front, ask, held, candidates)
    return None


def late_of(front: Front, queries: Float32, k: int, only: Only | None) -> Pool:
    """The k nearest ``(q, k)`` of the late rows that may be found."""
    late, by_product = front.late, front.metric.by_product
    return late.pool(*exact_rows(queries, late.rows, k, by_product, _late_only(late, only)), by_product)


def _late_only(late: Held, only: Only | None) -> Selector | None:
    return None if only is None else Selector(only.mask(late.seq, late.leaf, late.payload))


def _scanned(front: Front, ask: Ask, lists: Int64, entries: list[Entries]) -> tuple[Int64, Int64]:
    """Candidates ``(q, c)`` as places among the rows of the lists by rising seq, and the seq of each of these."""
    held, seq = (np.concatenate([getattr(entry, name) for entry in entries]) for name in ("lists", "seq"))
    codes = np.concatenate([entry.codes for entry in entries])
    order = np.argsort(seq)  # rows are numbered as they came, for FAISS looks at numbers where values are equal
    own, codes, seq = np.searchsorted(lists, held[order]), np.ascontiguousarray(codes[order]), seq[order]
    if front.coder is None:
        leaves: FaissLists = FlatLeaves.pack(codes.view(np.float32), own, len(lists), front.metric.by_product)
    else:
        leaves = PqLeaves.pack(front.coder, codes, own, len(lists), front.metric.coded_by_product)
    wanted = np.where(ask.lists >= 0, np.searchsorted(lists, ask.lists), -1)
    allowed = np.concatenate([entry.allowed for entry in entries])[order]
    only = None if ask.only is None else Selector(allowed)
    found = leaves.scan(ask.turned, np.ascontiguousarray(wanted), ask.candidates, only)
    return found, seq


def _brought(scanner: LeafScanner, seq: Int64) -> Held | None:
    """The points of these numbers, by rising number."""
    points = scanner.vectors(seq)
    if points is None:
        return None
    numbers, first = np.unique(np.concatenate([each[0] for each in points]), return_index=True)
    rows, ids, leaf = (np.concatenate([each[i] for each in points])[first] for i in (1, 2, 3))
    return Held(np.ascontiguousarray(rows), numbers, ids, leaf) if len(numbers) == len(seq) else None


def _ranked(front: Front, ask: Ask, held: Held, candidates: Int64) -> Pool:
    """The k nearest of the candidates and the late rows, compared in the order of a local search."""
    by_product, late = front.metric.by_product, front.late
    if len(late):
        found = exact_rows(ask.queries, late.rows, ask.k, by_product, _late_only(late, ask.only))[0]
        candidates = joined(candidates, np.where(found >= 0, found + len(held), -1))
        both = (np.concatenate([getattr(held, name), getattr(late, name)]) for name in ("rows", "seq", "ids", "leaf"))
        held = Held(*both)
    candidates = np.ascontiguousarray(candidates)
    return held.pool(*nearest_among(ask.queries, held.rows, candidates, ask.k, by_product), by_product)
