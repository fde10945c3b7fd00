"""The backend: what a shop's or a video site's server would hold, in one class.

Three things lie in its folder: the index of the movies (``movies.index``: titles, genres, vectors), the log of views
(``views.parquet``), and the factors that new movies are folded into (``factors.npz``). Every change is on disk when its
call returns, so a backend that is opened again goes on where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow.compute as pc

from examples.recommender.factors import FactorConfig, Factors
from examples.recommender.movielens import genres_cell, read_movies, read_views
from examples.recommender.views import Views
from hierindex import BuildConfig, HierIndex
from hierindex.errors import InputError, StorageError
from hierindex.vectors import Float32, Int64

__all__ = ["Recommended", "Recommender", "Wanted"]


@dataclass(frozen=True)
class Wanted:
    """What recommendations should be like.

    Attributes:
        k: how many.
        per_branch: at most so many of one branch of the tree; None sets no limit.
        n_clusters: how many branches the tree is cut into for that; None takes its leaves.
        genres: only movies of all of these.
        min_views: only movies that were watched so often when the index was built.
        latest: a user's recommendations start from so many of the views, the latest ones.
    """

    k: int = 10
    per_branch: int | None = None
    n_clusters: int | None = None
    genres: tuple[str, ...] = ()
    min_views: int = 0
    latest: int = 5

    @property
    def filter(self) -> pc.Expression | None:
        """The same over the payload columns of the index; None where all movies will do."""
        tests = [pc.match_substring(pc.field("genres"), f"|{name}|") for name in self.genres]
        if self.min_views > 0:
            tests.append(pc.field("views") >= self.min_views)
        return reduce(lambda one, other: one & other, tests) if tests else None


ANYTHING = Wanted()


@dataclass(frozen=True)
class Recommended:
    """One recommended movie; ``distance`` is the cosine distance to the nearest of what was asked with."""

    movie: int
    title: str
    genres: tuple[str, ...]
    year: int | None
    distance: float


@dataclass
class Recommender:
    """Movies, views and factors, and the questions that are asked of them.

    Attributes:
        folder: where they are kept.
        index: the movies that somebody watched; their ids are MovieLens's.
        views: the log.
        factors: of the last factorisation.
    """

    folder: Path
    index: HierIndex
    views: Views
    factors: Factors
    _facts: dict[int, dict[str, Any]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._facts = _facts(self.index)

    @classmethod
    def build(
        cls,
        data: str | Path,
        folder: str | Path,
        *,
        views: Views | None = None,
        factors: FactorConfig | None = None,
        config: BuildConfig | None = None,
    ) -> Self:
        """Factorise the views, and make the index of the movies.

        Args:
            data: a folder with MovieLens's movies.csv and ratings.csv.
            folder: where to keep the backend; the index is written last, so that what can be opened is whole.
            views: others than those in ratings.csv.
            factors: how to factorise.
            config: how to build the index.

        Raises:
            InputError: the data cannot be read. StorageError: the folder holds a backend already.
        """
        place = Path(folder)
        if (place / "movies.index").exists():
            raise StorageError(f"{place} should be free; found a backend; open it, or take another folder")
        movies = read_movies(Path(data))
        views = read_views(Path(data)) if views is None else views
        fitted = Factors.fit(views, factors)
        row = {movie: at for at, movie in enumerate(movies["movie"].to_pylist())}
        watched = [movie for movie in fitted.movies.tolist() if movie in row]
        at = np.searchsorted(fitted.movies, watched)
        payload = movies.take([row[movie] for movie in watched]).drop_columns(["movie"])
        place.mkdir(parents=True, exist_ok=True)
        views.save(place / "views.parquet")
        fitted.save(place / "factors.npz")
        counts = np.array([np.count_nonzero(views.movie == movie) for movie in watched], np.int64)
        index = HierIndex.from_vectors(
            fitted.vectors[at],
            metric="cosine",
            ids=watched,
            payload=payload.append_column("views", [counts]),
            config=config,
            path=place / "movies.index",
        )
        return cls(place, index, views, fitted)

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """The backend as the last change left it.

        Raises:
            StorageError: and its kinds, where there is none.
        """
        place = Path(folder)
        index = HierIndex.open(place / "movies.index")
        return cls(place, index, Views.load(place / "views.parquet"), Factors.load(place / "factors.npz"))

    # ---- asking

    def like(self, movie: int, wanted: Wanted = ANYTHING) -> list[Recommended]:
        """More like this movie.

        Raises:
            UnknownIdError: it is not there. InputError: numbers that cannot be.
        """
        return self.because([movie], wanted)

    def because(
        self, movies: Sequence[int], wanted: Wanted = ANYTHING, *, exclude: Sequence[int] = ()
    ) -> list[Recommended]:
        """Because you watched these: the movies nearest to any of them, and none of them again.

        Args:
            movies: ids.
            wanted: how many, and what they should be like.
            exclude: ids of more movies that are not wanted.

        Raises:
            UnknownIdError: a movie is not there. InputError: numbers that cannot be.
        """
        (found,) = self.index.diverse(
            self.index.vectors(np.asarray(movies, np.int64)),
            wanted.k,
            per_branch=wanted.k if wanted.per_branch is None else wanted.per_branch,
            n_clusters=1 if wanted.per_branch is None else wanted.n_clusters,
            merged=True,
            filter=wanted.filter,
            exclude=[*movies, *exclude],
        )
        return [_recommended(int(hit.id), hit.distance, self._facts[int(hit.id)]) for hit in found]

    def for_user(self, user: int, wanted: Wanted = ANYTHING) -> list[Recommended]:
        """Because of what a user watched last, without what the user ever watched.

        Raises:
            InputError: the user watched nothing that is there, or numbers that cannot be.
        """
        seen = [movie for movie in self.views.by(user).tolist() if movie in self._facts]
        if not seen:
            raise InputError(f"user {user} should have watched one of the movies; found none; ask with like() instead")
        return self.because(seen[-wanted.latest :], wanted, exclude=seen)

    def find(self, title: str) -> int:
        """The movie whose title has these words in it; of several the one watched most.

        Raises:
            InputError: there is none.
        """
        named = [movie for movie, facts in self._facts.items() if title.casefold() in facts["title"].casefold()]
        if not named:
            raise InputError(f"a title should hold {title!r}; found none")
        return max(named, key=lambda movie: self._facts[movie]["views"])

    # ---- changing

    def watch(self, users: Sequence[int], movie: int, time: int) -> None:
        """Write down that users watched a movie; their next recommendations start from it.

        Raises:
            UnknownIdError: the movie is not there.
        """
        self.index.path(movie)
        self.views = self.views.and_also(users, movie, time)
        self.views.save(self.folder / "views.parquet")

    def add(self, movie: int, title: str, genres: Sequence[str], year: int | None, watchers: Sequence[int]) -> None:
        """Put a new movie in: its vector is folded in from who watched it, which is written to the log first.

        Args:
            movie: a new id.
            title: with the year or without.
            genres: their names.
            year: of its release; None if nobody knows.
            watchers: users who watched it already; some of them have to be known to the factors.

        Raises:
            InputError: the movie is there already, or no known user watched it.
            StorageError: the disk cannot be written; the call can be made again.
        """
        if movie in self._facts:
            raise InputError(f"movie {movie} should be new; found it as {self._facts[movie]['title']!r}")
        views = self.views.and_also(watchers, movie, int(self.views.time.max()))
        vector: Float32 = self.factors.fold_in(movie, views)
        facts = {"title": title, "genres": genres_cell(list(genres)), "year": year, "views": len(set(watchers))}
        views.save(self.folder / "views.parquet")
        self.views = views
        self.index.add(vector, ids=[movie], payload=[facts], token=f"movie {movie}")
        self._facts[movie] = facts


def _facts(index: HierIndex) -> dict[int, dict[str, Any]]:
    table = index.payload()
    ids: Int64 = np.asarray(index.ids, np.int64)
    return {} if table is None else dict(zip(ids.tolist(), table.to_pylist(), strict=True))


def _recommended(movie: int, distance: float, facts: dict[str, Any]) -> Recommended:
    genres = tuple(facts["genres"].strip("|").split("|")) if facts["genres"] != "|" else ()
    return Recommended(movie, facts["title"], genres, facts["year"], distance)
