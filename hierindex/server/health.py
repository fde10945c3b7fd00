"""Routes for those who run the server: is it alive, is it ready, what does it do."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from hierindex.server.auth import OPEN, may_read
from hierindex.server.metrics import CONTENT_TYPE
from hierindex.server.problems import Problem, answers
from hierindex.server.service import Service, service_of

__all__ = ["router"]

router = APIRouter()
Served = Annotated[Service, Depends(service_of)]


@router.get("/healthz", openapi_extra=OPEN, summary="Is it alive")
async def healthz() -> dict[str, str]:
    """200 as long as the event loop turns; needs no key."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: answers()[503]}, openapi_extra=OPEN, summary="Is it ready")
async def readyz(service: Served) -> dict[str, str]:
    """200 once the first search was warmed up, 503 before and when the server is about to end; needs no key."""
    if not service.ready:
        raise Problem(503, "the server is not ready yet, or about to end", wait=1)
    return {"status": "ready"}


@router.get(
    "/metrics",
    response_class=Response,
    responses=answers(media=("text/plain",)),
    dependencies=[Depends(may_read)],
    summary="Metrics for Prometheus",
)
async def metrics(service: Served) -> Response:
    """Requests and latencies by route, points, version, work at hand, memory and processor time of the process."""
    return Response(await service.read(service.metrics.text), media_type=CONTENT_TYPE)
