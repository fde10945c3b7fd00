"""`HierIndexVectorStore`, held to LangChain's own tests first, then to what they do not ask."""

import importlib
import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("langchain_tests", reason="needs the extra 'dev'")

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_core.vectorstores.utils import maximal_marginal_relevance
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from hierindex import HierIndex
from hierindex.adapters.langchain import HierIndexVectorStore
from hierindex.adapters.langchain.filters import expression_of, keys_of, matches
from hierindex.errors import InputError, MissingExtraError
from hierindex.index.filters import mask_of

# the marker is for the whole class, and half of its tests are not asynchronous
ASYNC = [
    pytest.mark.asyncio,
    pytest.mark.filterwarnings("ignore:The test .* is marked with '@pytest.mark.asyncio':pytest.PytestWarning"),
]


class TestInMemory(VectorStoreIntegrationTests):
    pytestmark = ASYNC

    @pytest.fixture
    def vectorstore(self, quick):
        return HierIndexVectorStore(self.get_embeddings(), config=quick)


class TestOnDisk(VectorStoreIntegrationTests):
    pytestmark = ASYNC

    @pytest.fixture
    def vectorstore(self, quick, tmp_path):
        return HierIndexVectorStore(self.get_embeddings(), path=tmp_path / "docs.index", config=quick)


class Rows(Embeddings):
    """The text "17" has row 17 of a matrix as its vector."""

    def __init__(self, rows):
        self.rows = rows

    def embed_documents(self, texts):
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text):
        return self.rows[int(text)].tolist()


@pytest.fixture
def rows(vectors):
    return Rows(vectors)


def filled(store, n=60):
    metadatas = [{"year": 1950 + row, "genre": "jazz" if row % 3 else "rock", "tags": [row % 2]} for row in range(n)]
    store.add_texts([str(row) for row in range(n)], metadatas, ids=[f"d{row}" for row in range(n)])
    return store


def names(documents):
    return [document.id for document in documents]


def test_answers_are_those_of_langchains_own_store(rows, vectors, quick):
    ours, theirs = filled(HierIndexVectorStore(rows, config=quick)), filled(InMemoryVectorStore(rows))
    for query in ("7", "100", "250"):
        want, found = (store.similarity_search_with_score(query, k=9) for store in (theirs, ours))
        assert [d for d, _ in found] == [d for d, _ in want]
        np.testing.assert_allclose([1 - score for _, score in found], [score for _, score in want], atol=1e-5)
        vector = vectors[int(query)].tolist()
        assert ours.similarity_search_by_vector(vector, k=9) == [d for d, _ in want]
        assert ours.similarity_search(query, k=9) == [d for d, _ in want]
        mmr = [store.max_marginal_relevance_search(query, k=4, fetch_k=12, lambda_mult=0.3) for store in (ours, theirs)]
        assert names(mmr[0]) == names(mmr[1])
    assert ours.embeddings is rows
    assert len(ours) == len(ours.index) == 60
    assert len(ours.index.path("d7")) > 1


def test_relevance_is_a_cosine_and_thresholds_cut_by_it(rows, vectors, quick):
    store = filled(HierIndexVectorStore(rows, config=quick))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit[:60] @ unit[200]
    found = store.similarity_search_with_relevance_scores("200", k=60, score_threshold=0.25)
    assert names(d for d, _ in found) == [f"d{row}" for row in np.argsort(-cosines) if cosines[row] >= 0.25]
    assert store.similarity_search_with_relevance_scores("200", k=60)[-1][1] == 0  # the other way: not below 0


@pytest.mark.parametrize("metric", ["l2", "ip"])
def test_other_metrics_have_relevance_that_falls_with_distance(metric, rows, quick):
    store = filled(HierIndexVectorStore(rows, metric=metric, config=quick))
    found = store.similarity_search_with_relevance_scores("200", k=60)
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)
    assert 0 < scores[-1] < scores[0] < 1
    assert names(d for d, _ in found) == names(store.similarity_search("200", k=60))


def test_what_is_saved_is_there_after_a_restart(rows, quick, tmp_path):
    store = filled(HierIndexVectorStore(rows, path=tmp_path / "docs", columns={"year": pa.int64()}, config=quick))
    store.delete(["d3", "no such"])
    store.add_documents([Document(id="d4", page_content="200", metadata={"year": 1})])
    again = HierIndexVectorStore(rows, path=tmp_path / "docs", config=quick)
    assert len(again) == 59
    assert again.get_by_ids(["d3", "d4"]) == [Document(id="d4", page_content="200", metadata={"year": 1})]
    assert again.similarity_search("200", k=1, filter=pc.field("year") < 1950)[0].id == "d4"
    assert store.similarity_search("9", k=5) == again.similarity_search("9", k=5)
    again.add_texts(["5"], [{"year": 9}], ids=["later"])
    assert "later" not in names(store.similarity_search("5", k=3))
    assert store.refresh()
    assert "later" in names(store.similarity_search("5", k=3))


