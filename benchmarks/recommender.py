"""The recommender example, judged by each user's last view, which it never saw.

    python -m benchmarks.recommender        (two minutes on two cores; needs ../shared/data/ml-latest-small)

For every user of MovieLens the last view is held out; the factors and the index are made from the others. A user asks
with the five movies watched last and gets ten not watched before. The same is asked of an exact search (all distances,
by NumPy), and what a limit for branches does to nearness and to variety is set beside maximal marginal relevance (MMR),
the usual way to vary an answer. Settings of the factorisation were chosen on the last but one view.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import about, shared_data, write
from examples.recommender import FactorConfig, Factors, Recommender, Views, Wanted, read_movies, read_views
from hierindex import HierIndex
from hierindex.head import unit
from hierindex.vectors import Float32, Int64

K, LATEST, CUT = 10, 5, 30
LIMITS: tuple[tuple[int, int | None], ...] = ((3, None), (2, None), (1, None), (3, CUT), (2, CUT), (1, CUT))
TRADES = (0.9, 0.7, 0.5)  # how much MMR weighs nearness; the rest is for being unlike what is chosen already
POOL = 100  # the candidates that MMR chooses from
Answer = list[int]


@dataclass(frozen=True, eq=False)
class Case:
    """Who asks with what, has seen what, and watched what next."""

    asked: list[Int64]
    seen: list[Int64]
    held: Int64

    @classmethod
    def of(cls, views: Views, there: Int64) -> Case:
        """All users; only movies that are ``there`` count as seen."""
        earlier, held = views.without_last()
        seen = [each[np.isin(each, there)] for each in map(earlier.by, views.users.tolist())]
        return cls([each[-LATEST:] for each in seen], seen, held)

    def __len__(self) -> int:
        return len(self.held)


@dataclass(frozen=True, eq=False)
class Exact:
    """The same questions, answered by comparing all vectors."""

    ids: Int64
    x: Float32

    def rows(self, movies: Int64) -> Int64:
        """The rows of some movies."""
        return np.searchsorted(self.ids, movies)

    def distances(self, asked: Int64, seen: Int64) -> Float32:
        """``(n,)`` to the nearest of those asked with; inf for what was seen."""
        gaps: Float32 = 1 - (self.x @ self.x[self.rows(asked)].T).max(axis=1)
        gaps[self.rows(seen)] = np.inf
        return gaps

    def nearest(self, asked: Int64, seen: Int64, k: int = K) -> Answer:
        """The k nearest."""
        gaps = self.distances(asked, seen)
        best = np.argpartition(gaps, k)[:k]
        return [int(movie) for movie in self.ids[best[np.argsort(gaps[best], kind="stable")]]]

    def mmr(self, asked: Int64, seen: Int64, trade: float) -> Answer:
        """Maximal marginal relevance (Carbonell and Goldstein 1998) over the nearest `POOL`."""
        pool = np.array(self.nearest(asked, seen, POOL), np.int64)
        near, x = 1 - self.distances(asked, seen)[self.rows(pool)], self.x[self.rows(pool)]
        alike = x @ x.T
        chosen = [0]
        while len(chosen) < K:
            score = trade * near - (1 - trade) * alike[:, chosen].max(axis=1)
            score[chosen] = -np.inf
            chosen.append(int(score.argmax()))
        return [int(movie) for movie in pool[chosen]]


def main() -> None:
    """Measure and write ``benchmarks/results/recommender.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="of the timings")
    parser.add_argument("--name", default="recommender", help="of the result")
    args = parser.parse_args()
    data = shared_data("ml-latest-small")
    views = read_views(data)
    earlier, _ = views.without_last()
    with tempfile.TemporaryDirectory() as folder:
        backend = Recommender.build(data, Path(folder) / "movies", views=earlier)
        index = backend.index
        exact = Exact(np.asarray(index.ids, np.int64), index.vectors())
        case = Case.of(views, exact.ids)
        judge = _judge(data, index, exact, case)
        result = {
            "k": K,
            "latest": LATEST,
            "cut": CUT,
            "users": len(case),
            "movies": len(index),
            "there": float(np.isin(case.held, exact.ids).mean()),
            "leaves": len(index.leaf_sizes()),
            "search": index.info()["search"]["mode"],
            "dim": index.dim,
            "found": _found(backend, exact, case, judge, earlier),
            "varied": _varied(backend, exact, case, judge),
            "latency": _latency(backend, exact, case, args.rounds),
            "cold": _cold(earlier),
        }
    write(
        args.name, about(__file__, seed=0, data="MovieLens ml-latest-small, last view of each user held out") | result
    )


