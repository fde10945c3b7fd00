"""`IndexHier` beside FAISS's own indexes, on the same calls."""

import faiss
import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hierindex import BuildConfig, HierIndex
from hierindex.adapters.faiss import (
    METRIC_INNER_PRODUCT,
    METRIC_L2,
    IndexHier,
    SearchParametersHier,
    read_index,
    write_index,
)
from hierindex.errors import DuplicateIdError, InputError, UnknownIdError
from hierindex.index.config import IndexConfig
from hierindex.learning.config import HeadConfig, LearnConfig

D = 10
FLAT = {METRIC_L2: faiss.IndexFlatL2, METRIC_INNER_PRODUCT: faiss.IndexFlatIP}
both_metrics = pytest.mark.parametrize("metric", [METRIC_L2, METRIC_INNER_PRODUCT])


def pair(metric, x, config):
    theirs, ours = FLAT[metric](D), IndexHier(D, metric, recall=1.0, config=config)
    for index in (theirs, ours):
        index.add(x)
    return theirs, ours


def same(theirs, ours):
    for a, b in zip(theirs, ours, strict=True):
        assert a.dtype == b.dtype
        if a.dtype == np.float32:
            np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-4)
        else:
            np.testing.assert_array_equal(b, a)


def test_the_numbers_are_those_of_faiss():
    assert (METRIC_L2, METRIC_INNER_PRODUCT) == (faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT)


@both_metrics
@pytest.mark.parametrize("k", [1, 7, 400])
def test_search_is_what_flat_faiss_answers_padding_included(metric, k, vectors, quick):
    theirs, ours = pair(metric, vectors[:250], quick)
    assert (ours.ntotal, ours.d, ours.metric_type, ours.is_trained) == (
        theirs.ntotal,
        theirs.d,
        theirs.metric_type,
        theirs.is_trained,
    )
    same(theirs.search(vectors[250:], k), ours.search(vectors[250:], k))
    np.testing.assert_array_equal(ours.assign(vectors[250:], k), theirs.assign(vectors[250:], k))


@both_metrics
def test_an_empty_index_answers_as_faiss_does(metric, vectors):
    theirs, ours = FLAT[metric](D), IndexHier(D, metric)
    assert theirs.ntotal == ours.ntotal == len(ours) == 0
    same(theirs.search(vectors[:3], 2), ours.search(vectors[:3], 2))
    same(theirs.range_search(vectors[:3], 1.0), ours.range_search(vectors[:3], 1.0))


@both_metrics
def test_ranges_are_those_of_faiss_without_their_rim(metric, vectors, quick):
    theirs, ours = pair(metric, vectors[:250], quick)
    q = vectors[250:]
    for radius in (0.0, 0.5, 2.0, -3.0, 1e6):
        lims, values, ids = theirs.range_search(q, radius)
        found_lims, found_values, found_ids = ours.range_search(q, radius)
        assert (found_values.dtype, found_ids.dtype) == (np.float32, np.int64)
        np.testing.assert_array_equal(found_lims, lims)
        for i in range(len(q)):
            part = slice(lims[i], lims[i + 1])
            order, own = np.argsort(ids[part]), np.argsort(found_ids[part])
            np.testing.assert_array_equal(found_ids[part][own], ids[part][order])
            np.testing.assert_allclose(found_values[part][own], values[part][order], rtol=1e-4, atol=1e-4)
    rim = np.diag(np.arange(D, dtype=np.float32))[[0, 2]]  # at squared distance 4 and product 0 of each other, exactly
    theirs, ours = pair(metric, rim, quick)
    bound = 4.0 if metric == METRIC_L2 else 0.0
    same(theirs.range_search(rim[:1], bound), ours.range_search(rim[:1], bound))


@both_metrics
def test_stored_vectors_come_back(metric, vectors, quick):
    theirs, ours = pair(metric, vectors[:30], quick)
    np.testing.assert_array_equal(ours.reconstruct(7), theirs.reconstruct(7))
    np.testing.assert_array_equal(ours.reconstruct_n(3, 5), theirs.reconstruct_n(3, 5))
    np.testing.assert_array_equal(ours.reconstruct_n(), theirs.reconstruct_n())
    np.testing.assert_array_equal(ours.reconstruct_batch([5, 2]), theirs.reconstruct_batch([5, 2]))
    same(theirs.search_and_reconstruct(vectors[:4], 40)[:2], ours.search_and_reconstruct(vectors[:4], 40)[:2])
    found = ours.search_and_reconstruct(vectors[:4], 40)[2]
    np.testing.assert_array_equal(found[:, :30], vectors[ours.search(vectors[:4], 30)[1]])
    assert np.isnan(found[:, 30:]).all()