def test_an_empty_store_of_a_path_opens_later_with_what_another_wrote(rows, quick, tmp_path):
    early = HierIndexVectorStore(rows, path=tmp_path / "docs", config=quick)
    assert (len(early), early.index, early.get_by_ids(["x"])) == (0, None, [])
    assert early.max_marginal_relevance_search("3") == early.similarity_search("3") == []
    assert early.delete(["x"]) is True
    filled(HierIndexVectorStore(rows, path=tmp_path / "docs", config=quick))
    assert early.refresh()
    assert len(early.similarity_search("3", k=70)) == 60
    assert early.delete([f"d{row}" for row in range(60)])
    assert early.similarity_search("3") == []
    early.add_texts(["3"], ids=["one"])
    assert names(early.similarity_search("3")) == ["one"]


def test_from_texts_and_retrievers(rows, quick):
    store = HierIndexVectorStore.from_texts(["1", "2", "3"], rows, [{"n": 1}, {"n": 2}, {"n": 3}], config=quick)
    retriever = store.as_retriever(search_kwargs={"k": 1, "filter": {"n": {"$gt": 1}}})
    assert retriever.invoke("1")[0].page_content in ("2", "3")
    diverse = store.as_retriever(search_type="mmr", search_kwargs={"k": 2, "fetch_k": 3})
    assert len(diverse.invoke("1")) == 2
    assert len({document.id for document in store.similarity_search("1")}) == 3


def test_of_an_id_given_twice_the_last_text_counts(rows, quick):
    store = HierIndexVectorStore(rows, config=quick)
    assert store.add_texts(["1", "2", "3"], ids=["a", "b", "a"]) == ["a", "b", "a"]
    assert sorted((d.id, d.page_content) for d in store.similarity_search("1")) == [("a", "3"), ("b", "2")]
    assert len(store.add_texts(["4", "5"], ids=["c", None])[1]) == 36


# ---- filters

KEYS = ["a", "b"]
CONDITION = st.one_of(
    st.integers(0, 3),
    st.dictionaries(
        st.sampled_from(["$eq", "$ne", "$neq", "$gt", "$gte", "$lt", "$lte"]), st.integers(0, 3), max_size=2
    ),
    st.dictionaries(st.sampled_from(["$in", "$nin"]), st.lists(st.integers(0, 3), min_size=1, max_size=3), max_size=2),
)
FILTERS = st.recursive(
    st.dictionaries(st.sampled_from(KEYS), CONDITION, max_size=2),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"$and": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"$or": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"$not": inner}),
    ),
    max_leaves=6,
)
RECORDS = st.lists(st.fixed_dictionaries({}, optional={key: st.integers(0, 3) for key in KEYS}), min_size=1, max_size=8)


@given(FILTERS, RECORDS)
@settings(max_examples=200)
def test_both_ways_of_asking_agree(filter_, records):
    columns = pa.table({key: pa.array([record.get(key) for record in records], pa.int64()) for key in KEYS})
    by_column = mask_of(columns, expression_of(filter_), len(records)).tolist()
    assert by_column == [matches(filter_, record) for record in records]
    assert keys_of(filter_) <= set(KEYS)


@pytest.mark.parametrize(
    ("filter_", "record", "passes"),
    [
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1}, {}, False),
        ({"a": {"$ne": 1}}, {}, True),  # what is missing is not equal
        ({"a": {"$gte": 1, "$lt": 3}}, {"a": 3}, False),
        ({"a": {"$gt": "x"}}, {"a": 3}, False),  # another type is not greater either
        ({"a": {"$nin": [1, 2]}}, {"a": 3}, True),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, False),
        ({"$or": [{"a": 1}, {"b": 2}]}, {"b": 2}, True),
        ({"$not": {"a": 1, "b": 2}}, {"a": 1, "b": 3}, True),
        ({"a": {}}, {}, True),
        ({}, {}, True),
    ],
)
def test_filters_by_hand(filter_, record, passes):
    assert matches(filter_, record) is passes


