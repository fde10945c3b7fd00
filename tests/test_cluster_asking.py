"""Whatever a reader can ask: workers answer as one machine does, bit for bit.

Workers are shards of this process; `test_cluster_ray` asks real ones.
"""

import numpy as np
import pyarrow.compute as pc
import pytest
from cluster_cases import Spread, cloud, same, saved
from hypothesis import given, settings
from hypothesis import strategies as st

from hierindex import HierIndex
from hierindex.errors import InputError, ProcessError, UnknownIdError
from hierindex.index.cost import ScanCost
from hierindex.index.heat import HeatCounter

N, LATE = 2_500, 120
PRICE = pc.field("price")
FILTERS = {
    "none": None,
    "narrow": PRICE < 2,
    "half": PRICE < 50,
    "wide": PRICE < 97,
    "of one region": pc.field("side") > 1.0,
    "few": pc.field("row").isin([3, 77, 78, 1_500, N + 5]),
    "nobody": PRICE > 1_000,
    "everybody": PRICE >= 0,
}


def columns(x, first=0):
    rng = np.random.default_rng(first)
    return {"price": rng.integers(0, 100, len(x)), "side": x[:, 0], "row": np.arange(first, first + len(x))}


@pytest.fixture(scope="module", params=["l2", "cosine", "ip"])
def asked(request, tmp_path_factory, quick):
    """An index with late rows, payload and holes; the same on workers; and queries, some of them stored rows."""
    path = tmp_path_factory.mktemp(request.param) / "index"
    x, more = cloud(N, 24, 0), cloud(LATE, 24, 3)
    index = saved(path, x, quick, request.param, payload=columns(x), n_leaves=60, tail_rows=500)
    index.add(more, payload=columns(more, N))
    index.delete(np.arange(0, N + LATE, 9))
    index = HierIndex.open(path)
    return index, [Spread(index, 3), Spread(index, 6, 2)], np.concatenate([cloud(24, 24, 7), x[1:5], more[1:5]])


@pytest.fixture(scope="module")
def on_grid(tmp_path_factory, quick):
    """Rows that are often equal, or equally far."""
    x = cloud(2_000, 16, 1, grid=1.5)
    index = saved(tmp_path_factory.mktemp("grid") / "index", x, quick, payload=columns(x))
    return index, [Spread(index, 4)], np.concatenate([x[:20], cloud(20, 16, 5, grid=1.5)])


def alike(a, b):
    """The same answer; of ranges the same limits too."""
    return same(a, b) and (not hasattr(a, "lims") or np.array_equal(a.lims, b.lims))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_search_is_answered_as_by_one_machine(asked, data):
    index, crews, queries = asked
    crew = data.draw(st.sampled_from(crews))
    first = data.draw(st.integers(0, len(queries) - 1))
    some = queries[first : first + data.draw(st.sampled_from([1, 1, 8, 40]))]
    how = {"filter": FILTERS[data.draw(st.sampled_from(sorted(FILTERS)))]}
    k = data.draw(st.sampled_from([None, 1, 10, 60, 130]))
    if data.draw(st.booleans()):
        how["nprobe"] = data.draw(st.sampled_from([1, 3, 20, 500]))
    else:
        how["recall"] = data.draw(st.sampled_from([0.7, 0.9, 0.95, 0.99, 1.0]))
    if data.draw(st.integers(0, 2)) == 0:
        gaps = index.search(queries, 60, recall=1.0).distances
        how["radius"] = float(np.quantile(gaps[:, [4, 50]].ravel(), data.draw(st.sampled_from([0.05, 0.5, 0.95]))))
        if k is None:
            how.pop("nprobe", None)
    found = crew.search(some, k, **how)
    assert alike(index.search(some, k, **how), found), (k, how)
    assert found.whole


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_diverse_answers_are_those_of_one_machine(asked, data):
    index, crews, queries = asked
    crew, first = data.draw(st.sampled_from(crews)), data.draw(st.integers(0, len(queries) - 1))
    some = queries[first : first + data.draw(st.sampled_from([1, 3]))]
    how = {
        "per_branch": data.draw(st.sampled_from([1, 2, 30])),
        "n_clusters": data.draw(st.sampled_from([None, 3, 12])),
        "merged": data.draw(st.booleans()),
        "recall": data.draw(st.sampled_from([0.8, 0.95])),
        "filter": FILTERS[data.draw(st.sampled_from(["none", "narrow", "half", "few", "nobody"]))],
        "exclude": data.draw(st.sampled_from([None, [1, 2, N + 1, 99_999]])),
    }
    k = data.draw(st.sampled_from([1, 6, 40]))
    found = crew.diverse(some, k, **how)
    assert same(index.diverse(some, k, **how), found), (k, how)
    assert found.whole


