"""The commands that keep an index in order: maintain, compact, vacuum, history."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer

from hierindex.api import HierIndex
from hierindex.cli.arguments import KEEP, IndexPath, Json
from hierindex.cli.output import say, show_json, table
from hierindex.storage import Store

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (maintain, compact, vacuum, history):
        app.command(rich_help_panel=KEEP)(command)


def maintain(
    index: IndexPath,
    steps: Annotated[int | None, typer.Option(help="At most so many steps, each one commit; default: all.")] = None,
    as_json: Json = False,
) -> None:
    """Make an index that has changed as good as one built anew: leaves, the tree above them, codes and settings.

    Example: `hierindex maintain photos.index`
    """
    opened = HierIndex.open(index)
    done = opened.maintain(steps=steps)
    if as_json:
        show_json(asdict(done) | {"version": opened.version})
    elif done.nothing:
        say("nothing to do")
    else:
        say(
            ("rows of removed points left out; " if done.compacted else "")
            + f"leaves: {done.split:,} split, {done.dissolved:,} dissolved, {done.centred:,} centred; "
            f"{done.moved:,} points moved; the tree above was drawn {done.redrawn} times, "
            f"codes and settings made {done.retrained} times; {done.left:,} left to do (version {opened.version})"
        )


def compact(index: IndexPath, as_json: Json = False) -> None:
    """Join the many small files that small changes leave behind.

    Example: `hierindex compact photos.index`
    """
    done = Store.open(index).compact()
    if as_json:
        show_json(asdict(done))
    else:
        say(f"{done.parts_before:,} files of points became {done.parts_after:,} (version {done.version})")


def vacuum(
    index: IndexPath,
    versions: Annotated[int | None, typer.Option(help="Keep the newest so many versions.")] = None,
    days: Annotated[float, typer.Option(help="Keep what was the newest version within so many days.")] = 7.0,
    as_json: Json = False,
) -> None:
    """Take away older versions and the files that only they needed.

    Example: `hierindex vacuum photos.index --versions 1`
    """
    freed = Store.open(index).vacuum(timedelta(days=days) if versions is None else versions)
    if as_json:
        show_json(asdict(freed))
    else:
        say(f"freed {freed.bytes:,} bytes in {freed.files:,} files; the oldest version is now {freed.oldest}")


def history(index: IndexPath, as_json: Json = False) -> None:
    """List the versions that can be opened, newest first.

    Example: `hierindex history photos.index`
    """
    versions = [asdict(version) for version in Store.open(index).history()]
    if as_json:
        show_json(versions)
        return
    rows = [[v["version"], f"{v['timestamp']:%Y-%m-%d %H:%M:%S}", v["operation"], v["rows"]] for v in versions]
    table(str(index), ["version", "UTC", "operation", "points"], rows)
