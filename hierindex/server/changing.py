"""Routes that change the index: one commit each, all or nothing, and safe to repeat with a token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request, Response

from hierindex.api import HierIndex
from hierindex.errors import ConflictError, InputError
from hierindex.server.arrays import as_rows, ids_array, schema_of
from hierindex.server.auth import may_write
from hierindex.server.bodies import (
    Changed,
    Counted,
    DeleteRequest,
    PayloadRequest,
    PointsRequest,
    body_of,
    json_body,
)
from hierindex.server.config import Limits
from hierindex.server.pictures import decoded
from hierindex.server.problems import answers
from hierindex.server.records import table_of
from hierindex.server.replies import as_json
from hierindex.server.service import Service, service_of

__all__ = ["router"]

router = APIRouter(prefix="/v1/points", dependencies=[Depends(may_write)])
Served = Annotated[Service, Depends(service_of)]
Result = TypeVar("Result")
_ERRORS = answers(404, 408, 409, 413, 415, 422)
_TRIES = 8

_ADD: dict[str, dict[str, Any]] = {
    "add": {"ids": [7001], "vectors": [[0.12, -0.4, 0.33]], "payload": [{"title": "new"}], "token": "order-17"},
    "replace": {"ids": [7001], "vectors": [[0.2, -0.3, 0.3]], "payload": [{"title": "newer"}], "upsert": True},
}


@router.post("", response_model=Changed, responses=_ERRORS, openapi_extra=json_body(PointsRequest, **_ADD))
async def add(request: Request, service: Served) -> Response:
    """Add points, or put them in the place of others; found by the next search, and on disk when this answers."""
    body = await body_of(request, service.settings.limits.seconds)

    def work() -> dict[str, Any]:
        asked, index = PointsRequest.model_validate_json(body), service.index
        _bounded(len(asked.vectors or asked.images or []), service.settings.limits)
        points = _points(asked, index, service.settings.limits)
        ids = None if asked.ids is None else ids_array(asked.ids)
        payload = None if asked.payload is None else table_of(asked.payload, schema_of(index), whole=True)
        if asked.upsert:
            put = _last_wins(index, lambda: index.upsert(points, ids, payload=payload, token=asked.token))
        else:
            put = index.add(points, ids=ids, payload=payload, token=asked.token)
        service.metrics.changed.labels("upsert" if asked.upsert else "add").inc(len(put))
        return {"ids": put, **_stored(index, asked.token, repeated=not len(put))}

    return await _answer(service, work)


@router.post(
    "/delete",
    response_model=Counted,
    responses=_ERRORS,
    openapi_extra=json_body(DeleteRequest, delete={"ids": [7001], "missing": "ignore"}),
)
async def delete(request: Request, service: Served) -> Response:
    """Remove points; no later search finds them."""
    body = await body_of(request, service.settings.limits.seconds)

    def work() -> dict[str, Any]:
        asked, index = DeleteRequest.model_validate_json(body), service.index
        _bounded(len(asked.ids), service.settings.limits)
        ids = ids_array(asked.ids)
        known = _known(index, asked.token)
        gone = _last_wins(index, lambda: index.delete(ids, missing=asked.missing, token=asked.token))
        service.metrics.changed.labels("delete").inc(gone)
        return {"changed": gone, **_stored(index, asked.token, repeated=known)}

    return await _answer(service, work)


@router.patch(
    "/payload",
    response_model=Counted,
    responses=_ERRORS,
    openapi_extra=json_body(PayloadRequest, set={"ids": [7001], "payload": [{"title": "other"}]}),
)
async def update_payload(request: Request, service: Served) -> Response:
    """Set payload columns of some points; their other columns and their vectors stay."""
    body = await body_of(request, service.settings.limits.seconds)

    def work() -> dict[str, Any]:
        asked, index = PayloadRequest.model_validate_json(body), service.index
        _bounded(len(asked.ids), service.settings.limits)
        ids, table = ids_array(asked.ids), table_of(asked.payload, schema_of(index), whole=False)
        known = _known(index, asked.token)
        set_ = _last_wins(index, lambda: index.update_payload(ids, table, token=asked.token))
        service.metrics.changed.labels("payload").inc(set_)
        return {"changed": set_, **_stored(index, asked.token, repeated=known)}

    return await _answer(service, work)


async def _answer(service: Service, work: Callable[[], dict[str, Any]]) -> Response:
    return Response(await service.change(lambda: as_json(work())), media_type="application/json")


def _points(asked: PointsRequest, index: HierIndex, limits: Limits) -> object:
    """What `HierIndex.add` takes."""
    if asked.images is not None:
        return [decoded(image, limits.image_pixels) for image in asked.images]
    return as_rows(asked.vectors or [], index)


def _bounded(n: int, limits: Limits) -> None:
    if n > limits.batch:
        raise InputError(f"points should be at most {limits.batch:,} at once on this server; found {n:,}")


def _known(index: HierIndex, token: str | None) -> bool:
    return token is not None and index.committed(token) is not None


def _stored(index: HierIndex, token: str | None, *, repeated: bool) -> dict[str, Any]:
    version = index.committed(token) if repeated and token is not None else index.version
    return {"version": version, "points": len(index), "repeated": repeated}


def _last_wins(index: HierIndex, change: Callable[[], Result]) -> Result:
    """Make a change that names what it changes, after whatever another process committed meanwhile.

    Callers of a server hold no version of the index that a change of theirs could be stale against: of two the later
    one stands, as if the two had come in that order.
    """
    for _ in range(_TRIES - 1):
        try:
            return change()
        except ConflictError:
            index.refresh()
    return change()
