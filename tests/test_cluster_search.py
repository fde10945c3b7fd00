"""What several workers find together is what one machine finds: the same ids, distances and leaves, bit for bit.

Workers are shards of this process here; `test_cluster_ray` has real ones.
"""

from itertools import product

import numpy as np
import pytest
from cluster_cases import cloud, same, saved, spread

from hierindex import HierIndex
from hierindex.cluster.config import Placing
from hierindex.cluster.loading import Source, read_front, read_shard
from hierindex.cluster.scanner import LocalLeaves
from hierindex.cluster.searching import search
from hierindex.errors import InputError

ASKED = ((1, 0.9), (10, 0.8), (10, 0.95), (60, 0.9), (10, 1.0))


@pytest.fixture(scope="module", params=["l2", "cosine", "ip"])
def index(request, tmp_path_factory, quick):
    path = tmp_path_factory.mktemp(request.param) / "index"
    return saved(path, cloud(3_000, 24, 0), quick, request.param)


@pytest.fixture(scope="module")
def on_grid(tmp_path_factory, quick):
    """Rows that are often equal, or equally far: what is kept of them hangs on the order of a scan."""
    return saved(tmp_path_factory.mktemp("grid") / "index", cloud(3_000, 16, 1, grid=1.5), quick)


def asked_of(index, n=80):
    queries = cloud(n, index.dim, 7)
    return index._view.encoding.query(queries), queries


@pytest.mark.parametrize(("workers", "replicas"), [(2, 1), (5, 2), (8, 3)])
def test_several_workers_answer_as_one_machine(index, workers, replicas):
    front, leaves = spread(index._store.path, workers, replicas)
    prepared, queries = asked_of(index)
    for k, recall in ASKED:
        found = search(front, leaves, prepared, k, recall)
        assert same(index.search(queries, k, recall=recall), found.hits), (k, recall)
        assert found.hits.whole
        assert recall == 1 or (found.hits.fan_out > 1).any()
    for query, asked in zip(queries[:20], prepared[:20], strict=True):
        assert same(index.search(query), search(front, leaves, asked[None], 10).hits)


def test_scattered_leaves_give_the_same_answers_and_ask_more_workers(index):
    prepared, _ = asked_of(index)
    near, far = (
        search(*spread(index._store.path, 8, placing=placing), prepared, 10, 0.95).hits
        for placing in (Placing.SUBTREE, Placing.HASH)
    )
    assert same(near, far)
    assert near.fan_out.mean() < far.fan_out.mean()


def test_leaves_placed_by_what_is_probed_and_copied_at_borders_give_the_same_answers(index):
    pytest.importorskip("pymetis", reason="needs the extra 'cluster'")
    prepared, queries = asked_of(index)
    fan_out = []
    for borders in (0.0, 0.3):
        front, leaves = spread(index._store.path, 5, placing=Placing.PROBED, borders=borders)
        for k, recall in ASKED:
            found = search(front, leaves, prepared, k, recall)
            assert same(index.search(queries, k, recall=recall), found.hits), (k, recall)
        fan_out.append(search(front, leaves, prepared, 10, 0.95).hits.fan_out.mean())
    assert leaves.placement.holders.shape[1] > 1
    assert fan_out[1] <= fan_out[0]


def test_one_shard_is_the_null_case(index):
    source = Source.of(index._store.path, index.version, None)
    front, _ = read_front(source)
    shard = read_shard(source, np.arange(len(front.nodes.leaves))).shard
    prepared, queries = asked_of(index)
    for k, recall in ASKED:
        found = search(front, LocalLeaves(shard), prepared, k, recall)
        assert same(index.search(queries, k, recall=recall), found.hits)
        assert not found.replayed.any()


@pytest.mark.parametrize("workers", [2, 7])
def test_equal_rows_are_told_apart_as_one_machine_does(on_grid, workers):
    front, leaves = spread(on_grid._store.path, workers)
    queries = np.concatenate([on_grid.vectors()[:40], cloud(60, 16, 5, grid=1.5), cloud(60, 16, 6)])
    replayed = 0
    for k, recall in ASKED:
        found = search(front, leaves, queries, k, recall)
        assert same(on_grid.search(queries, k, recall=recall), found.hits), (k, recall)
        replayed += found.replayed.sum()
    assert replayed  # or this would not have tested it


def test_rows_that_are_not_packed_yet_are_found(tmp_path, quick):
    index = saved(tmp_path / "index", cloud(2_000, 24, 0), quick)
    index.add(cloud(200, 24, 3))
    index.delete(np.arange(0, 2_100, 7))
    reopened = HierIndex.open(tmp_path / "index")
    front, leaves = spread(tmp_path / "index", 4)
    assert len(front.late) == 200 - len(range(2_002, 2_100, 7))
    queries = np.concatenate([cloud(40, 24, 9), cloud(200, 24, 3)[:20]])
    for k, recall in ASKED:
        assert same(reopened.search(queries, k, recall=recall), search(front, leaves, queries, k, recall).hits)
    assert same(reopened.search(queries[0]), search(front, leaves, queries[:1], 10).hits)


def test_a_worker_lets_go_of_removed_rows_without_reading_their_part_again(tmp_path, quick, monkeypatch):
    index = saved(tmp_path / "index", cloud(2_000, 24, 0), quick)
    every = np.arange(len(index._view.snapshot.nodes.leaves))
    before = read_shard(Source.of(tmp_path / "index", 0, None), every)
    index.delete(np.arange(0, 2_000, 5))
    source = Source.of(tmp_path / "index", 1, None)
    fresh = read_shard(source, every).shard
    monkeypatch.setattr("hierindex.cluster.loading.load_points", lambda *_: pytest.fail("a part was read"))
    shard = read_shard(source, every, before).shard
    assert sorted(shard.data.ids.tolist()) == index.ids.tolist()
    for name in ("rows", "seq", "ids", "leaf"):
        np.testing.assert_array_equal(getattr(shard.data, name), getattr(fresh.data, name))
    np.testing.assert_array_equal(shard.codes, fresh.codes)


