"""Adding, deleting, splitting, compacting and loading: the old snapshot stays, the new one answers right."""

import threading
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from index_cases import add, answers, ball, build, mixture, reload, slow_distances
from learning_samples import Heard

from hierindex.decode import Decode
from hierindex.errors import CorruptIndexError, DuplicateIdError, EmptyInputError, InputError, UnknownIdError
from hierindex.index import updates
from hierindex.index.config import IndexConfig, LeafScan
from hierindex.index.splitting import settle
from hierindex.index.structure import full_tree
from hierindex.vectors import Metric

QUERIES = mixture(12, 16, seed=50)


def sound(snapshot):
    """What holds for every snapshot."""
    nodes, live = snapshot.nodes, snapshot.live_rows
    nodes.check()
    assert nodes.is_leaf[snapshot.leaf].all()
    np.testing.assert_array_equal(snapshot.leaf, settle(snapshot.rows, snapshot.home, nodes))
    assert sum(len(snapshot.live_rows[snapshot.leaf[live] == leaf]) for leaf in nodes.leaves) == len(snapshot)
    if snapshot.packed is not None:
        assert snapshot.packed.nodes is nodes or snapshot.small
        assert snapshot.packed.base <= len(snapshot.table)


@pytest.mark.parametrize("scan", [LeafScan.FLAT, LeafScan.PQ])
@pytest.mark.parametrize("flat_below", [0, 10_000])
def test_delete_undoes_add(scan, flat_below):
    snapshot = build(mixture(600, 16), flat_below=flat_below, n_leaves=20, leaf_scan=scan)
    more = add(snapshot, mixture(40, 16, seed=1), np.arange(600, 640))
    assert (more.search(more.rows[600:], 1, recall=0.99)[0][:, 0] == np.arange(600, 640)).mean() > 0.95
    back = updates.delete(more, np.arange(600, 640))
    for recall in (0.9, 1.0):
        assert answers(back, QUERIES, 8, recall=recall) == answers(snapshot, QUERIES, 8, recall=recall)
    assert len(back) == len(snapshot) == 600


def test_a_deleted_id_is_gone_and_may_come_again():
    snapshot = build(mixture(50, 4))
    less = updates.delete(snapshot, np.array([7]))
    assert 7 not in answers(less, snapshot.rows[7:8], 50)[0][0]
    with pytest.raises(UnknownIdError, match=r"such as \[7\]"):
        updates.delete(less, np.array([8, 7]))
    assert len(less) == 49  # 8 is still there
    again = add(less, snapshot.rows[7:8], [7])
    assert answers(again, snapshot.rows[7:8], 1)[0] == [[7]]
    assert again.ids.rows_of([7]).tolist() == [50]


def test_compaction_drops_the_dead_and_keeps_the_answers():
    snapshot = build(mixture(900, 16), flat_below=0, n_leaves=20)
    snapshot = add(snapshot, mixture(60, 16, seed=1), np.arange(900, 960))
    half = updates.delete(snapshot, np.arange(0, 480))
    compact = updates.delete(half, np.arange(480, 490))
    assert len(half.table) == 960
    assert len(compact.table) == len(compact) == 470
    for recall in (0.9, 1.0):
        expected = answers(half, QUERIES, 5, recall=recall, mask=half.ids.values >= 490)
        if recall == 1.0:
            assert answers(compact, QUERIES, 5, recall=recall) == expected
    sound(compact)
    assert compact.seq[0] == 490
    assert compact.tuned is half.tuned  # nobody waits for new settings here: upkeep makes them


def test_everything_may_go_and_come_back():
    snapshot = build(mixture(100, 8), flat_below=0)
    empty = updates.delete(snapshot, np.arange(100))
    assert len(empty) == 0
    assert answers(empty, snapshot.rows[:2], 3)[0] == [[-1] * 3] * 2
    assert len(reload(empty)) == 0
    full = add(empty, mixture(100, 8), np.arange(100))
    assert answers(full, snapshot.rows[:5], 3, recall=1.0) == answers(snapshot, snapshot.rows[:5], 3, recall=1.0)


