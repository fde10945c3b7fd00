"""The routes that show the tree piece by piece: what the explorer page asks for, and anyone else may.

Every answer is bounded, and costs what it shows: a tree over a million points is walked by asking for what lies below
the nodes that came before.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from hierindex.server.places import Looking, Members, Nodes, Pathway, Route
from hierindex.server.problems import answers
from hierindex.server.service import Service, service_of

__all__ = ["router"]

MOST_NODES, MOST_POINTS, MOST_IDS, MOST_DEPTH = 1_000, 500, 200, 64
_LARGEST = 2**53  # what a number in JSON can be everywhere

router = APIRouter(prefix="/v1/tree", tags=["tree"], responses=answers(404, 422))

Served = Annotated[Service, Depends(service_of)]
NodeId = Annotated[int, Path(description="A node's number.", ge=0, le=_LARGEST)]
Label = Annotated[str | None, Query(description="The payload column whose texts label the points.", max_length=200)]
Examples = Annotated[int, Query(description="Typical points of each node.", ge=0, le=24)]


@router.get("", response_model=Nodes)
async def below(
    service: Served,
    node: Annotated[int | None, Query(description="Where to begin; the root if left out.", ge=0, le=_LARGEST)] = None,
    depth: Annotated[int, Query(description="So many levels below it.", ge=0, le=MOST_DEPTH)] = 4,
    limit: Annotated[int, Query(description="At most so many; larger branches first.", ge=1, le=MOST_NODES)] = 255,
    examples: Examples = 1,
    label: Label = None,
) -> Response:
    """A node and what lies below it. A node that comes without its children has more to show."""

    def look() -> Nodes:
        sight = Looking(service.index, label)
        return sight.nodes(sight.atlas.below(node, depth=depth, limit=limit, examples=examples))

    return await service.reply(look)


@router.get("/cut", response_model=Nodes)
async def cut(
    service: Served,
    n_clusters: Annotated[int, Query(description="Into so many; at most the leaves.", ge=1, le=MOST_NODES)],
    examples: Examples = 1,
    label: Label = None,
) -> Response:
    """The nodes into which the tree falls when cut into so many clusters, from left to right."""

    def look() -> Nodes:
        sight = Looking(service.index, label)
        return sight.nodes([sight.atlas.spot(node, examples=examples) for node in sight.atlas.cut(n_clusters)])

    return await service.reply(look)


@router.get("/route", response_model=Route)
async def route(
    service: Served,
    node: Annotated[list[int], Query(description="Nodes, such as a search went through.", max_length=MOST_NODES)] = [],  # noqa: B006
    id: Annotated[list[str], Query(description="Points, such as its hits.", max_length=MOST_IDS)] = [],  # noqa: A002, B006
    examples: Examples = 1,
    label: Label = None,
) -> Response:
    """Some nodes and points, with every node above them: the part of the tree that a search has seen."""

    def look() -> Route:
        sight = Looking(service.index, label)
        places = sight.atlas.find(sight.ids(id))
        spots = sight.atlas.above([*node, *(place.leaf for place in places)], examples=examples)
        return sight.route(spots, places)

    return await service.reply(look)


@router.get("/path/{id:path}", response_model=Pathway)
async def path(
    service: Served,
    id: Annotated[str, Path(description="A point's id.")],  # noqa: A002
    examples: Examples = 1,
    label: Label = None,
) -> Response:
    """The nodes from the root to the leaf that holds a point, and where the point stands."""

    def look() -> Pathway:
        sight = Looking(service.index, label)
        places = sight.atlas.find(sight.ids([id]))
        spots = sight.atlas.above([places[0].leaf], examples=examples)
        return Pathway(point=sight.points(places)[0], nodes=sight.each(spots))

    return await service.reply(look)


@router.get("/{node}", response_model=Nodes)
async def one(service: Served, node: NodeId, examples: Examples = 9, label: Label = None) -> Response:
    """One node, with more of its typical points."""

    def look() -> Nodes:
        sight = Looking(service.index, label)
        return sight.nodes([sight.atlas.spot(node, examples=examples)])

    return await service.reply(look)


@router.get("/{node}/members", response_model=Members)
async def members(
    service: Served,
    node: NodeId,
    offset: Annotated[int, Query(description="So many are passed over.", ge=0, le=_LARGEST)] = 0,
    limit: Annotated[int, Query(description="At most so many.", ge=1, le=MOST_POINTS)] = 100,
    label: Label = None,
) -> Response:
    """The points below a node in the tree's order, in which like stands by like."""

    def look() -> Members:
        sight = Looking(service.index, label)
        places = sight.atlas.members(node, offset=offset, limit=limit)
        count = sight.atlas.spot(node, examples=0).count
        return Members(node=node, count=count, offset=offset, members=sight.points(places))

    return await service.reply(look)