@pytest.mark.parametrize("name", ["none", "half", "few"])
def test_equal_rows_are_told_apart_with_filters_too(on_grid, name):
    index, (crew,), queries = on_grid
    for k, how in (
        (10, {}),
        (60, {"recall": 0.8}),
        (10, {"nprobe": 6}),
        (130, {"recall": 1.0}),
        (None, {"radius": 6.0}),
    ):
        how = how | {"filter": FILTERS[name]}
        assert alike(index.search(queries, k, **how), crew.search(queries, k, **how)), (k, how)
    assert same(index.diverse(queries, 8, filter=FILTERS[name]), crew.diverse(queries, 8, filter=FILTERS[name]))


@pytest.mark.parametrize("name", ["half", "wide", "of one region"])
def test_where_comparing_all_costs_much_leaves_are_sifted_as_by_one_machine(asked, name, monkeypatch):
    index, crews, queries = asked
    monkeypatch.setattr(ScanCost, "brute", lambda *_: np.inf)
    for crew in crews:
        crew._heat = HeatCounter()
        for some in (queries, queries[:1]):
            found = crew.search(some, 10, recall=0.8, filter=FILTERS[name])
            assert same(index.search(some, 10, recall=0.8, filter=FILTERS[name]), found)
        assert crew._heat.heat(index._view.snapshot.nodes, index._view.counts).queries  # or all rows were compared


def test_booleans_choose_rows_in_the_order_of_the_ids(asked):
    index, crews, queries = asked
    mask = np.random.default_rng(5).random(len(index)) < 0.2
    for crew in crews:
        assert same(index.search(queries, filter=mask), crew.search(queries, filter=mask))
        assert alike(index.search(queries, filter=mask, radius=3.0), crew.search(queries, filter=mask, radius=3.0))


def test_a_set_that_is_compared_whole_can_be_probed_and_filtered(tmp_path, quick):
    x = cloud(400, 24, 2)
    names = [f"row {i}" for i in range(len(x))]
    index = saved(tmp_path / "index", x, quick, ids=names, payload=columns(x))
    crew, queries = Spread(index, 3), cloud(20, 24, 4)
    for how in ({}, {"nprobe": 4}, {"filter": FILTERS["half"]}, {"nprobe": 2, "filter": FILTERS["half"]}):
        assert same(index.search(queries, **how), crew.search(queries, **how)), how
    assert alike(index.search(queries, radius=4.0), crew.search(queries, radius=4.0))
    assert same(index.diverse(queries, exclude=["row 3"]), crew.diverse(queries, exclude=["row 3"]))
    assert np.array_equal(crew.vectors(["row 7", "row 3"]), x[[7, 3]])
    assert "row 9" in crew
    assert "row 400" not in crew
    assert 9 not in crew


def test_points_are_found_by_id_with_their_columns(asked):
    index, crews, _ = asked
    ids = np.array([N + 7, 5, 1_000, 5])  # one that is late, and one twice
    for crew in crews:
        assert np.array_equal(crew.vectors(ids), index.vectors(ids))
        assert crew.payload(ids).equals(index.payload(ids))
        assert same(index.search(index.vectors(ids), 5), crew.search(crew.vectors(ids), 5))
        with pytest.raises(UnknownIdError, match="2 are not, such as"):
            crew.vectors([9, 5, 99_999])  # 9 was deleted


def test_copies_answer_filters_and_radius_for_the_dead(asked):
    index, _, queries = asked
    crew = Spread(index, 4, 2, dead=(1,))
    for k, how in ((10, {"filter": FILTERS["half"]}), (None, {"radius": 3.0}), (5, {"nprobe": 9})):
        found = crew.search(queries, k, **how)
        assert found.whole
        assert alike(index.search(queries, k, **how), found)
    assert same(index.diverse(queries, 5, exclude=[1]), crew.diverse(queries, 5, exclude=[1]))