def test_large_leaves_split_to_size():
    snapshot = build(mixture(400, 8), flat_below=0, n_leaves=10)
    crowd = (mixture(1, 8)[0] + 0.3 * np.random.default_rng(0).normal(size=(500, 8))).astype(np.float32)
    grown = add(snapshot, crowd, np.arange(400, 900))
    sound(grown)
    sizes = np.bincount(grown.leaf, minlength=len(grown.nodes))
    assert len(grown.nodes.leaves) > len(snapshot.nodes.leaves)
    assert sizes.max() <= 4 * 90
    old = len(snapshot.nodes)
    split = np.flatnonzero(grown.nodes.is_leaf[:old] != snapshot.nodes.is_leaf)
    assert len(split)
    assert (grown.nodes.parent[:old] == snapshot.nodes.parent).all()  # numbers stay; new nodes come behind
    went = np.flatnonzero(grown.home[:400] != snapshot.home)  # nobody but rows that are nearer to a new leaf
    assert set(went.tolist()) <= set(grown.table.moves.seq.tolist())
    for row in went.tolist():
        far = {leaf: np.linalg.norm(grown.rows[row] - grown.nodes.centroid[leaf]) for leaf in grown.nodes.leaves}
        assert far[grown.leaf[row]] < far[snapshot.leaf[row]]
    assert grown.nodes.count[grown.nodes.root] == 900
    assert (grown.search(crowd[:50], 1, recall=0.99)[0][:, 0] >= 400).all()


def test_lists_follow_a_split_at_once():
    snapshot = build(mixture(1_000, 16), flat_below=0, n_leaves=20, split_factor=1.5)
    largest = np.bincount(snapshot.leaf).argmax()
    crowd = snapshot.rows[snapshot.leaf == largest][:40] + np.float32(0.01)
    grown = add(snapshot, crowd, np.arange(1_000, 1_000 + len(crowd)))
    assert len(grown.nodes) > len(snapshot.nodes)
    assert grown.packed.nodes is grown.nodes
    assert grown.packed.coder is snapshot.packed.coder  # not tuned anew
    assert (grown.search(crowd, 1, recall=0.99)[0][:, 0] >= 1_000).mean() > 0.9


def test_a_leaf_of_identical_rows_never_splits_and_loses_nothing():
    snapshot = build(mixture(200, 4), flat_below=0, n_leaves=8)
    same = np.repeat(mixture(1, 4, seed=3), 1_000, axis=0)
    grown = add(snapshot, same, np.arange(200, 1_200))
    again = add(grown, same[:5], np.arange(1_200, 1_205))
    sound(again)
    rows, distances = again.search(same[:1], 1_005, recall=1.0)
    assert (distances == 0).all()
    assert sorted(rows[0].tolist()) == list(range(200, 1_205))


def test_near_duplicates_come_to_rest():
    snapshot = build(mixture(100, 4), flat_below=0, n_leaves=4)
    rng = np.random.default_rng(0)
    hub = mixture(1, 4, seed=3) + 1e-6 * rng.normal(size=(1_000, 4)).astype(np.float32)
    grown = add(snapshot, hub, np.arange(100, 1_100))
    sound(grown)
    assert len(grown) == 1_100


def test_settling_after_a_second_split_is_what_loading_does():
    snapshot = build(mixture(200, 4), n_leaves=2, split_factor=1.5)
    snapshot = replace(snapshot, config=replace(snapshot.config, n_leaves=None))
    for step in range(6):
        x = mixture(300, 4, seed=10 + step, spread=0.2 + 0.1 * step)
        snapshot = add(snapshot, x, np.arange(200 + 300 * step, 500 + 300 * step))
        sound(snapshot)
        np.testing.assert_array_equal(reload(snapshot).leaf, snapshot.leaf)
    twice = [h for h in np.unique(snapshot.home) if len(snapshot.nodes.leaves_under(h)) > 2]
    assert twice  # some leaf was split, and one below it again


