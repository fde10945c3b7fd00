"""Routes that look: what the index is, its history, its pictures; and the one that goes on to what others wrote."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Response
from pydantic import BaseModel, Field

from hierindex import __version__
from hierindex.server.problems import answers
from hierindex.server.replies import as_json
from hierindex.server.service import Service, service_of
from hierindex.vectors import Ids

__all__ = ["Refreshed", "id_like", "router"]

router = APIRouter(prefix="/v1")
Served = Annotated[Service, Depends(service_of)]


class ServerFacts(BaseModel):
    """What this server has and allows."""

    version: str = Field(description="Of hierindex.")
    images: bool = Field(description="Whether points have pictures at /v1/images.")
    keys: bool = Field(description="Whether a key is needed.")
    writable: bool = Field(description="Whether someone may change the index.")
    limits: dict[str, float]


class Info(BaseModel):
    """What an index is; more than is named here, as `hierindex info --json` says it."""

    points: int
    dim: int
    metric: str
    ids: str = Field(description="integers or strings")
    payload: list[str] = Field(description="Its columns.")
    version: int | None = Field(description="The version on disk that is served.")
    server: ServerFacts


class VersionFacts(BaseModel):
    """One line of the history."""

    version: int
    timestamp: str
    operation: str
    rows: int | None
    tree: int | None
    model: int | None


class Refreshed(BaseModel):
    """Whether there was a newer version, and which one is served now."""

    refreshed: bool
    version: int | None
    points: int


@router.get("/info", response_model=Info, responses=answers(), summary="What the index is")
async def info(service: Served) -> Response:
    """Sizes, how it searches and why, what was learned, and what this server allows."""
    return await service.reply(lambda: _facts(service))


@router.get("/history", response_model=list[VersionFacts], responses=answers(422), summary="Versions, newest first")
async def history(service: Served, limit: Annotated[int, Query(ge=1, le=10_000)] = 100) -> Response:
    """What each version on disk did, newest first."""
    return await service.reply(lambda: [asdict(version) for version in service.index.history()[:limit]])


@router.post("/refresh", response_model=Refreshed, responses=answers(422), summary="Go on to the newest version")
async def refresh(service: Served) -> Response:
    """Serve what other processes have committed since; searches go on meanwhile."""
    done = await service.change(service.index.refresh)
    state = Refreshed(refreshed=done, version=service.index.version, points=len(service.index))
    return Response(as_json(state), media_type="application/json")


@router.get(
    "/images/{id:path}",
    response_class=Response,
    responses=answers(404, 413, 422, media=("image/png", "image/jpeg")) | {304: {"description": "Not changed"}},
    summary="The picture of a point",
)
async def image(
    service: Served,
    id: Annotated[str, Path(description="The id of a point.")],  # noqa: A002
    size: Annotated[int, Query(ge=16, le=1_024, description="Pixels a side, at most.")] = 128,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """A thumbnail, never larger than the image itself."""
    now = service.index.pinned()
    found = await service.read(lambda: service.thumbnails.of(now, id_like(now.ids, id), size))
    headers = {"ETag": f'"{found.tag}"', "Cache-Control": "private, max-age=60"}
    if if_none_match == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(found.data, headers=headers, media_type=found.media_type)


def id_like(known: Ids, word: str) -> int | str:
    """A word of a path as an id of the index's kind; a number stays a word, which no point has, where it is none.

    Example:
        >>> import numpy as np
        >>> id_like(np.array([3, 7]), "7"), id_like(np.array(["7"], object), "7")
        (7, '7')
    """
    plain = word.isascii() and word.isdigit() and len(word) <= 18
    return int(word) if known.dtype != object and plain else word


def _facts(service: Service) -> dict[str, Any]:
    facts, settings = service.index.info(), service.settings
    saved = facts.pop("saved")
    server = ServerFacts(
        version=__version__,
        images=service.thumbnails.there,
        keys=bool(settings.keys),
        writable=settings.writable if not settings.keys else any(key.writes for key in settings.keys.known),
        limits=asdict(settings.limits),
    )
    return facts | {"version": saved and saved["version"], "server": server}