def test_without_copies_what_is_missing_is_said(asked):
    index, _, queries = asked
    crew = Spread(index, 4, dead=(1,))
    assert crew.search(queries, filter=FILTERS["half"]).partial.all()
    near, whole = crew.search(queries, radius=3.0), index.search(queries, radius=3.0)
    assert near.partial.all()
    assert set(zip(near.ids.tolist(), near.distances.tolist(), strict=True)) <= set(
        zip(whole.ids.tolist(), whole.distances.tolist(), strict=True)
    )
    assert crew.diverse(queries, 20, per_branch=1).partial.any()
    with pytest.raises(ProcessError, match="with all leaves held"):
        crew.vectors([1])
    with pytest.raises(ProcessError, match="should be an expression while a worker is missing"):
        crew.search(queries, filter=np.ones(len(index), bool))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"radius": -1.0}, "radius should be 0 or above|finite"),
        ({"radius": float("nan")}, "radius should be a finite number"),
        ({"radius": 1.0, "nprobe": 3}, "nprobe should come with k"),
        ({"nprobe": 0}, "nprobe should be"),
        ({"filter": pc.field("nope") > 1}, "true-or-false expression over the columns"),
        ({"filter": np.ones(3, bool)}, "boolean array"),
        ({"filter": "price < 3"}, "expression or a boolean array"),
    ],
)
def test_questions_that_make_no_sense_are_refused_as_by_one_machine(asked, how, message):
    index, crews, queries = asked
    if index.metric.value == "ip" and how.get("radius") == -1.0:
        pytest.skip("a product may be of any size")
    with pytest.raises(InputError, match=message):
        crews[0].search(queries, **how)


def test_branches_and_ids_that_make_no_sense_are_refused(asked):
    _, crews, queries = asked
    with pytest.raises(InputError, match="n_clusters should be at most"):
        crews[0].diverse(queries, n_clusters=9_999)
    with pytest.raises(InputError, match="ids should be integers"):
        crews[0].diverse(queries, exclude=["a"])


def test_workers_that_go_on_from_version_to_version_answer_as_a_refreshed_index(tmp_path, quick):
    x = cloud(2_000, 24, 0)
    writer = saved(tmp_path / "index", x, quick, payload=columns(x), tail_rows=200)
    local = HierIndex.open(tmp_path / "index")
    crew, queries = Spread(local, 3), cloud(30, 24, 7)
    crowd, many = cloud(3, 24, 5).repeat(150, axis=0) + cloud(450, 24, 6) / 50, cloud(1_300, 24, 8)
    leaves, settings_ = len(crew._state.front.nodes.leaves), crew._state.front.tuned
    changes = (
        lambda: writer.add(crowd, payload=columns(crowd, 2_000)),  # leaves outgrow their size and split
        lambda: writer.delete(np.arange(0, 1_500, 3)),
        lambda: writer.update_payload(np.arange(1, 1_500, 3), {"price": np.zeros(500, np.int64)}),
        lambda: writer.maintain(steps=20),
        lambda: writer.upsert(x[1:40:3] + 1, np.arange(1, 40, 3), payload=columns(x[1:40:3], 1)),
        lambda: writer.add(many, payload=columns(many, 2_450)),  # grown by half: recall is measured anew
    )
    for number, change in enumerate(changes):
        change()
        local.refresh()
        crew.refresh(local)
        for k, how in ((10, {}), (10, {"filter": FILTERS["narrow"]}), (5, {"nprobe": 7}), (None, {"radius": 4.0})):
            assert alike(local.search(queries, k, **how), crew.search(queries, k, **how)), (number, k, how)
        assert same(local.diverse(queries[:4], 9), crew.diverse(queries[:4], 9)), number
    assert len(crew._state.front.nodes.leaves) > leaves
    assert crew._state.front.tuned != settings_
    writer.delete(writer.ids[450:])
    few = HierIndex.open(tmp_path / "index")
    crew.refresh(few)
    for how in (
        {},
        {"nprobe": 3},
        {"filter": FILTERS["half"], "nprobe": 9},
    ):  # too few to be worth lists: compared whole
        assert same(few.search(queries, **how), crew.search(queries, **how)), how
