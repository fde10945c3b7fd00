"""The backend from a terminal: ``python -m examples.recommender --help``."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from examples.recommender.backend import Recommended, Recommender, Wanted
from hierindex.errors import HierIndexError

app = typer.Typer(help="Movies to watch next: MovieLens, matrix factorisation and a tree.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="Where the backend is kept.", show_default=False)]
K = Annotated[int, typer.Option("-k", help="How many movies.")]
PerBranch = Annotated[int | None, typer.Option(help="At most so many of one branch of the tree.")]
Clusters = Annotated[int | None, typer.Option(help="Branches that the tree is cut into; default: its leaves.")]
Genres = Annotated[list[str] | None, typer.Option("--genre", help="Only this genre; several: all of them.")]
MinViews = Annotated[int, typer.Option(help="Only movies that were watched so often.")]


@app.command()
def build(
    data: Annotated[Path, typer.Argument(help="The folder of MovieLens: movies.csv and ratings.csv.")],
    folder: Folder,
) -> None:
    """Factorise the views and index the movies: ``build ml-latest-small movies``."""
    print(Recommender.build(data, folder).index)


@app.command()
def because(
    folder: Folder,
    titles: Annotated[list[str], typer.Argument(help="Words of the titles, or ids.")],
    k: K = 10,
    per_branch: PerBranch = None,
    n_clusters: Clusters = None,
    genre: Genres = None,
    min_views: MinViews = 5,
) -> None:
    """More like one movie, or because you watched several: ``because movies "toy story" matrix --per-branch 2``."""
    backend = Recommender.open(folder)
    asked = [int(title) if title.isdigit() else backend.find(title) for title in titles]
    wanted = Wanted(k, per_branch, n_clusters, tuple(genre or ()), min_views)
    _show(backend.because(asked, wanted))


@app.command()
def user(
    folder: Folder,
    number: Annotated[int, typer.Argument(help="The user.")],
    k: K = 10,
    per_branch: PerBranch = None,
    n_clusters: Clusters = None,
    genre: Genres = None,
    min_views: MinViews = 5,
) -> None:
    """For a user, from what was watched last: ``user movies 42 --genre Comedy``."""
    wanted = Wanted(k, per_branch, n_clusters, tuple(genre or ()), min_views)
    _show(Recommender.open(folder).for_user(number, wanted))


@app.command()
def watch(
    folder: Folder,
    number: Annotated[int, typer.Argument(help="The user.")],
    title: Annotated[str, typer.Argument(help="Words of the title, or an id.")],
) -> None:
    """Write down that a user watched a movie now: ``watch movies 42 matrix``."""
    backend = Recommender.open(folder)
    backend.watch([number], int(title) if title.isdigit() else backend.find(title), int(time.time()))


@app.command()
def add(
    folder: Folder,
    movie: Annotated[int, typer.Argument(help="A new id.")],
    title: Annotated[str, typer.Argument(help="Its title.")],
    watchers: Annotated[list[int], typer.Argument(help="Users who watched it already.")],
    genre: Genres = None,
    year: Annotated[int | None, typer.Option(help="Of its release.")] = None,
) -> None:
    """Put a new movie in: ``add movies 300000 "A New One" 1 15 68 --genre Comedy``."""
    backend = Recommender.open(folder)
    backend.add(movie, title, genre or [], year, watchers)
    print(backend.index)


def _show(found: list[Recommended]) -> None:
    table = Table("", "movie", "title", "genres", "distance")
    for at, each in enumerate(found, 1):
        table.add_row(str(at), str(each.movie), each.title, ", ".join(each.genres), f"{each.distance:.3f}")
    Console(width=None if sys.stdout.isatty() else 120).print(table)


if __name__ == "__main__":
    try:
        app()
    except HierIndexError as error:
        sys.exit(f"error: {error}")
