"""What a request asks with, as vectors."""

from __future__ import annotations

from hierindex.api import HierIndex
from hierindex.errors import InputError
from hierindex.server.arrays import as_rows, ids_array
from hierindex.server.bodies import SearchRequest
from hierindex.server.config import Limits
from hierindex.server.pictures import decoded
from hierindex.vectors import Float32, Ids

__all__ = ["own_of", "queries_of"]


def queries_of(now: HierIndex, asked: SearchRequest, limits: Limits) -> Float32:
    """The vectors ``(q, d)`` that a request asks with.

    Raises:
        InputError: they are too many, or do not fit. UnknownIdError: a point is not there. NoEncoderError: images, and
            the index holds no encoder.
    """
    many = asked.vectors or asked.ids or asked.images
    if many is not None and len(many) > limits.batch:
        raise InputError(f"queries should be at most {limits.batch:,} at once on this server; found {len(many):,}")
    if asked.vector is not None or asked.vectors is not None:
        return as_rows([asked.vector] if asked.vector is not None else asked.vectors or [], now)
    if asked.id is not None or asked.ids is not None:
        return now.vectors(ids_array([asked.id] if asked.id is not None else asked.ids or []))
    images = [asked.image] if asked.image is not None else asked.images or []
    return now.encode([decoded(image, limits.image_pixels) for image in images])


def own_of(asked: SearchRequest) -> Ids | None:
    """``(q,)`` ids of the points that are the queries and are left out of their own answers; None for none."""
    given = [asked.id] if asked.id is not None else asked.ids
    return None if given is None or asked.include_self else ids_array(given)
