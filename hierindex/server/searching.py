"""Routes that search."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from starlette.datastructures import UploadFile

from hierindex.server.asking import own_of, queries_of
from hierindex.server.bodies import Found, ImageSearch, SearchRequest, body_of, json_body
from hierindex.server.finding import search
from hierindex.server.pictures import opened
from hierindex.server.problems import Problem, answers
from hierindex.server.service import Service, service_of
from hierindex.server.together import shared

__all__ = ["router"]

router = APIRouter(prefix="/v1")
Served = Annotated[Service, Depends(service_of)]
_SMALL = 2**16  # bytes that are parsed in less time than it takes to hand them to a thread

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
    asked = SearchRequest.model_validate_json(body) if len(body) <= _SMALL else None
    if asked is not None and service.settings.together and shared(asked) is not None:
        return Response(await service.together.ask(asked), media_type="application/json")

    def work() -> dict[str, Any]:
        each = asked or SearchRequest.model_validate_json(body)
        now = service.index.pinned()
        return search(service, now, each, queries_of(now, each, service.settings.limits), own_of(each))

    return await service.reply(work)


_UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "additionalProperties": False,
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


async def _form(request: Request, seconds: float) -> tuple[bytes, bytes]:
    """The file and the words of a form.

    Raises:
        Problem: it is no form, not in time, without an image, or with a field that would be passed over.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise Problem(415, "the Content-Type should be multipart/form-data; found another", kind="InputError")
    try:
        async with asyncio.timeout(seconds), request.form(max_files=1, max_fields=2, max_part_size=2**20) as form:
            image, how = form.get("image"), form.get("request", "{}")
            if not isinstance(image, UploadFile) or not isinstance(how, str):
                raise Problem(422, "the form should have a file 'image', and 'request' as text", kind="InputError")
            if unknown := sorted(set(form) - {"image", "request"}):
                raise Problem(
                    422,
                    f"the form should have the fields 'image' and 'request' alone; found {', '.join(unknown)} too; say "
                    'how to search as JSON, such as request={"k": 5}',
                    kind="InputError",
                )
            return await image.read(), how.encode()
    except TimeoutError:
        raise Problem(408, f"the body should come within {seconds:g} seconds; it did not") from None
