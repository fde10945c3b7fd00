"""The commands that look at an index: info, tree, export, labels, sample, dump."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import typer
from pyarrow import csv as arrow_csv

from hierindex.api import HierIndex
from hierindex.cli import browse
from hierindex.cli.arguments import LOOK, IndexPath, Json, VersionOf, opened
from hierindex.cli.output import OUT, say, show_json, table
from hierindex.errors import InputError
from hierindex.export import BASE, whole_file

__all__ = ["register", "report"]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (info, tree, export, labels, sample, dump):
        app.command(rich_help_panel=LOOK)(command)


def info(index: IndexPath, version: VersionOf = None, as_json: Json = False) -> None:
    """Say what an index holds and how it searches.

    Example: `hierindex info photos.index --json`
    """
    report(opened(index, version), as_json)


def tree(
    index: IndexPath,
    node: Annotated[int | None, typer.Option(help="Start at this node; default: the root.")] = None,
    depth: Annotated[
        int | None, typer.Option(help="How many levels; default: 4 to show, all to export.", show_default=False)
    ] = None,
    export: Annotated[
        Path | None, typer.Option(help="Write it to this .nwk, .graphml, .ttl, .nt or .parquet file; see export.")
    ] = None,
    clusters: Annotated[int | None, typer.Option(help="For --export: only the cut into so many branches.")] = None,
    newick: Annotated[bool, typer.Option(help="Print the whole tree in Newick form.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Draw the Poincare disk into this PNG file.")] = None,
    version: VersionOf = None,
    as_json: Json = False,
) -> None:
    """Look at the learned tree.

    Example: `hierindex tree photos.index --depth 3`
    """
    asked = opened(index, version)
    shown = 4 if depth is None else depth
    if export is not None:
        written = asked.export(export, depth=depth, n_clusters=clusters)
        say(f"wrote {', '.join(map(str, written))}")
    elif newick:
        typer.echo(asked.tree.newick([str(name) for name in asked.ids]))
    elif plot is not None:
        browse.draw(asked, plot)
        say(f"drew {plot}")
    elif as_json:
        show_json(browse.as_json(asked, node, shown))
    else:
        OUT.print(browse.as_rich(asked, node, shown))


def export(
    index: IndexPath,
    out: Annotated[Path, typer.Argument(help="A .nwk, .graphml, .ttl, .nt or .parquet file.", show_default=False)],
    depth: Annotated[int | None, typer.Option(help="Only branches so many steps below the root.")] = None,
    clusters: Annotated[int | None, typer.Option(help="Only the branches of the cut into so many.")] = None,
    points: Annotated[bool, typer.Option(help="Write the points below the lowest branches, too.")] = True,
    payload: Annotated[list[str] | None, typer.Option(help="A payload column to write with the points.")] = None,
    base: Annotated[str, typer.Option(help="In RDF, what the IRIs begin with.")] = BASE,
    version: VersionOf = None,
    as_json: Json = False,
) -> None:
    """Write the tree for other programs: Newick, GraphML, RDF or Parquet.

    Example: `hierindex export photos.index photos.graphml --clusters 100`
    """
    asked = opened(index, version)
    written = asked.export(out, depth=depth, n_clusters=clusters, points=points, payload=payload or (), base=base)
    if as_json:
        show_json({"wrote": [str(path) for path in written]})
    else:
        say(f"wrote {', '.join(map(str, written))}")


def labels(
    index: IndexPath,
    clusters: Annotated[list[int], typer.Argument(help="How many clusters; several give several columns.")],
    version: VersionOf = None,
    as_json: Json = False,
) -> None:
    """Print the cluster of every point, as CSV: the tree cut at one granularity or at several.

    Example: `hierindex labels photos.index 20 100 > labels.csv`
    """
    asked = opened(index, version)
    levels = asked.labels(clusters)
    names = [f"of_{number}" for number in clusters]
    rows = [
        {"id": name, **dict(zip(names, row, strict=True))}
        for name, row in zip(asked.ids.tolist(), levels.tolist(), strict=True)
    ]
    if as_json:
        show_json(rows)
        return
    writer = csv.DictWriter(sys.stdout, ["id", *names], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def sample(
    index: IndexPath,
    n: Annotated[int, typer.Argument(help="How many points.")],
    balanced: Annotated[
        bool, typer.Option("--balanced/--uniform", help="One of each of n branches, or at random.")
    ] = True,
    seed: Annotated[int, typer.Option(help="Of the choice.")] = 0,
    version: VersionOf = None,
    as_json: Json = False,
) -> None:
    """Print ids of different points, an id a line: one from each of n branches, so that no crowd drowns the rest.

    Example: `hierindex sample photos.index 24`
    """
    drawn = opened(index, version).sample(n, balanced=balanced, seed=seed).tolist()
    if as_json:
        show_json(drawn)
    else:
        typer.echo("\n".join(map(str, drawn)))


def dump(
    index: IndexPath,
    out: Annotated[
        Path,
        typer.Argument(
            help=".parquet: all of it. .npy: the vectors. .csv: ids, leaves and payload.", show_default=False
        ),
    ],
    version: VersionOf = None,
    as_json: Json = False,
) -> None:
    """Write the points of an index to a file: ids, leaves, vectors and payload.

    Example: `hierindex dump photos.index photos.parquet`
    """
    writers = {".parquet": _parquet, ".npy": _npy, ".csv": _csv}
    if out.suffix not in writers:
        raise InputError(f"the file to dump to should end with one of {', '.join(writers)}; found {out.name!r}")
    asked = opened(index, version)
    with whole_file(out) as part, part.open("wb") as file:
        writers[out.suffix](asked, file)
    if as_json:
        show_json({"wrote": str(out), "points": len(asked)})
    else:
        say(f"wrote {len(asked):,} points to {out}")


def report(index: HierIndex, as_json: bool) -> None:
    """What an index is, as a table or as JSON."""
    facts = index.info()
    if as_json:
        show_json(facts)
        return
    facts["tree"].pop("chosen_by")
    table(repr(index), ["", ""], _flat(facts))


def _parquet(index: HierIndex, file: BinaryIO) -> None:
    pq.write_table(index.to_arrow(), file)


def _npy(index: HierIndex, file: BinaryIO) -> None:
    np.save(file, index.vectors())


def _csv(index: HierIndex, file: BinaryIO) -> None:
    try:
        arrow_csv.write_csv(index.to_arrow().drop_columns(["vector"]), file)
    except pa.ArrowInvalid as error:
        raise InputError(f"payload columns of a .csv file should be plain; found: {error}; dump to .parquet") from error


def _flat(facts: dict[str, Any], prefix: str = "") -> list[list[Any]]:
    """Nested facts as rows of dotted names and values."""
    rows: list[list[Any]] = []
    for name, value in facts.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{name}.")
        else:
            rows.append([f"{prefix}{name}", ", ".join(map(str, value)) if isinstance(value, list) else str(value)])
    return rows