def test_rows_that_upkeep_has_moved_are_found(tmp_path, quick):
    index = saved(tmp_path / "index", cloud(2_000, 24, 0), quick)
    index.add(cloud(3, 24, 5).repeat(250, axis=0) + cloud(750, 24, 6) / 50)
    index.delete(np.arange(0, 1_500, 2))
    index.maintain(steps=20)
    front, leaves = spread(tmp_path / "index", 4)
    assert len(front.moves)
    reopened, queries = HierIndex.open(tmp_path / "index"), cloud(60, 24, 9)
    for k, recall in ASKED:
        assert same(reopened.search(queries, k, recall=recall), search(front, leaves, queries, k, recall).hits)


def test_string_ids_and_rows_without_codes(tmp_path, quick):
    x = cloud(1_500, 6, 2)
    names = [f"row {i}" for i in range(len(x))]
    index = saved(tmp_path / "index", x, quick, ids=names)
    front, leaves = spread(tmp_path / "index", 3)
    assert front.coder is None
    queries = cloud(50, 6, 4)
    for k, recall in ASKED:
        assert same(index.search(queries, k, recall=recall), search(front, leaves, queries, k, recall).hits)


def test_more_neighbours_than_there_are(tmp_path, quick):
    index = saved(tmp_path / "index", cloud(600, 24, 2), quick)
    front, leaves = spread(tmp_path / "index", 3)
    queries = cloud(5, 24, 4)
    for recall in (0.9, 1.0):
        found = search(front, leaves, queries, 700, recall).hits
        assert same(index.search(queries, 700, recall=recall), found)
        assert found.found.tolist() == [600] * 5


def test_a_small_index_is_compared_whole(tmp_path, quick):
    index = saved(tmp_path / "index", cloud(400, 24, 2), quick)
    front, leaves = spread(tmp_path / "index", 3)
    queries = cloud(30, 24, 4)
    found = search(front, leaves, queries, 10)
    assert same(index.search(queries), found.hits)
    assert (found.leaves == 0).all()


def test_a_copy_answers_for_a_dead_worker(index):
    prepared, queries = asked_of(index)
    for dead in range(4):
        front, leaves = spread(index._store.path, 4, 2, dead=(dead,))
        for k, recall in ASKED:
            found = search(front, leaves, prepared, k, recall).hits
            assert found.whole
            assert same(index.search(queries, k, recall=recall), found)


def test_without_a_copy_an_answer_is_whole_or_says_that_it_is_not(index):
    prepared, queries = asked_of(index, 200)
    front, leaves = spread(index._store.path, 6, dead=(2,))
    whole = index.search(queries, 5, recall=0.8)
    found = search(front, leaves, prepared, 5, 0.8).hits
    assert 0 < found.partial.sum() < len(queries)
    assert np.array_equal(found.ids[~found.partial], whole.ids[~found.partial])
    gone = set(front.nodes.leaves[leaves.placement.held_by(2)].tolist())
    assert not gone & set(found.leaves.ravel().tolist())
    truth = index.search(queries, len(index), recall=1.0)
    for i, j in product(range(0, 200, 10), range(5)):  # what is there is right
        if found.leaves[i, j] >= 0:
            at = np.flatnonzero(truth.ids[i] == found.ids[i, j])[0]
            assert found.distances[i, j] == truth.distances[i, at]


def test_a_worker_that_dies_while_it_is_asked_is_asked_no_more(index):
    front, leaves = spread(index._store.path, 4, 2)
    living = leaves.transport

    class Dying:
        """Says it is alive, does not answer, and is known to be dead from then on."""

        alive = np.ones(4, bool)
        asked = 0

        def ask(self, calls):
            answers = living.ask({w: call for w, call in calls.items() if w != 1})
            if 1 in calls:
                self.alive = np.array([True, False, True, True])
                self.asked += 1
            return answers

    dying = Dying()
    prepared, queries = asked_of(index)
    found = search(front, type(leaves)(leaves.placement, dying, False), prepared, 10).hits
    assert dying.asked == 1
    assert found.whole
    assert same(index.search(queries), found)


def test_patience_waits_for_leaves_that_nobody_holds(index):
    front, leaves = spread(index._store.path, 4)
    living = leaves.transport

    class Returning:
        """Worker 1 is away for the first three looks."""

        looks = 0

        @property
        def alive(self):
            self.looks += 1
            return np.array([True, self.looks > 3, True, True])

        def ask(self, calls):
            return living.ask(calls)

    prepared, queries = asked_of(index)
    returning = Returning()
    found = search(front, type(leaves)(leaves.placement, returning, False, patience=600), prepared, 10).hits
    assert returning.looks > 3
    assert same(index.search(queries), found)
    hasty = search(front, type(leaves)(leaves.placement, Returning(), False), prepared, 10).hits
    assert hasty.partial.any()


@pytest.mark.parametrize(("k", "recall", "message"), [(0, 0.9, "k should be"), (1, 0.0, "recall should be above 0")])
def test_questions_that_make_no_sense_are_refused(index, k, recall, message):
    front, leaves = spread(index._store.path, 2)
    with pytest.raises(InputError, match=message):
        search(front, leaves, asked_of(index)[0], k, recall)
