"""Which leaves searches touch: counted exactly, by many threads, through splits; and what follows for storage."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from index_cases import add, build, mixture

from hierindex import BuildConfig, HierIndex
from hierindex.errors import InputError
from hierindex.index import updates
from hierindex.index.config import IndexConfig
from hierindex.index.heat import Heat, HeatCounter
from hierindex.learning.config import HeadConfig, LearnConfig

rng = np.random.default_rng(3)
QUERIES = mixture(40, 10, seed=5)
TINY = BuildConfig(learn=LearnConfig(head=HeadConfig(steps=2)))


@pytest.fixture(scope="module")
def routed():
    """A snapshot that searches through its leaves."""
    return build(mixture(900, 10), flat_below=0, n_leaves=30, tune_queries=50)


@pytest.fixture(scope="module")
def whole():
    """One that compares all rows."""
    return build(mixture(300, 10), n_leaves=12)


def heat_of(counter, snapshot):
    return counter.heat(snapshot.nodes, snapshot.nodes.counts(snapshot.leaf[snapshot.live_rows]))


def crowded(snapshot):
    """With 400 more points beside one query, so that leaves there split."""
    crowd = QUERIES[:1] + 0.1 * rng.normal(size=(400, 10))
    return add(snapshot, crowd, np.arange(1000, 1400))


def by_leaf(heat):
    return dict(zip(heat.leaves.tolist(), heat.counts.tolist(), strict=True))


def test_counts_are_the_leaves_that_explain_names(routed):
    counter, expected = HeatCounter(), dict.fromkeys(routed.nodes.leaves.tolist(), 0)
    routed.search(QUERIES, 5, recall=0.9, watch=counter)
    for query in QUERIES:
        for leaf in routed.explain(query[None], 5, recall=0.9).leaves:
            expected[leaf] += 1
    heat = heat_of(counter, routed)
    assert by_leaf(heat) == expected
    assert heat.queries == len(QUERIES)


def test_where_all_rows_are_compared_the_leaves_of_the_results_count(whole, routed):
    for snapshot, recall in ((whole, 0.9), (routed, 1.0)):
        counter, expected = HeatCounter(), dict.fromkeys(snapshot.nodes.leaves.tolist(), 0)
        rows, _ = snapshot.search(QUERIES, 7, recall=recall, watch=counter)
        for found in rows:
            for leaf in {int(snapshot.leaf[row]) for row in found}:
                expected[leaf] += 1
        assert by_leaf(heat_of(counter, snapshot)) == expected


def test_missing_results_touch_nothing(whole):
    counter, mask = HeatCounter(), np.zeros(300, bool)
    mask[:3] = True
    rows, _ = whole.search(QUERIES, 5, mask=mask, watch=counter)
    assert (rows[:, 3:] == -1).all()
    assert heat_of(counter, whole).counts.sum() == sum(len(set(whole.leaf[:3].tolist())) for _ in QUERIES)


def test_threads_lose_no_count(routed):
    counter, nprobe = HeatCounter(), 4
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: routed.search(QUERIES[i % 40][None], 5, nprobe=nprobe, watch=counter), range(800)))
    heat = heat_of(counter, routed)
    assert (heat.counts.sum(), heat.queries) == (800 * nprobe, 800)
    once = HeatCounter()
    routed.search(QUERIES, 5, nprobe=nprobe, watch=once)
    np.testing.assert_array_equal(heat.counts, 20 * heat_of(once, routed).counts)


def test_counts_follow_leaves_that_split(routed):
    counter = HeatCounter()
    routed.search(QUERIES, 5, nprobe=3, watch=counter)
    before = by_leaf(heat_of(counter, routed))
    grown = crowded(routed)
    assert len(grown.nodes) > len(routed.nodes)
    after = heat_of(counter, grown)
    assert (after.counts.sum(), after.queries) == (120, 40)
    for leaf, count in before.items():  # what a leaf got is now below it, shared by points
        below = grown.nodes.leaves_under(leaf)
        assert sum(by_leaf(after)[b] for b in below.tolist()) == count
    grown.search(QUERIES, 5, nprobe=3, watch=counter)
    assert heat_of(counter, grown).counts.sum() == 240
    assert heat_of(counter, routed).counts.sum() == 240  # an older reader sees it at the leaves it knows


def test_an_older_and_a_newer_reader_may_count_by_turns(routed):
    counter = HeatCounter()
    grown = crowded(routed)
    for snapshot in (routed, grown, routed, grown):
        snapshot.search(QUERIES[:10], 5, nprobe=2, watch=counter)
    assert heat_of(counter, grown).counts.sum() == 4 * 20


def test_upkeep_keeps_the_counts_of_the_leaves_that_stay(routed):
    counter = HeatCounter()
    routed.search(QUERIES, 5, nprobe=3, watch=counter)
    before = heat_of(counter, routed)
    kept, done = updates.maintain(crowded(routed), leaves=500)
    assert done.split
    after = heat_of(counter, kept)
    stay = np.isin(before.leaves, after.leaves)
    counted = dict(zip(after.leaves.tolist(), after.counts.tolist(), strict=True))
    assert [counted[leaf] for leaf in before.leaves[stay].tolist()] == before.counts[stay].tolist()
    redrawn = kept
    while not done.redrawn:
        redrawn, done = updates.maintain(redrawn)
    stay = np.isin(before.leaves, redrawn.nodes.leaves)
    assert heat_of(counter, redrawn).counts.sum() >= before.counts[stay].sum()


def test_an_index_in_the_place_of_another_starts_at_zero(tmp_path):
    path = tmp_path / "a.index"
    index = HierIndex.from_vectors(mixture(60, 4), metric="l2", path=path, config=TINY)
    index.record_heat()
    index.search(mixture(5, 4, seed=1), 3)
    assert index.heat().queries == 5
    HierIndex.from_vectors(mixture(60, 4, seed=2), metric="l2", config=TINY).save(path, overwrite=True)
    index.refresh()
    assert index.heat().queries == 0
    index.search(mixture(4, 4, seed=1), 3)
    assert index.heat().queries == 4


heats = (
    st.integers(1, 30)
    .flatmap(
        lambda n: st.builds(
            Heat,
            st.just(np.arange(n) * 2),
            arrays(np.int64, n, elements=st.integers(0, 50)),
            arrays(np.int64, n, elements=st.integers(0, 9)),
            st.just(1),
        )
    )
    .filter(lambda heat: heat.counts.any())
)


@given(heats, st.lists(st.floats(0.01, 0.99), max_size=4, unique=True).map(sorted))
def test_tiers_partition_the_leaves_and_serve_their_shares(heat, shares):
    tiers = heat.tiers(shares)
    assert len(tiers) == len(shares) + 1
    assert sorted(np.concatenate(tiers).tolist()) == heat.leaves.tolist()
    count, size = (
        dict(zip(heat.leaves.tolist(), values.tolist(), strict=True)) for values in (heat.counts, heat.sizes)
    )
    so_far = []
    for share, tier in zip(shares, tiers, strict=False):
        so_far += tier.tolist()
        total = heat.counts.sum() * (share - 1e-9)
        assert sum(count[leaf] for leaf in so_far) >= total
        if len(tier):  # no leaf too many
            assert sum(count[leaf] for leaf in so_far[:-1]) < total + 1e-6
    density = [count[leaf] / max(size[leaf], 1) for leaf in np.concatenate(tiers).tolist()]
    assert density == sorted(density, reverse=True)


@pytest.fixture(scope="module", params=[20_000, 0], ids=["whole", "routed"])
def index(request, vectors, quick):
    config = BuildConfig(learn=quick.learn, index=IndexConfig(flat_below=request.param))
    return HierIndex.from_vectors(vectors, metric="l2", config=config, ids=[f"v{i}" for i in range(300)])


def test_what_is_asked_for_most_is_placed_on_the_hot_tier(index, vectors):
    index.record_heat()
    planted = index.browse(index.path("v0")[-1])
    favourites = np.array([int(name[1:]) for name in planted.examples])
    index.search(vectors[rng.choice(favourites, 950)], k=1, nprobe=1 if index.info()["search"]["levels"] else None)
    index.search(vectors[rng.choice(300, 50)], k=1)
    hot, warm, cold = index.tiers()
    assert hot.leaves.tolist() == [planted.node]
    assert set(hot.ids) == set(index.members(planted.node))
    assert hot.traffic >= 0.8
    assert hot.traffic + warm.traffic >= 0.95
    assert hot.traffic + warm.traffic + cold.traffic == pytest.approx(1)
    assert sorted([*hot.ids, *warm.ids, *cold.ids]) == sorted(index.ids)
    heat = index.heat()
    assert heat.queries == 1000
    np.testing.assert_array_equal(heat.sizes, index.leaf_sizes())


def test_a_subtree_is_placed_by_itself(index, vectors):
    index.record_heat()
    index.search(vectors[:100], k=3)
    branch = index.browse().children[0]
    whole, part = index.heat(), index.heat(branch)
    inside = np.isin(whole.leaves, part.leaves)
    np.testing.assert_array_equal(part.counts, whole.counts[inside])
    assert set(index.members(branch)) == {name for tier in index.tiers(node=branch) for name in tier.ids}
    assert sum(tier.traffic for tier in index.tiers(node=branch)) == pytest.approx(1)


def test_counting_is_off_until_asked_for_and_answers_stay_the_same(index, vectors):
    index.record_heat(False)
    plain = index.search(vectors[:20], k=5)
    with pytest.raises(InputError, match=r"should come after record_heat\(\) and some searches; found counting off"):
        index.heat()
    index.record_heat()
    with pytest.raises(InputError, match="after searches that touched these leaves; found none counted"):
        index.tiers()
    counted = index.search(vectors[:20], k=5)
    assert counted.ids.tolist() == plain.ids.tolist()
    index.explain(vectors[0])
    assert index.heat().queries == 20  # explaining is not traffic
    for shares in ((0.9, 0.8), (0.0, 0.5), (1.0,), (0.5, 0.5)):
        with pytest.raises(InputError, match="shares should be rising numbers above 0 and below 1"):
            index.tiers(shares)
    with pytest.raises(InputError, match=r"node should be one of 0\.\.\d+; found 9999"):
        index.heat(9999)
    index.record_heat()
    assert index.heat().queries == 0


def test_an_index_opened_from_disk_counts_through_changes(index, vectors, tmp_path):
    own = HierIndex(replace(index._view))
    own.save(tmp_path / "i")
    own.record_heat()
    own.search(vectors[:30], k=3)
    before = own.heat().counts.sum()
    own.delete(["v1", "v2"])
    own.add(vectors[:2], ids=["w1", "w2"])
    assert own.heat().counts.sum() == before
    reader = HierIndex.open(tmp_path / "i")
    reader.record_heat()
    reader.search(vectors[:30], k=3)
    first = reader.heat().counts.sum()
    own.add(vectors[2:4], ids=["w3", "w4"])
    assert reader.refresh()
    assert reader.heat().counts.sum() == first
