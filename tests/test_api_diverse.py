"""At most so many points of one branch: beside a slow search by hand, for every kind of question."""

import numpy as np
import pyarrow.compute as pc
import pytest

from hierindex import BuildConfig, HierIndex
from hierindex.api import diverse
from hierindex.errors import InputError
from hierindex.index.config import IndexConfig

N = 240


@pytest.fixture(scope="module", params=["flat", "leaves", "leaves, looking no further than it must"])
def index(request, vectors, quick):
    how = request.param
    config = BuildConfig(learn=quick.learn, index=IndexConfig(flat_below=20_000 if how == "flat" else 0))
    payload = {"price": np.arange(N) % 7}
    with pytest.MonkeyPatch.context() as patch:
        if "must" in how:  # so that a small set, too, has to leave full branches out
            patch.setattr(diverse, "_LOOK", 1)
            patch.setattr(diverse, "_LOOK_FURTHER", 2)
        yield HierIndex.from_vectors(vectors[:N], metric="l2", config=config, payload=payload)


def by_hand(index, distances, k, most, n_clusters, allowed):
    """The answer for one row of distances ``(n,)``: nearest first, a full branch is passed over."""
    branch = branch_by_hand(index, n_clusters)
    taken, out = {}, []
    for at in np.argsort(distances, kind="stable"):
        if allowed[at] and taken.get(branch[at], 0) < most and len(out) < k:
            taken[branch[at]] = taken.get(branch[at], 0) + 1
            out.append(int(at))
    return out


def branch_by_hand(index, n_clusters):
    """The branch of each point by walking up its path: the node of the cut that stands on it."""
    if n_clusters is None:
        return [index.path(int(i))[-1] for i in index.ids]
    tops = [index.browse().node]
    while len(tops) < n_clusters:
        inner = [node for node in tops if index.browse(node).children]
        highest = max(inner, key=lambda node: index.browse(node).height)
        tops.remove(highest)
        tops += index.browse(highest).children
    return [next(node for node in index.path(int(i)) if node in tops) for i in index.ids]


def gaps(index, queries):
    return np.linalg.norm(queries[:, None].astype(np.float64) - index.vectors()[None], axis=2)


@pytest.mark.parametrize("n_clusters", [None, 1, 3, 6])
@pytest.mark.parametrize("most", [1, 3, 200])
def test_each_query_gets_what_a_slow_search_finds(index, vectors, n_clusters, most):
    queries = vectors[N : N + 8]
    hits = index.diverse(queries, k=9, per_branch=most, n_clusters=n_clusters, recall=1.0)
    for found, row in zip(hits, gaps(index, queries), strict=True):
        wanted = by_hand(index, row, 9, most, n_clusters, np.ones(N, bool))
        assert [hit.id for hit in found] == wanted
        np.testing.assert_allclose([hit.distance for hit in found], row[wanted], atol=1e-5)
        assert [hit.leaf for hit in found] == [index.path(i)[-1] for i in wanted]


def test_several_queries_ask_as_one(index, vectors):
    queries = vectors[[N, N + 7, N + 20]]
    hits = index.diverse(queries, k=12, per_branch=2, n_clusters=6, merged=True, recall=1.0)
    assert hits.ids.shape == (1, 12)
    wanted = by_hand(index, gaps(index, queries).min(axis=0), 12, 2, 6, np.ones(N, bool))
    assert hits.ids[0].tolist() == wanted
    (one,) = index.diverse(queries[:1], k=12, per_branch=2, n_clusters=6, merged=True)
    (own,) = index.diverse(queries[:1], k=12, per_branch=2, n_clusters=6)
    assert one == own


def test_a_pool_of_lists_goes_no_further_than_they_do():
    rows, distances = np.array([[0, 1], [6, 5], [0, 6]]), np.array([[0.1, 0.2], [0.4, 0.5], [0.3, 0.3]], np.float32)
    found, gaps = diverse._pooled(rows, distances, 2)
    # 6 at 0.3 is in two of the lists, and yet a third row of the first list might come before it
    assert (found.tolist(), gaps.tolist()) == ([0, 1], pytest.approx([0.1, 0.2]))


