"""Routes that search."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from starlette.datastructures import UploadFile

from hierindex.api import HierIndex
from hierindex.errors import InputError
from hierindex.server.arrays import as_rows, ids_array
from hierindex.server.bodies import Found, ImageSearch, SearchRequest, body_of, json_body
from hierindex.server.config import Limits
from hierindex.server.finding import search
from hierindex.server.pictures import decoded, opened
from hierindex.server.problems import Problem, answers
from hierindex.server.service import Service, service_of
from hierindex.vectors import Float32, Ids

__all__ = ["router"]

router = APIRouter(prefix="/v1")
Served = Annotated[Service, Depends(service_of)]

_EXAMPLES: dict[str, dict[str, Any]] = {
    "vector": {"vector": [0.12, -0.4, 0.33], "k": 5},
    "more like this": {"id": 42, "k": 5, "payload": ["title"]},
    "filtered": {
        "id": 42,
        "filter": {"and": [{"column": "year", "op": ">=", "value": 1990}, {"column": "seen", "op": "is_null"}]},
    },
    "batch": {"vectors": [[0.12, -0.4, 0.33], [0.5, 0.1, -0.2]], "recall": 0.99},
    "within": {"vector": [0.12, -0.4, 0.33], "radius": 0.25},
}


@router.post(
    "/search",
    response_model=Found,
    responses=answers(404, 408, 413, 415, 422),
    openapi_extra=json_body(SearchRequest, **_EXAMPLES),
    summary="Nearest points of vectors, of points or of images",
)
async def search_json(request: Request, service: Served) -> Response:
    """The k nearest points of each query, or all within a radius."""
    body = await body_of(request, service.settings.limits.seconds)

    def work() -> dict[str, Any]:
        asked = SearchRequest.model_validate_json(body)
        now = service.index.pinned()
        return search(service, now, asked, _queries(now, asked, service.settings.limits), _own(asked))

    return await service.reply(work)


_UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {
                        "image": {"type": "string", "format": "binary", "description": "An image file."},
                        "request": {
                            "type": "string",
                            "contentMediaType": "application/json",
                            "description": "How to search, as JSON: see ImageSearch.",
                        },
                    },
                }
            }
        },
    }
}


@router.post(
    "/search/image",
    response_model=Found,
    responses=answers(408, 413, 415, 422),
    openapi_extra=_UPLOAD,
    summary="Nearest points of an uploaded image",
)
async def search_upload(request: Request, service: Served) -> Response:
    """The same for a file: ``curl -F image=@cat.png -F 'request={"k": 5}'``."""
    limits = service.settings.limits
    data, how = await _form(request, limits.seconds)

    def work() -> dict[str, Any]:
        asked = ImageSearch.model_validate_json(how)
        now = service.index.pinned()
        return search(service, now, asked, now.encode([opened(data, limits.image_pixels)]), None)

    return await service.reply(work)


def _queries(now: HierIndex, asked: SearchRequest, limits: Limits) -> Float32:
    """The vectors ``(q, d)`` that a request asks with."""
    many = asked.vectors or asked.ids or asked.images
    if many is not None and len(many) > limits.batch:
        raise InputError(f"queries should be at most {limits.batch:,} at once on this server; found {len(many):,}")
    if asked.vector is not None or asked.vectors is not None:
        return as_rows([asked.vector] if asked.vector is not None else asked.vectors or [], now)
    if asked.id is not None or asked.ids is not None:
        return now.vectors(ids_array([asked.id] if asked.id is not None else asked.ids or []))
    images = [asked.image] if asked.image is not None else asked.images or []
    return now.encode([decoded(image, limits.image_pixels) for image in images])


def _own(asked: SearchRequest) -> Ids | None:
    given = [asked.id] if asked.id is not None else asked.ids
    return None if given is None or asked.include_self else ids_array(given)


async def _form(request: Request, seconds: float) -> tuple[bytes, bytes]:
    """The file and the words of a form.

    Raises:
        Problem: it is no form, not in time, or without an image.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise Problem(415, "the Content-Type should be multipart/form-data; found another", kind="InputError")
    try:
        async with asyncio.timeout(seconds), request.form(max_files=1, max_fields=2, max_part_size=2**20) as form:
            image, how = form.get("image"), form.get("request", "{}")
            if not isinstance(image, UploadFile) or not isinstance(how, str):
                raise Problem(422, "the form should have a file 'image', and 'request' as text", kind="InputError")
            return await image.read(), how.encode()
    except TimeoutError:
        raise Problem(408, f"the body should come within {seconds:g} seconds; it did not") from None