def test_results_are_written_where_the_caller_says(vectors, quick):
    _, ours = pair(METRIC_L2, vectors[:30], quick)
    values, ids = np.empty((4, 3), np.float32), np.empty((4, 3), np.int64)
    got = ours.search(vectors[:4], 3, D=values, I=ids)
    assert got[0] is values
    assert got[1] is ids
    same(ours.search(vectors[:4], 3), got)
    with pytest.raises(InputError, match=r"D should be float32 \(4, 3\)"):
        ours.search(vectors[:4], 3, D=values.astype(np.float64))


def test_selectors_of_either_kind_narrow_a_search(vectors, quick):
    theirs, ours = pair(METRIC_L2, vectors[:250], quick)
    some = np.arange(0, 250, 7)
    batch = faiss.IDSelectorBatch(some)
    want = theirs.search(vectors[250:], 5, params=faiss.SearchParameters(sel=batch))
    for sel in (some, batch):
        same(want, ours.search(vectors[250:], 5, params=SearchParametersHier(sel=sel)))
    odd = ours.range_search(vectors[250:], 3.0, params=SearchParametersHier(sel=some))
    assert len(odd[2])
    assert np.isin(odd[2], some).all()


def test_cosine_is_the_product_of_unit_vectors(vectors, quick):
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    theirs, ours = faiss.IndexFlatIP(D), IndexHier(D, "cosine", recall=1.0, config=quick)
    theirs.add(unit)
    ours.add(3 * vectors)
    same(theirs.search(unit[:9], 6), ours.search(5 * vectors[:9], 6))
    assert ours.metric_type == METRIC_INNER_PRODUCT
    lims, _, ids = theirs.range_search(unit[:9], 0.8)
    found = ours.range_search(vectors[:9], 0.8)
    np.testing.assert_array_equal(found[0], lims)
    assert [set(a) for a in np.split(found[2], lims[1:-1])] == [set(a) for a in np.split(ids, lims[1:-1])]


def test_recall_and_nprobe_are_heard(vectors):
    config = BuildConfig(LearnConfig(head=HeadConfig(steps=20)), IndexConfig(flat_below=0))
    index = IndexHier(D, recall=1.0, config=config)
    index.add(vectors)
    exact = index.search(vectors + 0.1, 5)[1]
    one = index.search(vectors + 0.1, 5, params=SearchParametersHier(nprobe=1))[1]
    assert (exact != one).any()
    np.testing.assert_array_equal(one, index.index.search(vectors + 0.1, 5, nprobe=1).ids)
    index.recall = 0.5
    np.testing.assert_array_equal(index.search(vectors, 5)[1], index.index.search(vectors, 5, recall=0.5).ids)


def test_training_keeps_the_tree_and_no_vector(vectors, quick):
    index = IndexHier(D, recall=1.0, config=quick)
    index.train(vectors[:200])
    assert index.ntotal == 0
    leaves, model = len(index.index.leaf_sizes()), index.index._view.model
    assert leaves > 4
    index.add(vectors[200:])
    assert index.index._view.model is model
    assert len(index.index.leaf_sizes()) == leaves
    theirs = faiss.IndexFlatL2(D)
    theirs.add(vectors[200:])
    same(theirs.search(vectors[:9], 4), index.search(vectors[:9], 4))
    with pytest.raises(InputError, match=r"train should come before add; found 100 vectors"):
        index.train(vectors)


def test_the_tree_is_learned_again_while_the_index_is_small(vectors, quick):
    index, models = IndexHier(D, recall=1.0, config=quick), []
    for row in vectors[:70]:
        index.add(row)
        models.append(index.index._view.model)
    changed = [n for n in range(1, 70) if models[n] is not models[n - 1]]
    assert changed == [7, 63]  # with the 8th and the 64th vector
    theirs = faiss.IndexFlatL2(D)
    theirs.add(vectors[:70])
    same(theirs.search(vectors[:9], 4), index.search(vectors[:9], 4))


def test_reset_begins_anew(vectors, quick):
    index = IndexHier(D, config=quick)
    index.add(vectors[:20])
    index.reset()
    assert index.ntotal == 0
    index.add(vectors[20:25])
    assert index.search(vectors[22], 1)[1].tolist() == [[2]]


