"""The estimators, held to scikit-learn's own checks first, then to its own estimators on the same data."""

import importlib
import pickle
import sys

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster
from sklearn.base import clone
from sklearn.datasets import load_digits, make_blobs
from sklearn.manifold import TSNE, Isomap
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier, KNeighborsTransformer, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator

from hierindex import BuildConfig
from hierindex.adapters.sklearn import HierCluster, HierNeighborsTransformer
from hierindex.errors import InputError, MissingExtraError
from hierindex.index.config import IndexConfig
from hierindex.learning.config import HeadConfig, LearnConfig

FAST = BuildConfig(learn=LearnConfig(head=HeadConfig(steps=20)))


ESTIMATORS = [HierCluster(config=FAST), HierNeighborsTransformer(config=FAST)]
CHECKS = [
    pytest.param(estimator, check, id=f"{type(estimator).__name__}-{number}-{check.func.__name__}")
    for each in ESTIMATORS
    for number, (estimator, check) in enumerate(estimator_checks_generator(each))
]


@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)  # none is expected to fail


# ---- HierCluster


@pytest.fixture(scope="module")
def blobs():
    return make_blobs(240, centers=6, n_features=8, cluster_std=0.6, random_state=3)


def test_clusters_are_found_and_new_samples_join_them(blobs):
    x, y = blobs
    model = HierCluster(n_clusters=6, config=FAST).fit(x[:200])
    assert adjusted_rand_score(y[:200], model.labels_) == 1
    assert adjusted_rand_score(y[200:], model.predict(x[200:])) == 1
    np.testing.assert_array_equal(model.predict(x[:200]), model.labels_)
    np.testing.assert_array_equal(clone(model).fit_predict(x[:200]), model.labels_)


def test_the_tree_is_a_linkage_as_scipy_and_scikit_learn_have_it(blobs):
    model = HierCluster(n_clusters=6, config=FAST).fit(blobs[0])
    n = model.n_leaves_
    assert n == 240
    assert model.children_.shape == (n - 1, 2)
    assert sorted(model.children_.ravel().tolist()) == list(range(2 * n - 2))
    assert (np.diff(model.distances_) >= 0).all()
    assert adjusted_rand_score(fcluster(model.linkage_, 6, "maxclust"), model.labels_) == 1
    children = {n + i: pair for i, pair in enumerate(model.children_.tolist())}

    def leaves(node):
        return [node] if node < n else leaves(children[node][0]) + leaves(children[node][1])

    below = {frozenset(leaves(node)) for node in range(2 * n - 1)}
    clusters = {frozenset(np.flatnonzero(model.labels_ == c).tolist()) for c in range(6)}
    assert clusters <= below


def test_cuts_are_nested(blobs):
    model = HierCluster(n_clusters=6, config=FAST).fit(blobs[0])
    np.testing.assert_array_equal(model.cut(6), model.labels_)
    fine, coarse = model.cut(20), model.cut(3)
    assert (len(set(fine)), len(set(coarse))) == (20, 3)
    assert len(set(zip(fine.tolist(), coarse.tolist(), strict=True))) == 20


