"""The recommender example, on made-up people of four tastes, and on MovieLens where it lies beside the checkout."""

import re
from pathlib import Path

import numpy as np
import pytest

from examples.recommender import Factors, Recommender, Views, Wanted, read_movies, read_views
from examples.recommender import __main__ as program
from hierindex import BuildConfig
from hierindex.errors import InputError, NotAnIndexError, StorageError, UnknownIdError
from hierindex.learning.config import HeadConfig, LearnConfig

MOVIELENS = Path(__file__).resolve().parents[2] / "shared" / "data" / "ml-latest-small"
QUICK = BuildConfig(learn=LearnConfig(head=HeadConfig(steps=20)))
TASTES = ("Comedy", "Drama", "Horror", "Western")


def taste(movie):
    return TASTES[movie % 4]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """80 movies of four genres and 60 users, each of whom watches two dozen movies, nearly all of one genre."""
    folder = tmp_path_factory.mktemp("made-up")
    rng = np.random.default_rng(0)
    movies = [f"{m},Film number {m} ({1950 + m}),{taste(m)}|Short" for m in range(80)]
    movies[79] = '79,"Film number 79, undated",(no genres listed)'
    (folder / "movies.csv").write_text("\n".join(["movieId,title,genres", *movies]) + "\n")
    ratings = []
    for user in range(60):
        liked = np.where(rng.random(24) < 0.9, user % 4 + 4 * rng.integers(0, 20, 24), rng.integers(0, 80, 24))
        ratings += [f"{user},{movie},3.5,{1_000 + at}" for at, movie in enumerate(dict.fromkeys(liked.tolist()))]
    (folder / "ratings.csv").write_text("\n".join(["userId,movieId,rating,timestamp", *ratings]) + "\n")
    return folder


@pytest.fixture
def backend(data, tmp_path):
    return Recommender.build(data, tmp_path / "movies", config=QUICK)


def test_movielens_is_read_as_it_is_downloaded(data):
    movies = read_movies(data).to_pylist()
    assert movies[2] == {"movie": 2, "title": "Film number 2 (1952)", "genres": "|Horror|Short|", "year": 1952}
    assert movies[79] == {"movie": 79, "title": "Film number 79, undated", "genres": "|", "year": None}
    views = read_views(data)
    lines = (data / "ratings.csv").read_text().splitlines()[1:]
    assert len(views) == len(lines)
    of_seven = [int(line.split(",")[1]) for line in lines if line.startswith("7,")]
    assert views.by(7).tolist() == of_seven


def test_the_last_view_of_each_user_is_held_out():
    views = Views.of([2, 1, 1, 2, 3], [5, 6, 7, 8, 9], [30, 10, 20, 20, 1])
    earlier, held = views.without_last()
    assert list(zip(views.users.tolist(), held.tolist(), strict=True)) == [(1, 7), (2, 5), (3, 9)]
    assert list(zip(earlier.user.tolist(), earlier.movie.tolist(), strict=True)) == [(1, 6), (2, 8)]


def by_hand(backend, asked, k, allowed):
    """The allowed movies nearest to any of those asked with, by comparing all."""
    x, ids = backend.index.vectors(), np.asarray(backend.index.ids)
    gaps = (1 - backend.index.vectors(asked) @ x.T).min(axis=0)
    order = [at for at in np.argsort(gaps, kind="stable") if allowed(int(ids[at])) and int(ids[at]) not in asked]
    return ids[order[:k]].tolist()


def test_more_like_this_and_because_you_watched_are_the_nearest_to_any(backend):
    found = backend.like(8)
    assert [each.movie for each in found] == by_hand(backend, [8], 10, lambda movie: True)
    assert np.mean([taste(each.movie) == taste(8) for each in found]) > 0.7  # people of one taste made it so
    found = backend.because([8, 9, 13], Wanted(k=7))
    assert [each.movie for each in found] == by_hand(backend, [8, 9, 13], 7, lambda movie: True)
    dramas = backend.because([8], Wanted(k=5, genres=("Drama", "Short")))
    assert [each.movie for each in dramas] == by_hand(backend, [8], 5, lambda movie: taste(movie) == "Drama")
    assert all(each.genres == ("Drama", "Short") and each.year == 1950 + each.movie for each in dramas)
    often = backend.like(8, Wanted(k=5, min_views=20))
    counts = {movie: int((backend.views.movie == movie).sum()) for movie in range(80)}
    assert [each.movie for each in often] == by_hand(backend, [8], 5, lambda movie: counts[movie] >= 20)


def test_a_limit_for_branches_gives_every_taste_a_place(backend):
    narrow, varied = backend.like(8), backend.like(8, Wanted(per_branch=3, n_clusters=4))
    branch = dict(zip(np.asarray(backend.index.ids).tolist(), backend.index.labels(4).tolist(), strict=True))
    assert np.bincount([branch[each.movie] for each in varied]).max() == 3
    assert len({taste(each.movie) for each in varied}) > len({taste(each.movie) for each in narrow})
    assert len(varied) == 10