def test_settle_goes_below_home_to_the_nearest():
    snapshot = build(mixture(200, 4), n_leaves=16)
    nodes = snapshot.nodes
    home = nodes.children[nodes.root][np.arange(200) % 2].astype(np.int64)
    settled = settle(snapshot.rows, home, nodes)
    for row in range(200):
        below = nodes.leaves_under(home[row])
        gaps = np.linalg.norm(nodes.centroid[below] - snapshot.rows[row], axis=1)
        assert settled[row] in below[gaps <= gaps.min() + 1e-6]
    with pytest.raises(CorruptIndexError, match="should be nodes"):
        settle(snapshot.rows[:1], np.array([len(nodes)]), nodes)


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("scan", [LeafScan.FLAT, LeafScan.PQ])
def test_loading_gives_the_same_answers(metric, scan):
    table = pa.table({"n": np.arange(800)})
    snapshot = build(mixture(800, 16), metric, payload=table, flat_below=0, n_leaves=20, leaf_scan=scan)
    more = pa.table({"n": np.arange(800, 830)})
    snapshot = updates.delete(add(snapshot, mixture(30, 16, seed=1), np.arange(800, 830), more), np.arange(5, 300, 3))
    loaded = reload(snapshot)
    queries = metric.prepare(QUERIES)
    for how in ({"recall": 0.8}, {"recall": 0.95}, {"recall": 1.0}, {"nprobe": 3}):
        assert answers(loaded, queries, 10, **how) == answers(snapshot, queries, 10, **how)
    assert loaded.payload["n"].to_pylist() == loaded.ids.values.tolist()
    assert loaded.state() == snapshot.state()
    sound(loaded)


def test_loading_without_a_state_measures_anew():
    snapshot = build(mixture(800, 16), flat_below=0, n_leaves=20)
    live, table = snapshot.live_rows, snapshot.table
    stored = updates.NewRows(snapshot.rows[live], snapshot.ids.values[live], table.points.values[live])
    how = {"decode": snapshot.decode, "config": snapshot.config, "metric": snapshot.metric}
    loaded = updates.load(stored, snapshot.home, snapshot.seq, snapshot.nodes, **how)
    assert loaded.state() == snapshot.state()
    for home, seq, state, message in (
        (snapshot.home[:5], snapshot.seq, None, "of each value by rising seq"),
        (snapshot.home, snapshot.seq[::-1], None, "by rising seq"),
        (snapshot.home + 1_000, snapshot.seq, None, "should be nodes"),
        (snapshot.home, snapshot.seq, {}, "lacks 'tuned'"),
        (snapshot.home, snapshot.seq, snapshot.state() | {"tuned": {"points": 3}}, "operating points"),
        (snapshot.home, snapshot.seq, snapshot.state() | {"coder": {"dim": 3}}, "codebook"),
    ):
        with pytest.raises(CorruptIndexError, match=message):
            updates.load(stored, home, seq, snapshot.nodes, state=state, **how)


def test_payload_columns_may_come_in_another_order():
    snapshot = build(mixture(3, 4), payload=pa.table({"a": [1, 2, 3], "b": ["x", "y", "z"]}))
    grown = add(snapshot, mixture(1, 4), [3], pa.table({"b": ["w"], "a": pa.array([4], pa.int32())}))
    assert grown.payload.to_pydict() == {"a": [1, 2, 3, 4], "b": ["x", "y", "z", "w"]}