def _judge(data: Path, index: HierIndex, exact: Exact, case: Case) -> Callable[[list[Answer]], dict[str, float]]:
    """What makes figures of the answers to all users."""
    table = read_movies(data)
    cells = zip(table["movie"].to_pylist(), table["genres"].to_pylist(), strict=True)
    genres = {movie: set(cell.strip("|").split("|")) - {""} for movie, cell in cells}
    branch = dict(zip(exact.ids.tolist(), index.labels(CUT).tolist(), strict=True))

    def judged(answers: list[Answer]) -> dict[str, float]:
        each = zip(answers, case.held.tolist(), strict=True)
        place = [answer.index(held) if held in answer else -1 for answer, held in each]
        return {
            "hit_rate": float(np.mean([at >= 0 for at in place])),
            "ndcg": float(np.mean([1 / np.log2(at + 2) if at >= 0 else 0.0 for at in place])),
            "apart": float(np.mean([_apart(exact.x[exact.rows(np.array(a))]) for a in answers])),
            "genres_apart": float(np.mean([_jaccard([genres[m] for m in a]) for a in answers])),
            "genres": float(np.mean([len(set().union(*(genres[m] for m in a))) for a in answers])),
            "branches": float(np.mean([len({branch[m] for m in a}) for a in answers])),
            "distance": float(
                np.mean([exact.distances(*q)[exact.rows(np.array(a))].mean() for q, a in _with(case, answers)])
            ),
        }

    return judged


def _with(case: Case, answers: list[Answer]) -> list[tuple[tuple[Int64, Int64], Answer]]:
    return [((asked, seen), answer) for asked, seen, answer in zip(case.asked, case.seen, answers, strict=True)]


def _found(
    backend: Recommender, exact: Exact, case: Case, judge: Callable[[list[Answer]], dict[str, float]], earlier: Views
) -> list[dict[str, Any]]:
    """Exact search, ours at the recall that nobody set and at more, and two simpler recommenders."""
    truth = [exact.nearest(asked, seen) for asked, seen in zip(case.asked, case.seen, strict=True)]
    rows = [{"how": "exact search", "of_exact": 1.0, **judge(truth)}]
    for recall in (0.9, 0.95):
        answers = [_plain_search(backend.index, a, s, recall) for a, s in zip(case.asked, case.seen, strict=True)]
        shared = np.mean([len(set(a) & set(b)) / K for a, b in zip(answers, truth, strict=True)])
        rows.append({"how": f"the index, recall {recall}", "of_exact": float(shared), **judge(answers)})
    users, factors = earlier.users, backend.factors
    by_user = [
        _by_user(exact, factors, int(np.searchsorted(users, u)), s) for u, s in zip(users, case.seen, strict=True)
    ]
    often = np.array([np.count_nonzero(earlier.movie == movie) for movie in exact.ids.tolist()])
    popular = [_top(exact.ids, often.astype(np.float32), exact.rows(seen)) for seen in case.seen]
    rows.append({"how": "the user's factor, inner product", "of_exact": None, **judge(by_user)})
    return [*rows, {"how": "what is watched most", "of_exact": None, **judge(popular)}]


def _plain_search(index: HierIndex, asked: Int64, seen: Int64, recall: float) -> Answer:
    hits = index.diverse(index.vectors(asked), K, per_branch=K, n_clusters=1, merged=True, recall=recall, exclude=seen)
    return [int(movie) for movie in hits.ids[0]]


def _by_user(exact: Exact, factors: Factors, user: int, seen: Int64) -> Answer:
    score = factors.model.item_factors[np.searchsorted(factors.movies, exact.ids)] @ factors.model.user_factors[user]
    return _top(exact.ids, np.asarray(score), exact.rows(seen))


def _top(ids: Int64, score: Float32, unwanted: Int64) -> Answer:
    score = score.copy()
    score[unwanted] = -np.inf
    return [int(movie) for movie in ids[np.argsort(-score, kind="stable")[:K]]]


