"""MovieLens as it is downloaded: movies.csv and ratings.csv (https://grouplens.org/datasets/movielens/)."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from examples.recommender.views import Views
from hierindex.errors import InputError

__all__ = ["genres_cell", "read_movies", "read_views"]


def read_movies(folder: Path) -> pa.Table:
    """The movies: ``movie`` int64, ``title``, ``genres`` (see `genres_cell`), ``year`` int64 or null.

    Raises:
        InputError: the folder has no movies.csv of MovieLens's columns.
    """
    table = _read(folder / "movies.csv", ["movieId", "title", "genres"])
    title = pc.utf8_trim_whitespace(table["title"])
    year = pc.struct_field(pc.extract_regex(title, r"\((?P<year>\d{4})\)$"), "year")
    return pa.table(
        {
            "movie": table["movieId"].cast(pa.int64()),
            "title": title,
            "genres": [genres_cell(cell.split("|")) for cell in table["genres"].to_pylist()],
            "year": year.cast(pa.int64()),
        }
    )


def genres_cell(genres: list[str]) -> str:
    """Genres as one text that can be searched for ``|name|``: payload columns hold plain values.

    Example:
        >>> genres_cell(["Comedy", "Drama"]), genres_cell(["(no genres listed)"])
        ('|Comedy|Drama|', '|')
    """
    return "|" + "".join(f"{name}|" for name in genres if name != "(no genres listed)")


def read_views(folder: Path) -> Views:
    """Who watched what, when: every rating counts as a view, whatever it says.

    Raises:
        InputError: the folder has no ratings.csv of MovieLens's columns.
    """
    table = _read(folder / "ratings.csv", ["userId", "movieId", "timestamp"])
    return Views.of(*(table[name].to_numpy() for name in ("userId", "movieId", "timestamp")))


def _read(path: Path, columns: list[str]) -> pa.Table:
    try:
        table = csv.read_csv(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} should be a .csv file of MovieLens; found: {error}") from error
    if not set(columns) <= set(table.column_names):
        raise InputError(f"{path} should have the columns {columns}; found {table.column_names}")
    return table