def test_growing_past_the_flat_size_starts_the_leaves():
    snapshot = build(mixture(400, 16), flat_below=500)
    assert snapshot.packed is None
    assert snapshot.explain(QUERIES[:1], 5).exact
    grown = add(snapshot, mixture(1_600, 16, seed=1), np.arange(400, 2_000))
    assert grown.tuned.points
    assert not grown.explain(QUERIES[:1], 5, 0.8).exact
    truth = np.argsort(slow_distances(QUERIES, grown.rows, Metric.L2), axis=1)[:, :10]
    rows, _ = grown.search(QUERIES, 10, recall=0.9)
    assert np.mean([np.isin(a, b).mean() for a, b in zip(rows, truth, strict=True)]) > 0.85
    later = add(grown, mixture(1_500, 16, seed=2), np.arange(2_000, 3_500))
    assert later.tuned.n_live == 3_500  # grown by half: measured again


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda s: add(s, s.rows[:2], [900, 3]), DuplicateIdError, r"such as \[3\]"),
        (lambda s: add(s, s.rows[:2], np.array(["a", "b"], object)), InputError, "should be integers"),
        (lambda s: add(s, np.ones((2, 5), np.float32), [900, 901]), InputError, "4 and 3 dimensions"),
        (lambda s: updates.add(s, s.rows[:2], np.array([900]), ball(s.rows[:2])), InputError, "one for each row"),
        (lambda s: updates.add(s, s.rows[:0], np.arange(0), ball(s.rows[:0])), EmptyInputError, "at least one point"),
        (lambda s: add(s, s.rows[:1], [900], pa.table({"b": [1]})), InputError, "columns of the index"),
        (lambda s: add(s, s.rows[:1], [900]), InputError, "columns of the index"),
        (lambda s: add(s, s.rows[:1], [900], pa.table({"a": ["x"]})), InputError, "types of the index"),
        (lambda s: add(s, s.rows[:1], [900], pa.table({"a": [1, 2]})), InputError, "payload should have 1 rows"),
        (lambda s: updates.delete(s, np.array([3, 900])), UnknownIdError, r"such as \[900\]"),
    ],
)
def test_a_refused_change_changes_nothing(change, error, message):
    snapshot = build(mixture(60, 4), payload=pa.table({"a": np.arange(60)}))
    before = answers(snapshot, snapshot.rows[:5], 60)
    with pytest.raises(error, match=message):
        change(snapshot)
    assert answers(snapshot, snapshot.rows[:5], 60) == before
    after = add(snapshot, snapshot.rows[:1], [900], pa.table({"a": [60]}))
    assert after.payload["a"].to_pylist() == list(range(61))


def test_readers_keep_their_snapshot_while_a_writer_adds():
    snapshot = build(mixture(1_200, 16), flat_below=0, n_leaves=30, tail_rows=40, num_threads=1)
    expected = answers(snapshot, QUERIES, 10, recall=0.9)
    failures, done = [], threading.Event()

    def read():
        while not done.is_set():
            if answers(snapshot, QUERIES, 10, recall=0.9) != expected:
                failures.append("another answer")

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    newest = snapshot
    for step in range(12):
        newest = add(newest, mixture(25, 16, seed=step), np.arange(1_200 + 25 * step, 1_225 + 25 * step))
        newest = updates.delete(newest, np.arange(30 * step, 30 * step + 30))
    done.set()
    for reader in readers:
        reader.join()
    assert not failures
    assert answers(snapshot, QUERIES, 10, recall=0.9) == expected
    sound(newest)


def test_an_index_grows_out_of_being_compared_whole_and_back():
    """1,000 rows of 256 dimensions are; one more row and there are leaves to go through."""
    x = mixture(1_002, 256)
    whole = build(x[:1_000])
    assert whole.small
    assert whole.packed is None
    grown = add(whole, x[1_000:], [5_000, 5_001])
    assert not grown.small
    assert grown.packed is not None
    assert grown.tuned.lookup(10, 0.95) is not None
    back = updates.delete(grown, np.array([5_000, 5_001]))
    assert back.small
    queries = mixture(20, 256, seed=50)
    for mine, its in zip(answers(back, queries, 10), answers(whole, queries, 10), strict=True):
        np.testing.assert_array_equal(mine, its)
    for snapshot in (whole, grown, back):
        for mine, its in zip(answers(reload(snapshot), queries, 10), answers(snapshot, queries, 10), strict=True):
            np.testing.assert_array_equal(mine, its)


