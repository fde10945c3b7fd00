"""What the tree looks like as JSON: nodes and points, and where they stand in the Poincare disk."""

from __future__ import annotations

from itertools import islice

from pydantic import BaseModel, Field

from hierindex.api import HierIndex
from hierindex.api.atlas import Place, Spot
from hierindex.errors import UnknownIdError

__all__ = ["Id", "Item", "Looking", "Members", "Node", "Nodes", "Pathway", "Point", "Route"]

Id = int | str
_LONGEST_LABEL = 200
_LARGEST = 2**63


class Item(BaseModel):
    """One point: its id, and the text of the payload column that was asked for as its label."""

    id: Id
    label: str | None = None


class Node(BaseModel):
    """One node of the tree, and where it stands."""

    id: int
    parent: int | None = Field(description="None at the root.")
    children: list[int] = Field(description="Two, or none at a leaf.")
    depth: int = Field(description="Edges from the root.")
    height: float = Field(description="Of the merge; 0 at a leaf.")
    count: int = Field(description="Points below.")
    place: tuple[float, float] = Field(description="x, y in the unit disk: the mean of its points in the Klein model.")
    arc: tuple[float, float] = Field(description="What its points take of the boundary, in turns from 0 to 1.")
    examples: list[Item] = Field(description="Typical points, the nearest to the centroid first.")


class Point(Item):
    """One point on the boundary of the disk."""

    leaf: int
    turn: float = Field(description="Its place on the boundary, in turns from 0 to 1.")


class Nodes(BaseModel):
    """Some nodes of the tree, parents before children; of a cut, from left to right."""

    version: int | None = Field(description="The version on disk that the index stands at; null if it was never saved.")
    points: int
    leaves: int
    made: int = Field(description="Nodes that the tree ever had; when it or leaves changes, the tree is another one.")
    nodes: list[Node]


class Route(Nodes):
    """Nodes with all that lies above them, and points."""

    places: list[Point]


class Pathway(BaseModel):
    """The way from the root to one point."""

    point: Point
    nodes: list[Node]


class Members(BaseModel):
    """Some of the points below a node, in the tree's order."""

    node: int
    count: int = Field(description="All points below the node.")
    offset: int
    members: list[Point]


class Looking:
    """One request's sight of the index: one state of it, and the column that labels its points.

    Args:
        index: the index.
        label: a payload column; None for no labels.
    """

    def __init__(self, index: HierIndex, label: str | None) -> None:
        self.version, self.atlas, self._label = index.version, index.atlas, label

    def nodes(self, spots: list[Spot]) -> Nodes:
        """Nodes as they are answered."""
        at = self.atlas
        return Nodes(version=self.version, points=len(at), leaves=at.leaves, made=at.made, nodes=self.each(spots))

    def route(self, spots: list[Spot], places: list[Place]) -> Route:
        """A route as it is answered."""
        nodes = self.nodes(spots)
        return Route(**dict(nodes), places=self.points(places))

    def each(self, spots: list[Spot]) -> list[Node]:
        """Every node with its examples, whose labels are read at once."""
        items = iter(self._items([id_ for spot in spots for id_ in spot.examples.tolist()]))
        return [
            Node(
                id=spot.node,
                parent=spot.parent,
                children=list(spot.children),
                depth=spot.depth,
                height=spot.height,
                count=spot.count,
                place=spot.place,
                arc=spot.arc,
                examples=list(islice(items, len(spot.examples))),
            )
            for spot in spots
        ]

    def points(self, places: list[Place]) -> list[Point]:
        """Points with their labels."""
        items = self._items([place.id for place in places])
        return [
            Point(id=item.id, label=item.label, leaf=place.leaf, turn=place.turn)
            for item, place in zip(items, places, strict=True)
        ]

    def ids(self, texts: list[str]) -> list[Id]:
        """Ids as the index has them, from what stands in an address.

        Raises:
            UnknownIdError: the index numbers its points, and one of these is no number.
        """
        return list(texts) if self.atlas.of_strings else [_number(text) for text in texts]

    def _items(self, ids: list[Id]) -> list[Item]:
        if self._label is None:
            return [Item(id=id_) for id_ in ids]
        labels = self.atlas.labels(ids, self._label)
        return [
            Item(id=id_, label=None if label is None else label[:_LONGEST_LABEL])
            for id_, label in zip(ids, labels, strict=True)
        ]


def _number(text: str) -> int:
    digits = text.removeprefix("-")
    if digits.isascii() and digits.isdigit() and len(digits) < 20 and -_LARGEST <= int(text) < _LARGEST:
        return int(text)
    raise UnknownIdError(f"ids should be in the index, whose ids are integers; found {text[:80]!r}")