@pytest.mark.parametrize("declared", [{}, {"year": pa.int64(), "genre": pa.string()}])
def test_k_documents_come_back_by_every_kind_of_filter(declared, rows, quick):
    store = filled(HierIndexVectorStore(rows, columns=declared, config=quick))
    kinds = [
        {"year": {"$lt": 1980}, "genre": "rock"},
        lambda d: d.metadata["year"] < 1980 and d.metadata["genre"] == "rock",
    ]
    if declared:
        kinds.append((pc.field("year") < 1980) & (pc.field("genre") == "rock"))
    answers = [names(store.similarity_search("200", k=7, filter=kind)) for kind in kinds]
    want = [
        name for name in names(store.similarity_search("200", k=60)) if int(name[1:]) < 30 and not int(name[1:]) % 3
    ]
    assert answers == [want[:7]] * len(kinds)
    assert names(store.similarity_search("200", filter={"tags": [0]}, k=60)) == [
        name for name in names(store.similarity_search("200", k=60)) if not int(name[1:]) % 2
    ]
    mmr = store.max_marginal_relevance_search("200", k=3, filter=kinds[0])
    assert set(names(mmr)) <= set(want)


def test_mmr_takes_what_langchains_formula_takes(rows, vectors, quick):
    store = filled(HierIndexVectorStore(rows, metric="l2", config=quick))
    near = store.similarity_search("200", k=15)
    picked = maximal_marginal_relevance(vectors[200], [vectors[int(d.page_content)] for d in near], 0.2, 5)
    found = store.max_marginal_relevance_search("200", k=5, fetch_k=15, lambda_mult=0.2)
    assert names(found) == [near[at].id for at in picked]


# ---- refusals


@pytest.mark.parametrize(
    ("filter_", "message"),
    [
        ({"a": {"$near": 1}}, r"should compare 'a' by one of .* found '\$near'"),
        ({"$nor": []}, r"should combine by '\$and', '\$or' or '\$not'; found '\$nor'"),
        ({"$and": []}, r"\$and should have a list of filters"),
        ({"$not": 3}, "filter should be a mapping of metadata keys; found 3"),
        ({"a": {"$in": 3}}, r"\$in should have a list of values for 'a'; found 3"),
        (7, "filter should be a mapping, a function of a document, or a pyarrow expression; found 7"),
    ],
)
def test_filters_that_are_none(filter_, message, rows, quick):
    store = filled(HierIndexVectorStore(rows, config=quick), 5)
    with pytest.raises(InputError, match=message):
        store.similarity_search("1", filter=filter_)


def test_a_refused_addition_changes_nothing(rows, quick, tmp_path):
    store = filled(HierIndexVectorStore(rows, path=tmp_path / "d", columns={"year": pa.int64()}, config=quick), 5)
    with pytest.raises(InputError, match="metadatas and ids should be 2, one for each text; found 1 and 2"):
        store.add_texts(["1", "2"], [{}])
    with pytest.raises(InputError, match="metadata should be JSON values"):
        store.add_texts(["1"], [{"when": object()}])
    with pytest.raises(InputError, match="metadata should be JSON values"):
        store.add_texts(["1"], [{"x": float("nan")}])
    with pytest.raises(InputError, match="metadata 'year' should be int64"):
        store.add_texts(["1"], [{"year": "soon"}])
    with pytest.raises(InputError, match=r"arguments should be ones that this store knows; found \['batch'\]"):
        store.add_texts(["1"], batch=3)
    with pytest.raises(InputError, match="to empty a store, pass all ids"):
        store.delete()
    with pytest.raises(InputError, match="k should be an integer of at least 1"):
        store.similarity_search("1", k=0)
    assert len(store) == 5
    assert store.index.version == 0


def test_a_store_is_not_opened_as_something_else(rows, vectors, quick, tmp_path):
    filled(HierIndexVectorStore(rows, path=tmp_path / "d", columns={"year": pa.int64()}, config=quick), 5)
    with pytest.raises(InputError, match="metric should be 'cosine'"):
        HierIndexVectorStore(rows, path=tmp_path / "d", metric="l2")
    with pytest.raises(InputError, match="columns should be those of the store that is there"):
        HierIndexVectorStore(rows, path=tmp_path / "d", columns={"genre": pa.string()})
    with pytest.raises(InputError, match=r"columns should have names other than .*; found \['Metadata'\]"):
        HierIndexVectorStore(rows, columns={"Metadata": pa.string()})
    HierIndex.from_vectors(vectors[:9], config=quick, path=tmp_path / "other")
    with pytest.raises(InputError, match="should be one that a store has written"):
        HierIndexVectorStore(rows, path=tmp_path / "other")


def test_without_langchain_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "langchain_core", None)
    monkeypatch.delitem(sys.modules, "hierindex.adapters.langchain")
    with pytest.raises(MissingExtraError, match=r"pip install 'hierindex\[langchain\]'"):
        importlib.import_module("hierindex.adapters.langchain")
