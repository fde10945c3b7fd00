"""Bodies of requests and answers, as JSON schemas: strict, without unknown names, NaN or infinity."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal, Self, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from hierindex.server.filters import Filter
from hierindex.server.problems import Problem, ProblemDetails

__all__ = [
    "BODIES",
    "Changed",
    "Counted",
    "DeleteRequest",
    "Found",
    "FoundHit",
    "ImageSearch",
    "PayloadRequest",
    "PointsRequest",
    "SearchRequest",
    "body_of",
    "json_body",
]

Body = TypeVar("Body", bound=BaseModel)
Id = Annotated[int, Field(ge=0, lt=2**63)] | Annotated[str, Field(min_length=1, max_length=1_024)]
Vector = Annotated[list[float], Field(min_length=1)]
Token = Annotated[
    str, Field(min_length=1, max_length=200, description="Makes a repeated call a call that does nothing.")
]
Record = dict[str, JsonValue]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class ImageSearch(_Strict):
    """How to search; beside an uploaded image this is all there is to say."""

    k: Annotated[int, Field(ge=1)] | None = Field(None, description="Neighbours; 10, or with a radius all there are.")
    recall: Annotated[float, Field(gt=0, le=1)] = Field(
        0.95, description="The share of the true neighbours to find, on average; 1 is exact."
    )
    radius: float | None = Field(None, description="Only points at most so far away, in the index's distance.")
    nprobe: Annotated[int, Field(ge=1, lt=2**31)] | None = Field(
        None, description="Leaves to scan, in place of recall."
    )
    filter: Filter | None = Field(None, description="Only points whose payload this lets through.")
    payload: bool | list[str] = Field(False, description="Columns to return with each hit; true for all.")
    explain: bool = Field(False, description="Say what the search visited; for one query, without filter or radius.")


class SearchRequest(ImageSearch):
    """What to search for: exactly one of vector, vectors, id, ids, image and images."""

    vector: Vector | None = None
    vectors: Annotated[list[Vector], Field(min_length=1)] | None = None
    id: Id | None = Field(None, description="A point that is there: more like this one.")
    ids: Annotated[list[Id], Field(min_length=1)] | None = None
    image: str | None = Field(None, description="An image file in base64.")
    images: Annotated[list[str], Field(min_length=1)] | None = None
    include_self: bool = Field(False, description="With id: the point may be among its own neighbours.")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = ("vector", "vectors", "id", "ids", "image", "images")
        given = [kind for kind in kinds if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"exactly one of {', '.join(kinds)} should be given; found {given}")
        return self


class PointsRequest(_Strict):
    """Points to add: vectors or images, one of both."""

    ids: Annotated[list[Id], Field(min_length=1)] | None = Field(
        None, description="New ones; left out, integers above the largest are given."
    )
    vectors: Annotated[list[Vector], Field(min_length=1)] | None = None
    images: Annotated[list[str], Field(min_length=1)] | None = Field(None, description="Image files in base64.")
    payload: list[Record] | None = Field(None, description="A record for each point, with columns of the index.")
    upsert: bool = Field(False, description="Ids may be there already; their points are replaced.")
    token: Token | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.vectors is None) == (self.images is None):
            raise ValueError("either vectors or images should be given")
        if self.upsert and self.ids is None:
            raise ValueError("ids should be given with upsert")
        return self


class DeleteRequest(_Strict):
    """Points to remove."""

    ids: Annotated[list[Id], Field(min_length=1)]
    missing: Literal["error", "ignore"] = "error"
    token: Token | None = None


class PayloadRequest(_Strict):
    """Payload columns to set; the others stay."""

    ids: Annotated[list[Id], Field(min_length=1)]
    payload: Annotated[list[Record], Field(min_length=1, description="A record for each id, the same columns in each.")]
    token: Token | None = None


class FoundHit(BaseModel):
    """A neighbour."""

    id: int | str
    distance: float = Field(description="In the index's metric; smaller is nearer.")
    leaf: int = Field(description="The node of the tree that holds it.")
    payload: Record | None = Field(None, description="The columns that were asked for.")


class Explained(BaseModel):
    """What a search visited, see `HierIndex.explain`."""

    exact: bool
    levels: list[list[int]]
    leaves: list[int]
    scanned: int
    candidates: int
    seconds: dict[str, float]


class Found(BaseModel):
    """The neighbours of each query, nearest first."""

    results: list[list[FoundHit]]
    explanation: Explained | None = None


class Stored(BaseModel):
    """What a change left behind."""

    version: int | None = Field(
        description="The version on disk that has the change; null for an index without a disk."
    )
    points: int = Field(description="Points in the index.")
    repeated: bool = Field(description="Whether the token was known, so that nothing was done.")


class Changed(Stored):
    """The ids of what was added or changed; none where the token was known."""

    ids: list[int | str]


class Counted(Stored):
    """How many points it was."""

    changed: int


BODIES: tuple[type[BaseModel], ...] = (
    SearchRequest,
    ImageSearch,
    PointsRequest,
    DeleteRequest,
    PayloadRequest,
    ProblemDetails,
)
"""The bodies that routes read themselves, so that the event loop never does; OpenAPI has to be told of them."""


async def body_of(request: Request, seconds: float) -> bytes:
    """The bytes of a JSON body.

    Raises:
        Problem: 415, it says that it is something else, which a page of another origin might send without asking; 408,
            it did not come in time.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem(415, f"the Content-Type should be application/json; found {kind or 'none'}", kind="InputError")
    try:
        async with asyncio.timeout(seconds):
            return await request.body()
    except TimeoutError:
        raise Problem(408, f"the body should come within {seconds:g} seconds; it did not") from None


def json_body(model: type[BaseModel], **examples: dict[str, Any]) -> dict[str, Any]:
    """What OpenAPI says of a body that a route reads itself."""
    content = {
        "schema": {"$ref": f"#/components/schemas/{model.__name__}"},
        "examples": {name: {"value": value} for name, value in examples.items()},
    }
    return {"requestBody": {"required": True, "content": {"application/json": content}}}
