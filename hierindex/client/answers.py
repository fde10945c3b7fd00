"""A server's answer to a search, as the library gives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hierindex.results import Hits, Ranges
from hierindex.vectors import Ids

__all__ = ["HitsWithPayload", "RangesWithPayload", "as_hits", "as_ranges"]

Record = dict[str, Any]


@dataclass(frozen=True)
class HitsWithPayload(Hits):
    """`Hits`, and the payload of each that was asked for.

    Attributes:
        payload: for each query the records of its hits, nearest first; empty records where none were asked for.
    """

    payload: tuple[tuple[Record, ...], ...] = ()


@dataclass(frozen=True)
class RangesWithPayload(Ranges):
    """`Ranges`, and the payload of each; see `HitsWithPayload`."""

    payload: tuple[tuple[Record, ...], ...] = ()


def as_hits(results: Sequence[Sequence[Record]], k: int) -> HitsWithPayload:
    """Results of a server as arrays ``(n, k)``, filled up where a query has fewer than k.

    Example:
        >>> as_hits([[{"id": 7, "distance": 0.5, "leaf": 3}]], 2).ids.tolist()
        [[7, -1]]
    """
    shape = (len(results), k)
    words = any(isinstance(hit["id"], str) for found in results for hit in found)
    ids: Ids = np.full(shape, None) if words else np.full(shape, -1, np.int64)
    distances, leaves = np.full(shape, np.inf, np.float32), np.full(shape, -1, np.int64)
    for row, found in enumerate(results):
        for place, hit in enumerate(found):
            ids[row, place], distances[row, place], leaves[row, place] = hit["id"], hit["distance"], hit["leaf"]
    return HitsWithPayload(ids, distances, leaves, _payload(results))


def as_ranges(results: Sequence[Sequence[Record]]) -> RangesWithPayload:
    """Results of a search by radius, as many for each query as there are.

    Example:
        >>> as_ranges([[], [{"id": 7, "distance": 0.5, "leaf": 3}]]).lims.tolist()
        [0, 0, 1]
    """
    flat = [hit for found in results for hit in found]
    words = any(isinstance(hit["id"], str) for hit in flat)
    return RangesWithPayload(
        np.concatenate([[0], np.cumsum([len(found) for found in results])]).astype(np.int64),
        np.array([hit["id"] for hit in flat], dtype=object if words else np.int64),
        np.array([hit["distance"] for hit in flat], np.float32),
        np.array([hit["leaf"] for hit in flat], np.int64),
        _payload(results),
    )


def _payload(results: Sequence[Sequence[Record]]) -> tuple[tuple[Record, ...], ...]:
    return tuple(tuple(hit.get("payload") or {} for hit in found) for found in results)
