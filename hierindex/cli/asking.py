"""The commands that ask an index: search, diverse, explain, tiers, bench."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import pyarrow.compute as pc
import typer

from hierindex.api import HierIndex
from hierindex.cli import comparing, inputs
from hierindex.cli.arguments import (
    ASK,
    IndexPath,
    Json,
    Limit,
    Neighbours,
    Queries,
    Recall,
    VersionOf,
    Where,
    opened,
)
from hierindex.cli.output import show_json, table
from hierindex.cli.where import expression
from hierindex.errors import InputError
from hierindex.results import Hit
from hierindex.vectors import positive

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (search, diverse, explain, tiers, bench):
        app.command(rich_help_panel=ASK)(command)


def search(
    index: IndexPath,
    query: Queries,
    k: Annotated[int | None, typer.Option("-k", help="How many neighbours; default: 10, or all in --radius.")] = None,
    recall: Recall = 0.95,
    radius: Annotated[float | None, typer.Option(help="Only points at most so far away; without -k all.")] = None,
    where: Where = None,
    threads: Annotated[int | None, typer.Option(help="Threads for many queries; default: the index's own.")] = None,
    limit: Limit = None,
    version: VersionOf = None,
    as_json: Json = False,
) -> None:
    """Find the nearest points of images or vectors.

    Example: `hierindex search photos.index cat.png -k 5 --where 'year >= 2020'`
    """
    asked = opened(index, version)
    how: dict[str, Any] = {"recall": recall, "num_threads": threads, "filter": _filter(asked, where)}
    queries = _queries(asked, query, limit)
    hits = asked.search(queries, k, **how) if radius is None else asked.search(queries, k, radius=radius, **how)
    _show(asked, list(hits), query, as_json)


def diverse(
    index: IndexPath,
    query: Queries,
    k: Neighbours = 10,
    per_branch: Annotated[int, typer.Option(help="At most so many of one branch of the tree.")] = 2,
    clusters: Annotated[
        int | None, typer.Option(help="Cut the tree into so many branches; default: its leaves.")
    ] = None,
    merged: Annotated[bool, typer.Option("--merged", help="All queries ask together, for one answer.")] = False,
    exclude: Annotated[
        list[str] | None, typer.Option(help="An id not to be found; may be given several times.")
    ] = None,
    recall: Recall = 0.95,
    where: Where = None,
    limit: Limit = None,
    version: VersionOf = None,
    as_json: Json = False,
) -> None:
    """Find near points that do not all say the same: at most so many of one branch.

    Example: `hierindex diverse photos.index cat.png -k 10 --per-branch 1 --clusters 50`
    """
    asked = opened(index, version)
    hits = asked.diverse(
        _queries(asked, query, limit),
        k,
        per_branch=per_branch,
        n_clusters=clusters,
        merged=merged,
        recall=recall,
        filter=_filter(asked, where),
        exclude=inputs.ids_like(asked.ids, exclude) if exclude else None,
    )
    _show(asked, list(hits), query, as_json)


def explain(
    index: IndexPath,
    query: Queries,
    k: Neighbours = 10,
    recall: Recall = 0.95,
    row: Annotated[int, typer.Option(help="Which query of a file or folder, from 0.")] = 0,
    version: VersionOf = None,
    as_json: Json = False,
) -> None:
    """Say what the search of one query visits, compares and takes.

    Example: `hierindex explain photos.index cat.png`
    """
    asked = opened(index, version)
    queries = asked.encode(inputs.read_many(query))
    if not 0 <= row < len(queries):
        raise InputError(f"row should be one of 0..{len(queries) - 1}; found {row}")
    found = asked.explain(queries[row], k, recall=recall)
    if as_json:
        show_json(asdict(found))
        return
    rows = [
        ["compares", "all points" if found.exact else "points of some leaves"],
        ["levels", " > ".join(str(len(level)) for level in found.levels) or "none"],
        ["leaves scanned", ", ".join(map(str, found.leaves)) or "none"],
        ["points compared", f"{found.scanned:,} of {len(asked):,}"],
        ["of these exactly", f"{found.candidates:,}"],
        *([stage, f"{seconds * 1e6:,.0f} us"] for stage, seconds in found.seconds.items()),
    ]
    table(repr(asked), ["", ""], rows)


def tiers(
    index: IndexPath,
    queries: Annotated[list[str], typer.Argument(help="Past queries: image files, a folder, or a .npy or .parquet.")],
    k: Neighbours = 10,
    recall: Recall = 0.95,
    shares: Annotated[list[float] | None, typer.Option("--share", help="Traffic of the tiers so far.")] = None,
    version: VersionOf = None,
    as_json: Json = False,
) -> None:
    """Replay queries and say which leaves belong on hot, warm and cold storage.

    Example: `hierindex tiers photos.index last-week/ --share 0.8 --share 0.95`
    """
    asked = opened(index, version)
    asked.record_heat()
    asked.search(inputs.read_many(queries), k, recall=recall)
    placed = asked.tiers(shares or (0.8, 0.95))
    if as_json:
        show_json([{"traffic": t.traffic, "points": len(t.ids), "leaves": t.leaves.tolist()} for t in placed])
        return
    rows = [[at, len(t.leaves), len(t.ids), len(t.ids) / len(asked), t.traffic] for at, t in enumerate(placed, 1)]
    table(repr(asked), ["tier", "leaves", "points", "of the points", "of the traffic"], rows)


def bench(
    index: IndexPath,
    queries: Annotated[
        Path | None, typer.Option(help="Unseen queries; default: stored points, themselves left out.")
    ] = None,
    k: Neighbours = 10,
    limit: Annotated[int, typer.Option(help="At most so many queries.")] = 1_000,
    version: VersionOf = None,
    as_json: Json = False,
) -> None:
    """Measure recall and latency beside flat FAISS over the same vectors.

    Example: `hierindex bench photos.index --queries unseen/`
    """
    asked = opened(index, version)
    result = comparing.compare(asked, None if queries is None else inputs.read(queries), k, positive(limit, "limit"))
    if as_json:
        show_json(result)
    else:
        comparing.show(result)


def _filter(index: HierIndex, where: list[str] | None) -> pc.Expression | None:
    if not where:
        return None
    payload = index.payload()
    return expression(where, None if payload is None else payload.schema)


def _queries(index: HierIndex, words: list[str], limit: int | None) -> Any:  # noqa: ANN401 - whatever search takes
    asked = inputs.read_many(words)
    return asked if limit is None else index.encode(asked)[: positive(limit, "limit")]


def _show(index: HierIndex, answers: list[list[Hit]], words: list[str], as_json: bool) -> None:
    if as_json:
        show_json([[asdict(hit) for hit in found] for found in answers])
        return
    for at, found in enumerate(answers):
        name = words[at] if len(words) == len(answers) else f"query {at}"
        rows = [[place, hit.id, hit.distance, hit.leaf] for place, hit in enumerate(found, 1)]
        table(name, ["", "id", f"{index.metric.value} distance", "leaf"], rows)