def test_what_is_filtered_or_excluded_is_not_found_and_the_answer_is_full_without_it(index, vectors):
    queries, cheap = vectors[N : N + 5], np.arange(N) % 7 < 3
    watched = [3, 7, 8, 8, 21, 9_999]
    allowed = cheap & ~np.isin(np.arange(N), watched)
    how = {"k": 8, "per_branch": 2, "n_clusters": 5, "recall": 1.0}
    hits = index.diverse(queries, **how, filter=pc.field("price") < 3, exclude=watched)
    wanted = [by_hand(index, row, 8, 2, 5, allowed) for row in gaps(index, queries)]
    assert hits.ids.tolist() == wanted
    assert index.diverse(queries, **how, filter=cheap, exclude=watched).ids.tolist() == wanted
    itself = index.diverse(index.vectors([17]), k=3, exclude=17, recall=1.0)
    assert 17 not in itself.ids
    assert index.diverse(index.vectors([17]), k=3, exclude=[]).ids[0, 0] == 17


def test_as_many_as_the_branches_have_and_no_more(index, vectors):
    sizes = np.unique(branch_by_hand(index, 4), return_counts=True)[1]
    room = int(np.minimum(sizes, 2).sum())
    hits = index.diverse(vectors[N : N + 3], k=room + 5, per_branch=2, n_clusters=4)
    assert hits.found.tolist() == [room] * 3
    assert np.isinf(hits.distances[:, room:]).all()
    few = index.diverse(vectors[N], k=9, per_branch=9, exclude=np.arange(3, N))
    assert sorted(few.ids[0, :3].tolist()) == [0, 1, 2]
    assert few.found.tolist() == [3]
    none = index.diverse(vectors[N], k=2, filter=np.zeros(N, bool))
    assert none.found.tolist() == [0]


def test_k_come_back_at_any_recall_as_the_index_changes(vectors, quick):
    config = BuildConfig(learn=quick.learn, index=IndexConfig(flat_below=0))
    index = HierIndex.from_vectors(vectors[:150], metric="cosine", config=config)
    index.add(vectors[150:])
    index.delete(np.arange(0, 300, 3))
    for recall in (0.3, 0.9):
        hits = index.diverse(vectors, k=10, per_branch=2, n_clusters=6, recall=recall)
        assert (hits.found == 10).all()
        assert (hits.ids % 3 != 0).all()
        assert (np.diff(hits.distances, axis=1) >= 0).all()
        branch = dict(zip(index.ids.tolist(), branch_by_hand(index, 6), strict=True))
        for ids in hits.ids.tolist():
            assert np.unique([branch[i] for i in ids], return_counts=True)[1].max() <= 2
            assert len(set(ids)) == 10
    assert index.diverse(vectors[0], k=299, per_branch=299).found.tolist() == [200]


def test_a_diverse_answer_counts_its_query_once(vectors, quick):
    index = HierIndex.from_vectors(vectors[:N], config=quick)
    index.record_heat()
    index.diverse(vectors[:4], k=9, per_branch=1, n_clusters=9)
    assert index.heat().queries == 4


def test_string_ids(vectors, quick):
    index = HierIndex.from_vectors(vectors[:60], ids=[f"film {i}" for i in range(60)], config=quick)
    hits = index.diverse(index.vectors(["film 5"]), k=4, per_branch=1, exclude=["film 5", "not there"])
    assert "film 5" not in hits.ids
    with pytest.raises(InputError, match="ids should be strings, as those of the index are; found integers"):
        index.diverse(vectors[:1], exclude=[5])


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"k": 0}, "k should be an integer of at least 1; found 0"),
        ({"per_branch": 0}, "per_branch should be an integer of at least 1; found 0"),
        ({"n_clusters": 0}, "n_clusters should be an integer of at least 1; found 0"),
        ({"n_clusters": 1_000}, r"n_clusters should be at most \d+, the leaves of the index; found 1000"),
        ({"recall": 1.5}, "recall should be above 0 and at most 1; found 1.5"),
        ({"filter": pc.field("colour") == 1}, "over the columns"),
    ],
)
def test_what_cannot_be_is_said(index, vectors, how, message):
    with pytest.raises(InputError, match=message):
        index.diverse(vectors[:1], **how)
