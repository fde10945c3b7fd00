"""Arguments that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hierindex.api import HierIndex

__all__ = [
    "ASK",
    "CHANGE",
    "KEEP",
    "LOOK",
    "MAKE",
    "IdsFile",
    "IndexPath",
    "Json",
    "Limit",
    "Neighbours",
    "OnError",
    "Payload",
    "Queries",
    "Quiet",
    "Recall",
    "VersionOf",
    "Where",
    "opened",
]

MAKE, ASK, LOOK, CHANGE, KEEP = "Make an index", "Ask it", "Look at it", "Change it", "Keep it in order"

IndexPath = Annotated[str, typer.Argument(help="A saved index: a folder, or s3://bucket/name.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")]
Neighbours = Annotated[int, typer.Option("-k", help="How many neighbours.")]
Recall = Annotated[float, typer.Option(help="Share of the true neighbours to find, on average; 1 is exact.")]
VersionOf = Annotated[
    int | None,
    typer.Option("--version-of", help="An older version of the index, by its number in `hierindex history`."),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        help="Only points with such a payload: 'price < 20', 'kind = shoe', 'title ~ red'; several: all of them."
    ),
]
Queries = Annotated[list[str], typer.Argument(help="Image files, a folder, or one .npy, .csv or .parquet file.")]
Limit = Annotated[int | None, typer.Option(help="Only the first so many queries of a file or folder.")]
IdsFile = Annotated[
    Path | None, typer.Option("--ids", help="A text file with an id a line; default: names or numbers.")
]
Payload = Annotated[Path | None, typer.Option(help="A .csv or .parquet file with a row of columns for each point.")]
OnError = Annotated[str, typer.Option(help="raise, or skip unreadable images.")]


def opened(index: str, version: int | None = None) -> HierIndex:
    """The saved index, as it is or as it was."""
    return HierIndex.open(index, version=version)