def _varied(
    backend: Recommender, exact: Exact, case: Case, judge: Callable[[list[Answer]], dict[str, float]]
) -> list[dict[str, Any]]:
    """Answers with a limit for branches, and by MMR."""
    rows = []
    for most, cut in LIMITS:
        wanted = Wanted(per_branch=most, n_clusters=cut)
        answers = [
            [each.movie for each in backend.because(asked.tolist(), wanted, exclude=seen.tolist())]
            for asked, seen in zip(case.asked, case.seen, strict=True)
        ]
        rows.append(
            {"how": f"at most {most} of {'a leaf' if cut is None else f'one of {cut} branches'}", **judge(answers)}
        )
    for trade in TRADES:
        answers = [exact.mmr(asked, seen, trade) for asked, seen in zip(case.asked, case.seen, strict=True)]
        rows.append({"how": f"MMR, {trade} for nearness", **judge(answers)})
    return rows


def _latency(backend: Recommender, exact: Exact, case: Case, rounds: int) -> dict[str, float]:
    """Median microseconds of one user's question, the ways by turns on one thread; medians of the rounds."""
    index = backend.index
    ways: dict[str, Callable[[Int64, Int64], object]] = {
        "exact": exact.nearest,
        "index": lambda asked, seen: _plain_search(index, asked, seen, 0.95),
        "limit": lambda asked, seen: index.diverse(index.vectors(asked), K, per_branch=2, merged=True, exclude=seen),
        "mmr": lambda asked, seen: exact.mmr(asked, seen, 0.7),
        "one": lambda asked, seen: index.search(index.vectors(asked[-1:]), K),  # noqa: ARG005
        "exact_one": lambda asked, seen: exact.nearest(asked[-1:], seen[:0]),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        spent: dict[str, list[float]] = {name: [] for name in ways}
        for asked, seen in zip(case.asked, case.seen, strict=True):
            for name, way in ways.items():
                start = time.perf_counter()
                way(asked, seen)
                spent[name].append(time.perf_counter() - start)
        for name, each in spent.items():
            times[name].append(float(np.median(each)) * 1e6)
    return {name: float(np.median(each)) for name, each in times.items()}


def _cold(views: Views) -> dict[str, float]:
    """Movies taken out, then folded in: how many of the ten nearest are those that a fit with them gives."""
    movies, counts = np.unique(views.movie, return_counts=True)
    late = np.random.default_rng(0).choice(movies[counts >= 20], 100, replace=False)
    whole = Factors.fit(views)
    kept = ~np.isin(views.movie, late)
    without = Factors.fit(Views(views.user[kept], views.movie[kept], views.time[kept]))
    among = np.flatnonzero(~np.isin(movies, late) & (counts >= 5))
    there = np.searchsorted(without.movies, movies[among])
    true = _neighbours(whole.vectors[np.searchsorted(movies, late)], whole.vectors[among])
    folded = np.concatenate([without.fold_in(int(movie), views) for movie in late])
    found = _neighbours(folded, without.vectors[there])
    # another start of the same fit says how much of the neighbours is the fit's own noise
    again = Factors.fit(views, FactorConfig(seed=1))
    other = _neighbours(again.vectors[np.searchsorted(movies, late)], again.vectors[among])
    guess = _neighbours(np.random.default_rng(1).normal(size=folded.shape).astype(np.float32), without.vectors[there])
    return {
        "movies": len(late),
        "folded": _shared(true, found),
        "another_fit": _shared(true, other),
        "chance": _shared(true, guess),
    }


def _neighbours(queries: Float32, x: Float32) -> Int64:
    return np.argsort(-(unit(queries) @ unit(x).T), axis=1)[:, :K]


def _shared(one: Int64, other: Int64) -> float:
    return float(np.mean([np.isin(a, b).mean() for a, b in zip(one, other, strict=True)]))


def _apart(x: Float32) -> float:
    """Mean cosine distance of the pairs."""
    above = np.triu_indices(len(x), 1)
    return float((1 - x @ x.T)[above].mean())


def _jaccard(sets: list[set[str]]) -> float:
    """Mean Jaccard distance of the pairs."""
    pairs = [(a, b) for at, a in enumerate(sets) for b in sets[:at]]
    return float(np.mean([1 - len(a & b) / max(len(a | b), 1) for a, b in pairs]))


if __name__ == "__main__":
    main()