def test_a_written_index_is_read_by_both_doors(vectors, quick, tmp_path):
    index = IndexHier(D, recall=1.0, config=quick)
    index.add_with_ids(vectors[:50], np.arange(50) * 3)
    write_index(index, tmp_path / "x.index")
    index.add(vectors[50:60])  # not written: FAISS's files are as of the call, too
    again = read_index(tmp_path / "x.index", recall=1.0)
    assert (again.ntotal, again.d, again.metric_type) == (50, D, METRIC_L2)
    same(by_the_other_door(tmp_path / "x.index", vectors[:9]), again.search(vectors[:9], 4))
    again.add(vectors[50:51])
    assert again.reconstruct(148).tolist() == vectors[50].tolist()  # the next number after 147
    write_index(again, tmp_path / "x.index")
    assert HierIndex.open(tmp_path / "x.index").version == 1
    assert len(HierIndex.open(tmp_path / "x.index", version=0)) == 50


def by_the_other_door(path, q):
    hits = HierIndex.open(path).search(q, 4, recall=1.0)
    return hits.distances**2, hits.ids


def test_what_faiss_would_take_in_silence_is_refused(vectors, quick, tmp_path):
    index = IndexHier(D, config=quick)
    with pytest.raises(InputError, match="after the first train or add"):
        index.index  # noqa: B018
    with pytest.raises(InputError, match="after the first train or add"):
        write_index(index, tmp_path / "x.index")
    with pytest.raises(UnknownIdError, match="nothing was put into"):
        index.reconstruct(0)
    index.add_with_ids(vectors[:3], [4, 5, 6])
    with pytest.raises(DuplicateIdError, match="1 are in the index, such as"):
        index.add_with_ids(vectors[:2], [6, 7])
    with pytest.raises(InputError, match=r"should be 0 or above"):
        index.add_with_ids(vectors[:1], [-1])
    with pytest.raises(InputError, match="should be integers, as FAISS has them; found 'a'"):
        index.add_with_ids(vectors[:1], ["a"])
    with pytest.raises(InputError, match="x should have 10 dimensions"):
        index.search(vectors[:, :4], 3)
    with pytest.raises(UnknownIdError, match="1 are not"):
        index.reconstruct(3)
    with pytest.raises(InputError, match="metric should be 1"):
        IndexHier(D, 7)
    HierIndex.from_vectors(vectors[:3], ids=["a", "b", "c"], config=quick, path=tmp_path / "s.index")
    with pytest.raises(InputError, match="integers, as FAISS has them; found strings"):
        read_index(tmp_path / "s.index")
    assert index.ntotal == 3


RNG = np.random.default_rng(0)
POOL = RNG.normal(size=(40, 4)).astype(np.float32)
FAST = BuildConfig(learn=LearnConfig(head=HeadConfig(steps=2)))


class BesideIDMap(RuleBasedStateMachine):
    """Any order of additions and removals, beside FAISS's index whose ids stay too."""

    def __init__(self):
        super().__init__()
        self.theirs, self.ours, self.there = (
            faiss.IndexIDMap2(faiss.IndexFlatL2(4)),
            IndexHier(4, recall=1.0, config=FAST),
            set(),
        )

    @rule(ids=st.lists(st.integers(0, 39), min_size=1, max_size=6, unique=True))
    def add(self, ids):
        new = np.array([i for i in ids if i not in self.there], dtype=np.int64)
        if len(new):
            self.theirs.add_with_ids(POOL[new], new)
            self.ours.add_with_ids(POOL[new], new)
            self.there |= set(new.tolist())

    @rule(ids=st.lists(st.integers(0, 45), max_size=8, unique=True), wrapped=st.booleans())
    def remove(self, ids, wrapped):
        gone = faiss.IDSelectorBatch(np.array(ids, np.int64))
        assert self.ours.remove_ids(gone if wrapped else ids) == self.theirs.remove_ids(gone)
        self.there -= set(ids)

    @invariant()
    def they_answer_the_same(self):
        assert self.ours.ntotal == self.theirs.ntotal == len(self.there)
        same(self.theirs.search(POOL[:3] + 0.01, 5), self.ours.search(POOL[:3] + 0.01, 5))


TestBesideIDMap = BesideIDMap.TestCase
TestBesideIDMap.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)
