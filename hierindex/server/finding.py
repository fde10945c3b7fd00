"""From a checked request to an answer: limits, the search itself, payload."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from hierindex.api import HierIndex
from hierindex.errors import InputError
from hierindex.server.arrays import ids_array, schema_of
from hierindex.server.bodies import ImageSearch
from hierindex.server.config import Limits
from hierindex.server.filters import Filter, expression
from hierindex.server.records import columns_for
from hierindex.vectors import Float32, Ids, Int64

if TYPE_CHECKING:
    from hierindex.server.service import Service

__all__ = ["check", "nearest", "payload_of", "search", "with_payload"]

_AT_ONCE = 16  # queries by radius
Row = tuple[int | str, float, int]


def search(service: Service, now: HierIndex, asked: ImageSearch, queries: Float32, own: Ids | None) -> dict[str, Any]:
    """The answer to a search, as JSON values.

    Args:
        service: for its limits and metrics.
        now: one state of the index.
        asked: how to search.
        queries: ``(q, d)`` float32.
        own: ``(q,)`` ids of points that are the queries, which are left out of their own answers; None for none.

    Raises:
        InputError: more is asked than the limits allow, or what `HierIndex.search` refuses.
    """
    check(asked, len(queries), service.settings.limits)
    names = payload_of(now, asked)
    rows = nearest(now, asked, queries, own, service.settings.limits.hits)
    service.metrics.queries.inc(len(queries))
    answer: dict[str, Any] = {"results": with_payload(now, rows, names)}
    if asked.explain:
        answer["explanation"] = now.explain(queries, asked.k or 10, recall=asked.recall)
    return answer


def payload_of(now: HierIndex, asked: ImageSearch) -> list[str]:
    """The payload columns that a request asks for.

    Raises:
        InputError: one is not there.
    """
    return columns_for(asked.payload, schema_of(now)) if asked.payload else []


def check(asked: ImageSearch, n: int, limits: Limits) -> None:
    """Whether n queries like this are within the limits.

    Raises:
        InputError: they are not.
    """
    k = asked.k or (10 if asked.radius is None else 1)
    if k > limits.k:
        raise InputError(f"k should be at most {limits.k:,} on this server; found {k:,}")
    if n * k > limits.hits:
        raise InputError(f"queries times k should be at most {limits.hits:,} on this server; found {n:,} x {k:,}")
    if asked.explain and (n > 1 or asked.filter is not None or asked.radius is not None or asked.nprobe is not None):
        raise InputError("explain should come with one query, and without filter, radius or nprobe")


def nearest(now: HierIndex, asked: ImageSearch, queries: Float32, own: Ids | None, most: int) -> list[list[Row]]:
    """Id, distance and leaf of what each query found, nearest first.

    Raises:
        InputError: what `HierIndex.search` refuses, or more than ``most`` points within a radius.
    """
    passed = None if asked.filter is None else _expression(asked.filter, schema_of(now))
    how: dict[str, Any] = {"recall": asked.recall, "nprobe": asked.nprobe, "filter": passed, "num_threads": 1}
    if asked.radius is None:
        k = asked.k or 10
        hits = now.search(queries, k + (own is not None), **how)
        found = [_rows(*each) for each in zip(hits.ids, hits.distances, hits.leaves, hits.found.tolist(), strict=True)]
        return _without(found, own, k)
    wanted = None if asked.k is None else asked.k + (own is not None)
    found = []
    for at in range(0, len(queries), _AT_ONCE):  # nobody knows beforehand how many points a radius takes in
        near = now.search(queries[at : at + _AT_ONCE], wanted, radius=asked.radius, **how)
        for start, stop in pairwise(near.lims.tolist()):
            span = slice(start, stop)
            found.append(_rows(near.ids[span], near.distances[span], near.leaves[span], stop - start))
        if sum(map(len, found)) > most:
            raise InputError(
                f"points within the radius should be at most {most:,} in one answer; found more; give k too"
            )
    return _without(found, own, asked.k)


def _rows(ids: Ids, distances: Float32, leaves: Int64, n: int) -> list[Row]:
    return list(zip(ids[:n].tolist(), distances[:n].tolist(), leaves[:n].tolist(), strict=True))


def _without(found: list[list[Row]], own: Ids | None, k: int | None) -> list[list[Row]]:
    """At most k of each query, and not the point that it is."""
    if own is None:
        return found
    return [[row for row in rows if row[0] != mine][:k] for rows, mine in zip(found, own.tolist(), strict=True)]


def with_payload(now: HierIndex, found: list[list[Row]], names: list[str]) -> list[list[dict[str, Any]]]:
    """The hits of each query as JSON values, with these payload columns."""
    hits = [[{"id": point, "distance": distance, "leaf": leaf} for point, distance, leaf in rows] for rows in found]
    flat: list[dict[str, Any]] = [hit for rows in hits for hit in rows]
    payload = now.payload(ids_array([hit["id"] for hit in flat])) if names and flat else None
    if payload is not None:
        for hit, record in zip(flat, payload.select(names).to_pylist(), strict=True):
            hit["payload"] = record
    return hits


def _expression(asked: Filter, schema: pa.Schema | None) -> pc.Expression:
    if schema is None:
        raise InputError("filter should be left out: this index has no payload columns; found one")
    return expression(asked, schema)
