"""The commands that change what an index holds: add, upsert, delete."""

from __future__ import annotations

from typing import Annotated

import typer

from hierindex.cli import inputs
from hierindex.cli.arguments import CHANGE, IdsFile, IndexPath, Json, OnError, Payload, Queries, opened
from hierindex.cli.output import say, show_json

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (add, upsert, delete):
        app.command(rich_help_panel=CHANGE)(command)


def add(
    index: IndexPath,
    source: Queries,
    ids: IdsFile = None,
    payload: Payload = None,
    on_error: OnError = "raise",
    as_json: Json = False,
) -> None:
    """Add images or vectors to a saved index.

    Example: `hierindex add photos.index more-photos/`
    """
    held = opened(index)
    names = None if ids is None else inputs.ids_like(held.ids, inputs.lines(ids))
    added = held.add(inputs.read_many(source), ids=names, payload=inputs.payload(payload), on_error=on_error)
    if as_json:
        show_json({"added": added.tolist(), "points": len(held), "version": held.version})
    else:
        say(f"added {len(added):,} points; the index now holds {len(held):,} (version {held.version})")


def upsert(
    index: IndexPath,
    source: Queries,
    ids: IdsFile = None,
    payload: Payload = None,
    on_error: OnError = "raise",
    as_json: Json = False,
) -> None:
    """Add images or vectors, in the place of those with the same ids.

    Example: `hierindex upsert photos.index changed-photos/`
    """
    held = opened(index)
    names = None if ids is None else inputs.ids_like(held.ids, inputs.lines(ids))
    put = held.upsert(inputs.read_many(source), names, payload=inputs.payload(payload), on_error=on_error)
    if as_json:
        show_json({"upserted": put.tolist(), "points": len(held), "version": held.version})
    else:
        say(f"put in {len(put):,} points; the index now holds {len(held):,} (version {held.version})")


def delete(
    index: IndexPath,
    ids: Annotated[list[str], typer.Argument(help="Ids of the points to remove.")],
    missing: Annotated[str, typer.Option(help="error, or ignore ids that are not there.")] = "error",
    as_json: Json = False,
) -> None:
    """Remove points from a saved index.

    Example: `hierindex delete photos.index old.png`
    """
    held = opened(index)
    gone = held.delete(inputs.ids_like(held.ids, ids), missing=missing)
    if as_json:
        show_json({"deleted": gone, "points": len(held), "version": held.version})
    else:
        say(f"deleted {gone:,} points; the index now holds {len(held):,} (version {held.version})")