def test_the_seed_decides(blobs):
    x = np.random.default_rng(0).normal(size=(150, 6))
    cuts = [HierCluster(12, random_state=seed, config=FAST).fit_predict(x) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(cuts[0], cuts[1])
    assert (cuts[0] != cuts[2]).any()
    states = [HierCluster(12, random_state=np.random.RandomState(7), config=FAST).fit_predict(x) for _ in range(2)]
    np.testing.assert_array_equal(states[0], states[1])


# ---- HierNeighborsTransformer


@pytest.fixture(scope="module")
def numerals():
    x, y = load_digits(return_X_y=True)
    return x[:500] + np.random.default_rng(0).normal(scale=0.01, size=(500, 64)), y[:500]  # no two distances are equal


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("mode", ["distance", "connectivity"])
def test_the_graph_is_that_of_scikit_learn(metric, mode, numerals):
    x = numerals[0]
    theirs = KNeighborsTransformer(mode=mode, n_neighbors=7, metric=metric).fit(x[:400])
    ours = HierNeighborsTransformer(mode=mode, n_neighbors=7, metric=metric, recall=1.0, config=FAST).fit(x[:400])
    for queries in (x[:400], x[400:]):
        want, found = theirs.transform(queries), ours.transform(queries)
        assert (found.shape, found.dtype, found.format) == (want.shape, want.dtype, want.format)
        assert found.nnz == want.nnz == len(queries) * (7 + (mode == "distance"))
        assert abs(want - found).max() < 1e-3
    assert ours.get_feature_names_out()[3] == "hierneighborstransformer3"
    assert len(ours.get_feature_names_out()) == theirs.get_feature_names_out().size


def test_kneighbors_is_that_of_nearest_neighbors(numerals):
    x = numerals[0]
    theirs = NearestNeighbors(n_neighbors=5).fit(x[:400])
    ours = HierNeighborsTransformer(n_neighbors=5, recall=1.0, config=FAST).fit(x[:400])
    for queries in (None, x[400:]):
        (far, who), (own_far, own_who) = theirs.kneighbors(queries), ours.kneighbors(queries)
        np.testing.assert_allclose(own_far, far, rtol=1e-5)
        np.testing.assert_array_equal(own_who, who)
        np.testing.assert_array_equal(ours.kneighbors(queries, return_distance=False), who)
        want, found = (each.kneighbors_graph(queries, 3, "distance") for each in (theirs, ours))
        assert abs(want - found).max() < 1e-3


def test_twins_are_neighbours_of_each_other_and_not_of_themselves():
    x = np.repeat(np.eye(3), 4, axis=0)
    model = HierNeighborsTransformer(n_neighbors=2, recall=1.0, config=FAST).fit(x)
    distances, found = model.kneighbors()
    assert (distances == 0).all()
    assert (found // 4 == np.arange(12)[:, None] // 4).all()
    assert all(len(set(row)) == 2 for row in found.tolist())
    inner = found != np.arange(12)[:, None]
    assert inner[np.arange(12) % 4 < 3].all()  # the last of four twins is not among the first three found


def test_in_the_place_of_scikit_learns_transformer(numerals):
    x, y = numerals
    ours = HierNeighborsTransformer(n_neighbors=5, recall=1.0, config=FAST)
    theirs = KNeighborsTransformer(n_neighbors=5)
    knn = KNeighborsClassifier(n_neighbors=5, metric="precomputed")
    predicted = [make_pipeline(first, knn).fit(x[:400], y[:400]).predict(x[400:]) for first in (ours, theirs)]
    np.testing.assert_array_equal(*predicted)
    choices = {"kneighborsclassifier__n_neighbors": [1, 5]}
    scores = [GridSearchCV(make_pipeline(first, knn), choices, cv=2).fit(x, y).best_score_ for first in (ours, theirs)]
    assert scores[0] == scores[1] > 0.8
    maps = [
        make_pipeline(first, Isomap(n_neighbors=5, metric="precomputed")).fit_transform(x) for first in (ours, theirs)
    ]
    np.testing.assert_allclose(np.abs(maps[0]), np.abs(maps[1]), rtol=1e-2, atol=1e-1)
    wide = HierNeighborsTransformer(n_neighbors=16, recall=1.0, config=FAST).fit_transform(x[:100])
    tsne = TSNE(perplexity=5, metric="precomputed", init="random", random_state=0, max_iter=250)
    places = tsne.fit_transform(wide)
    kept = NearestNeighbors(n_neighbors=1).fit(places).kneighbors(return_distance=False)[:, 0]
    assert (y[:100][kept] == y[:100]).mean() > 0.7


def test_recall_and_threads_are_heard(numerals):
    config = BuildConfig(FAST.learn, IndexConfig(flat_below=0))
    model = HierNeighborsTransformer(n_neighbors=3, recall=0.5, n_jobs=1, config=config).fit(numerals[0])
    exact = HierNeighborsTransformer(n_neighbors=3, recall=1.0, n_jobs=-1, config=config).fit(numerals[0])
    some, all_of_them = model.kneighbors()[1], exact.kneighbors()[1]
    assert 0.3 < (some == all_of_them).mean() < 1
    every = model.kneighbors(numerals[0], 500, return_distance=False)  # at any recall there are k
    assert (np.sort(every, axis=1) == np.arange(500)).all()


def test_a_fitted_estimator_is_pickled_whole(numerals):
    model = HierNeighborsTransformer(config=FAST).fit(numerals[0])
    again = pickle.loads(pickle.dumps(model))
    assert (abs(again.transform(numerals[0]) - model.transform(numerals[0]))).max() == 0
    np.testing.assert_array_equal(again.index_.tree.linkage, model.index_.tree.linkage)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metric": "ip"}, "metric should be one of"),
        ({"metric": "manhattan"}, "metric should be one of"),
        ({"mode": "graph"}, "mode should be one of"),
        ({"n_neighbors": 0}, "n_neighbors should be an integer of at least 1"),
    ],
)
def test_settings_that_are_none(settings, message, numerals):
    with pytest.raises(InputError, match=message):
        HierNeighborsTransformer(config=FAST, **settings).fit(numerals[0])


def test_questions_that_make_no_sense(numerals):
    model = HierNeighborsTransformer(config=FAST).fit(numerals[0][:20])
    with pytest.raises(ValueError, match="n_neighbors = 21, n_samples_fit = 20"):
        model.kneighbors(numerals[0], 21)
    with pytest.raises(ValueError, match="n_samples_fit = 19 without the sample itself"):
        model.kneighbors(None, 20)
    with pytest.raises(InputError, match="mode should be one of"):
        model.kneighbors_graph(mode="both")
    with pytest.raises(InputError, match="should be"):
        HierCluster(30, config=FAST).fit(numerals[0][:20])


def test_without_scikit_learn_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.delitem(sys.modules, "hierindex.adapters.sklearn")
    with pytest.raises(MissingExtraError, match=r"pip install 'hierindex\[sklearn\]'"):
        importlib.import_module("hierindex.adapters.sklearn")
