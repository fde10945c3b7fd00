"""Item vectors by matrix factorisation: alternating least squares of `implicit` on BM25-weighted views.

Hu, Koren, Volinsky, "Collaborative Filtering for Implicit Feedback Datasets" (ICDM 2008). The settings were chosen on
the last but one view of each user (`benchmarks/recommender.py` reports the last one).
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import scipy.sparse as sp

from examples.recommender.files import replaced
from examples.recommender.views import Views
from hierindex.errors import InputError, need
from hierindex.vectors import Float32, Int64

if TYPE_CHECKING:
    from implicit.cpu.als import AlternatingLeastSquares

__all__ = ["FactorConfig", "Factors"]


@dataclass(frozen=True)
class FactorConfig:
    """How to factorise.

    Attributes:
        factors: d, dimensions of the vectors. alpha, regularization, iterations: of the least squares.
        k1, b: of BM25, which makes a view of what all watch, by one who watches all, count less.
        seed: where the vectors start.
    """

    factors: int = 32
    alpha: float = 5.0
    regularization: float = 1.0
    iterations: int = 15
    k1: float = 100.0
    b: float = 0.8
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Factors:
    """Vectors of movies, and what is needed to make one of a movie that came later.

    Attributes:
        users: ``(u,)``, rising. movies: ``(m,)``, rising: those that somebody watched.
        model: of `implicit`; its ``item_factors`` are ``(m, d)``, its ``user_factors`` ``(u, d)``.
        config: how it was made.
    """

    users: Int64
    movies: Int64
    model: AlternatingLeastSquares
    config: FactorConfig

    @classmethod
    def fit(cls, views: Views, config: FactorConfig | None = None) -> Self:
        """Factorise all views."""
        config = FactorConfig() if config is None else config
        users, movies = views.users, np.unique(views.movie)
        with _one_pool():
            model = _model(config)
            model.fit(_weighted(_matrix(views, movies, users), config).T.tocsr(), show_progress=False)
        return cls(users, movies, model, config)

    @property
    def vectors(self) -> Float32:
        """``(m, d)``: one for each of `movies`."""
        return np.asarray(self.model.item_factors, np.float32)

    def fold_in(self, movie: int, views: Views) -> Float32:
        """The vector ``(1, d)`` of a movie that was not there when the others were made, from who watched it.

        Nothing else moves: it is the least-squares answer for the movie with all users held fixed.

        Raises:
            InputError: none of the users that watched it is known.
        """
        matrix = _matrix(views, np.append(self.movies, movie), self.users)
        row = _weighted(matrix, self.config).tocsr()[-1]
        if not row.nnz:
            raise InputError(f"movie {movie} should have been watched by a known user, or it has no vector; found none")
        with _one_pool():
            return np.asarray(self.model.recalculate_item([0], row), np.float32)

    def save(self, path: Path) -> None:
        """Write all of it to an ``.npz`` file."""
        with replaced(path) as fresh, fresh.open("wb") as file:
            np.savez(
                file,
                users=self.users,
                movies=self.movies,
                user_factors=self.model.user_factors,
                item_factors=self.model.item_factors,
                config=np.frombuffer(json.dumps(asdict(self.config)).encode(), np.uint8),
            )

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as file, _one_pool():
            config = FactorConfig(**json.loads(file["config"].tobytes()))
            model = _model(config)
            model.user_factors, model.item_factors = file["user_factors"], file["item_factors"]
            return cls(file["users"], file["movies"], model, config)


def _model(config: FactorConfig) -> AlternatingLeastSquares:
    return need("implicit.cpu.als", "recommender").AlternatingLeastSquares(
        factors=config.factors,
        alpha=config.alpha,
        regularization=config.regularization,
        iterations=config.iterations,
        random_state=config.seed,
    )


def _one_pool() -> AbstractContextManager[object]:
    """Where `implicit` works: its loops are threaded, and a second pool of threads below them makes them slow."""
    limits: AbstractContextManager[object] = need("threadpoolctl", "recommender").threadpool_limits(1, "blas")
    return limits


def _matrix(views: Views, movies: Int64, users: Int64) -> sp.coo_matrix:
    """``(m, u)``: 1 where a user watched a movie; views of others are left out."""
    place = {movie: at for at, movie in enumerate(movies.tolist())}
    row = np.array([place.get(movie, -1) for movie in views.movie.tolist()], np.int64)
    column = np.minimum(np.searchsorted(users, views.user), len(users) - 1)
    known = (row >= 0) & (users[column] == views.user)
    ones = np.ones(int(known.sum()), np.float32)
    matrix = sp.coo_matrix((ones, (row[known], column[known])), shape=(len(movies), len(users)))
    matrix.sum_duplicates()
    matrix.data[:] = 1  # seen twice is seen
    return matrix


def _weighted(matrix: sp.coo_matrix, config: FactorConfig) -> sp.coo_matrix:
    bm25 = need("implicit.nearest_neighbours", "recommender").bm25_weight
    return sp.coo_matrix(bm25(matrix, K1=config.k1, B=config.b))