def test_a_user_gets_nothing_twice_and_what_was_just_watched_counts(backend):
    seen = backend.views.by(0).tolist()
    first = backend.for_user(0)
    assert not {each.movie for each in first} & set(seen)
    assert [each.movie for each in first] == by_hand(backend, seen[-5:], 10, lambda movie: movie not in seen)
    other = next(m for m in range(80) if taste(m) == "Western" and m not in seen)
    backend.watch([0], other, 9_999)
    after = backend.for_user(0, Wanted(latest=1))
    assert other not in {each.movie for each in after}
    assert [each.movie for each in after] == by_hand(backend, [other], 10, lambda movie: movie not in seen)


def test_a_new_movie_is_folded_in_where_its_watchers_are_and_survives_a_restart(backend):
    backend.add(500, "Later Film (2026)", ["Comedy"], 2026, [0, 4, 8, 12, 16, 20])
    assert np.mean([taste(each.movie) == "Comedy" for each in backend.like(500)]) > 0.7
    assert backend.views.by(4)[-1] == 500
    again = Recommender.open(backend.folder)
    assert again.like(500) == backend.like(500)
    assert again.for_user(4) == backend.for_user(4)
    assert 500 in {each.movie for each in again.like(0, Wanted(k=80))}
    again.add(501, "And One More", [], None, [1, 5, 9])  # the factors came back as well
    (shown,) = [each for each in again.like(1, Wanted(k=81)) if each.movie == 501]
    assert (shown.genres, shown.year) == ((), None)


def test_a_movie_folded_in_lies_where_it_would_have_been(data):
    views = read_views(data)
    whole = Factors.fit(views)
    for movie in whole.movies[
        :20
    ].tolist():  # with all users known, the least-squares answer is the vector that was learned
        folded, learned = whole.fold_in(movie, views)[0], whole.vectors[np.searchsorted(whole.movies, movie)]
        assert folded @ learned / np.linalg.norm(folded) / np.linalg.norm(learned) > 0.9


def test_factors_come_back_as_they_were(data, tmp_path):
    views = read_views(data)
    fitted = Factors.fit(views)
    fitted.save(tmp_path / "factors.npz")
    again = Factors.load(tmp_path / "factors.npz")
    assert again.config == fitted.config
    np.testing.assert_array_equal(again.fold_in(3, views), fitted.fold_in(3, views))
    assert [path.name for path in tmp_path.iterdir()] == ["factors.npz"]


def test_what_cannot_be_is_said_and_changes_nothing(backend, data, tmp_path):
    n, views = len(backend.index), len(backend.views)
    with pytest.raises(InputError, match="movie 8 should be new; found it as 'Film number 8"):
        backend.add(8, "again", [], None, [1])
    with pytest.raises(InputError, match="movie 900 should have been watched by a known user"):
        backend.add(900, "Nobody's", [], None, [777])
    with pytest.raises(UnknownIdError, match="901"):
        backend.watch([0], 901, 5)
    with pytest.raises(UnknownIdError, match="901"):
        backend.like(901)
    with pytest.raises(InputError, match="user 777 should have watched one of the movies"):
        backend.for_user(777)
    with pytest.raises(InputError, match="a title should hold 'no such'"):
        backend.find("no such")
    assert (len(backend.index), len(backend.views)) == (n, views)
    backend.watch([0], 8, 9_999)
    with pytest.raises(StorageError, match="should be free; found a backend"):
        Recommender.build(data, backend.folder, config=QUICK)
    assert len(Recommender.open(backend.folder).views) == views + 1
    with pytest.raises(NotAnIndexError, match="nothing there"):
        Recommender.open(tmp_path)
    with pytest.raises(InputError, match=r"movies.csv should be a .csv file of MovieLens"):
        read_movies(tmp_path)


def test_from_a_terminal(backend, capsys):
    def run(*words):
        program.app([str(word) for word in words], standalone_mode=False)
        return capsys.readouterr().out

    out = run("because", backend.folder, "number 8 (", 13, "-k", 3, "--per-branch", 1, "--min-views", 0)
    wanted = backend.because([8, 13], Wanted(k=3, per_branch=1))
    assert all(each.title in out for each in wanted)
    out = run("add", backend.folder, 500, "Later Film (2026)", 0, 4, 8, "--genre", "Comedy", "--year", 2026)
    assert "81 x 32" in out
    run("watch", backend.folder, 2, "later film")
    assert Recommender.open(backend.folder).views.by(2)[-1] == 500
    assert "Film number" in run("user", backend.folder, 2, "--min-views", 0)


def test_what_its_readme_shows_runs(data, tmp_path, monkeypatch, capsys):
    text = (Path(program.__file__).parent / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "ml-latest-small").symlink_to(data)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hierindex.api.hierindex.BuildConfig", lambda: QUICK)
    exec(code.replace("[1, 260, 527]", "[1, 26, 52]"), {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert all("Film number" in line for line in lines)
    for file in re.findall(r"^\| `(\w+\.py)`", text, re.MULTILINE):
        assert (Path(program.__file__).parent / file).exists()


@pytest.mark.skipif(not MOVIELENS.exists(), reason="MovieLens does not lie in ../shared/data/ml-latest-small")
def test_movielens_itself_reads_and_splits():
    movies, views = read_movies(MOVIELENS), read_views(MOVIELENS)
    earlier, held = views.without_last()
    assert (len(movies), len(views), len(held)) == (9_742, 100_836, 610)
    assert len(earlier) == 100_836 - 610
    assert movies["title"][0].as_py() == "Toy Story (1995)"
    assert movies["year"].null_count < 30