class IndexAgainstBruteForce(RuleBasedStateMachine):
    """Adds with duplicates and crowds, deletes and reloads, beside a dict of vectors."""

    pool = np.concatenate([mixture(25, 3, seed=1), np.zeros((1, 3), np.float32)])

    @initialize(
        flat_below=st.sampled_from([0, 50, 10_000]), scan=st.sampled_from(LeafScan), metric=st.sampled_from(Metric)
    )
    def start(self, flat_below, scan, metric):
        first = mixture(20, 3, seed=2)
        self.snapshot = build(
            first, metric, flat_below=flat_below, leaf_scan=scan, n_leaves=6, split_factor=2.0, tail_rows=7
        )
        self.model = dict(enumerate(self.snapshot.rows.copy()))
        self.older = (self.snapshot, self.look(self.snapshot))
        self.next_id = len(first)

    def look(self, snapshot):
        return answers(snapshot, snapshot.metric.prepare(self.pool[::5]), 7, recall=1.0)

    @rule(
        picks=st.lists(st.integers(0, 25), min_size=1, max_size=12),
        copies=st.sampled_from([1, 1, 1, 9]),
        spread=st.sampled_from([0.0, 1e-6, 0.1]),
        seed=st.integers(0, 99),
    )
    def add(self, picks, copies, spread, seed):
        x = np.repeat(self.pool[picks], copies, axis=0)
        x = (x + spread * np.random.default_rng(seed).normal(size=x.shape)).astype(np.float32)
        new = np.arange(self.next_id, self.next_id + len(x))
        self.older = (self.snapshot, self.look(self.snapshot))
        self.snapshot = add(self.snapshot, x, new)
        self.model |= dict(zip(new.tolist(), self.snapshot.metric.prepare(x), strict=True))
        self.next_id += len(x)

    @precondition(lambda self: self.model)
    @rule(share=st.sampled_from([0.1, 0.6, 1.0]), seed=st.integers(0, 99))
    def delete(self, share, seed):
        known = np.array(sorted(self.model))
        gone = np.random.default_rng(seed).choice(known, max(1, int(share * len(known))), replace=False)
        self.older = (self.snapshot, self.look(self.snapshot))
        self.snapshot = updates.delete(self.snapshot, gone)
        for one in gone.tolist():
            del self.model[one]

    @rule()
    def save_and_load(self):
        loaded, queries = reload(self.snapshot), self.snapshot.metric.prepare(self.pool)
        for recall in (0.8, 1.0):
            assert answers(loaded, queries, 4, recall=recall) == answers(self.snapshot, queries, 4, recall=recall)
        self.snapshot = loaded

    @invariant()
    def answers_are_those_of_brute_force(self):
        snapshot, k = self.snapshot, 6
        sound(snapshot)
        assert set(snapshot.ids.values[snapshot.live_rows].tolist()) == set(self.model)
        queries = snapshot.metric.prepare(self.pool[:9])
        for recall in (0.9, 1.0):
            ids, distances = answers(snapshot, queries, k, recall=recall)
            expected = min(k, len(self.model))
            assert all(len(set(row) - {-1}) == expected for row in ids)
            if recall == 1.0 and self.model:
                true = slow_distances(queries, np.array(list(self.model.values())), snapshot.metric)
                best = np.sort(true, axis=1)[:, :expected]
                np.testing.assert_allclose(np.array(distances)[:, :expected], best, rtol=1e-4, atol=1e-4)

    @invariant()
    def the_older_snapshot_answers_as_before(self):
        snapshot, before = self.older
        assert self.look(snapshot) == before

    @precondition(lambda self: self.model)
    @rule()
    def tree_holds_every_point(self):
        tree = full_tree(self.snapshot)
        assert tree.n == len(self.model)
        for node in np.unique(self.snapshot.leaf[self.snapshot.live_rows]):
            members = np.flatnonzero(self.snapshot.leaf[self.snapshot.live_rows] == node)
            assert tree.sizes[int(tree.lca(members, members[0]).max())] == len(members)


TestIndexAgainstBruteForce = IndexAgainstBruteForce.TestCase
TestIndexAgainstBruteForce.settings = settings(max_examples=60, stateful_step_count=14, deadline=None)


@pytest.mark.parametrize(("flat_below", "told"), [(1_000, ["leaves"]), (0, ["leaves", "codes", "settings"])])
def test_a_build_tells_of_its_stages(flat_below, told):
    x, heard = mixture(600, 6), Heard()
    names, config = np.arange(600), IndexConfig(flat_below=flat_below)
    updates.build(x, names, ball(x), decode=Decode.WARD, config=config, metric=Metric.L2, progress=heard)
    assert heard.stages == [(stage, 1) for stage in told]
    assert heard.done == 1
