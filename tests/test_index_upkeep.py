"""Upkeep: an index that changed is as good as one built today, no row is lost, and steps come to an end."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from index_cases import add, answers, build, mixture, points_for, reload, slow_distances

from hierindex.decode import Decode, poincare_to_klein
from hierindex.errors import CorruptIndexError, InputError
from hierindex.index import updates, upkeep
from hierindex.index.dissolving import dissolved, room_for
from hierindex.index.moves import Moves
from hierindex.index.nodes import RETIRED
from hierindex.index.reassign import attracted, centred, resettled
from hierindex.index.reshape import drawn_anew, without
from hierindex.index.structure import full_tree
from hierindex.index.watch import code_errors, codes_drifted
from hierindex.vectors import Metric

QUERIES = mixture(40, 16, seed=5)


def grown(n=3_000, topics=4, seed=0, **config):
    """An index of one topic that others came to: what adding alone makes of it."""
    rng = np.random.default_rng(seed)
    centres = 6 * rng.normal(size=(topics, 16))
    rows = np.concatenate([c + rng.normal(size=(n // topics, 16)) for c in centres]).astype(np.float32)
    first = n // topics
    snapshot = build(rows[:first], flat_below=0, tune_queries=50, **config)
    for at in range(first, len(rows), 400):
        ids = np.arange(at, min(at + 400, len(rows)))
        snapshot = add(snapshot, rows[ids], ids)
    return snapshot


def finished(snapshot, leaves=64):
    """After all of upkeep, and what it did."""
    total = updates.Maintained()
    for _ in range(60):
        snapshot, done = updates.maintain(snapshot, leaves)
        total = total.then(done)
        sound(snapshot)
        if done.split or done.dissolved or done.centred or done.redrawn:
            kept = ~snapshot.nodes.retired
            counts = snapshot.nodes.counts(snapshot.leaf[snapshot.live_rows])
            np.testing.assert_array_equal(snapshot.nodes.count[kept], counts[kept])
        if done.nothing:
            assert not total.left
            return snapshot, total
    raise AssertionError(f"upkeep should come to an end; {total}")


def sound(snapshot):
    """The tree is one, every row is in a leaf, and in the one that a reload puts it into."""
    nodes, table = snapshot.nodes, snapshot.table
    nodes.check()
    assert nodes.is_leaf[snapshot.leaf].all()
    live = snapshot.live_rows
    again = reload(snapshot)
    np.testing.assert_array_equal(again.leaf, snapshot.leaf[live])
    np.testing.assert_array_equal(table.moves.homes(snapshot.seq, snapshot.home), snapshot.home)
    assert full_tree(snapshot).n == len(snapshot)


def sizes(snapshot):
    return np.bincount(snapshot.leaf[snapshot.live_rows], minlength=len(snapshot.nodes))[snapshot.nodes.leaves]


def test_upkeep_makes_the_leaves_that_a_rebuild_would():
    old = grown(topics=10, split_factor=8.0)
    new, done = finished(old)
    anew = build(old.rows, flat_below=0, tune_queries=50)
    assert done.split
    assert done.redrawn
    wanted = new.config.leaf_size(len(new))
    assert sizes(new).max() <= 2 * wanted < sizes(old).max()
    spread = [within(s) for s in (old, new, anew)]
    assert spread[1] < 1.05 * spread[2]
    assert spread[1] < spread[0]
    assert len(new.nodes.leaves) > 0.7 * len(anew.nodes.leaves)


def within(snapshot):
    """Mean squared distance of rows from their leaf's centroid."""
    return float(((snapshot.rows - snapshot.nodes.centroid[snapshot.leaf]) ** 2).sum(axis=1).mean())


def test_after_upkeep_every_row_is_in_the_nearest_leaf_or_next_to_it():
    new, _ = finished(grown())
    far = slow_distances(new.rows, new.nodes.leaf_centroids, Metric.L2)
    nearest = new.nodes.leaves[far.argmin(axis=1)]
    assert (nearest == new.leaf).mean() > 0.97


@given(seed=st.integers(0, 2**16), leaves=st.integers(1, 9), gone=st.integers(0, 800), topics=st.integers(2, 5))
@settings(max_examples=12)
def test_upkeep_changes_no_answer_of_an_exact_search_and_ends(seed, leaves, gone, topics):
    old = grown(900, topics, seed, leaf_scan="flat")
    dead = np.random.default_rng(seed).choice(len(old), min(gone, len(old) - 5), replace=False)
    old = updates.delete(old, dead.astype(np.int64)) if len(dead) else old
    new, _ = finished(old, leaves)
    assert answers(new, QUERIES, 7, recall=1.0) == answers(old, QUERIES, 7, recall=1.0)
    everywhere = len(new.nodes.leaves)
    assert answers(new, QUERIES, 7, nprobe=everywhere) == answers(new, QUERIES, 7, recall=1.0)


def test_small_leaves_are_dissolved_after_deletes_and_nothing_is_lost():
    old = build(mixture(2_000, 16), flat_below=0, n_leaves=60)
    left = np.isin(old.leaf, old.nodes.leaves[::4])
    keep = left | (np.random.default_rng(0).random(2_000) < 0.03)
    old = updates.delete(old, np.flatnonzero(~keep).astype(np.int64))
    new, done = finished(old)
    assert done.dissolved
    assert sorted(new.ids.values[new.live_rows]) == sorted(old.ids.values[old.live_rows])
    retired = np.flatnonzero(new.nodes.retired)
    assert not np.isin(new.leaf, retired).any()
    with pytest.raises(InputError, match=f"found {retired[0]}, which upkeep has taken out; start at the root"):
        new.nodes.path(int(retired[0]))


def test_removed_rows_are_left_out():
    old = updates.delete(build(mixture(1_000, 16), flat_below=0, n_leaves=20), np.arange(0, 900, 3))
    assert len(old.table) > len(old)
    new, done = finished(old)
    assert done.compacted == 1
    assert len(new.table) == len(new) == 700
    few = updates.delete(new, new.ids.values[:20])
    assert finished(few)[1].compacted == 0


def test_a_tree_without_a_leaf_is_the_tree_of_the_others():
    nodes = build(mixture(300, 16), flat_below=0, n_leaves=12).nodes
    for leaf in nodes.leaves.tolist():
        left = without(nodes, leaf)
        left.check()
        assert set(left.leaves.tolist()) == {*nodes.leaves.tolist()} - {leaf}
        assert (left.parent == RETIRED).sum() == 2
        for a in left.leaves[:4].tolist():
            kept = [node for node in nodes.path(a) if not left.retired[node]]
            assert left.path(a) == kept  # the order above the others is what it was


def test_new_topics_become_branches():
    rng = np.random.default_rng(0)
    side = np.zeros(16)
    side[0] = 40
    first = (rng.normal(size=(600, 16)) + side).astype(np.float32)
    other = (rng.normal(size=(600, 16)) - side).astype(np.float32)
    snapshot = build(first, flat_below=0, n_leaves=24, tune_queries=20)
    snapshot = add(snapshot, other, np.arange(600, 1_200))
    new, done = finished(snapshot)
    assert done.redrawn == 1
    left, right = new.nodes.children[new.nodes.root].tolist()
    below = np.isin(new.leaf, new.nodes.leaves_under(left))
    topic = np.arange(1_200) >= 600
    assert (below == topic).all() or (below != topic).all()
    assert right not in new.nodes.leaves_under(left)


@pytest.mark.parametrize("kind", [Decode.WARD, Decode.AVERAGE, Decode.CIRCLE_WARD, Decode.CIRCLE_SINGLE])
def test_a_tree_drawn_anew_keeps_leaves_counts_and_means(kind):
    nodes = build(mixture(400, 16), decode=kind, flat_below=0, n_leaves=15).nodes
    new = drawn_anew(nodes, kind)
    new.check()
    assert sorted(new.leaves.tolist()) == sorted(nodes.leaves.tolist())
    np.testing.assert_array_equal(new.centroid[nodes.leaves], nodes.centroid[nodes.leaves])
    assert new.count[new.root] == nodes.count[nodes.root]
    np.testing.assert_allclose(new.centroid[new.root], nodes.centroid[nodes.root], atol=1e-4)
    np.testing.assert_allclose(new.ball[new.root], nodes.ball[nodes.root], atol=1e-4)
    alone = build(mixture(5, 16), flat_below=0, n_leaves=1).nodes
    assert drawn_anew(alone, kind) is alone


def test_centred_nodes_are_means_of_their_rows():
    snapshot = grown()
    nodes = centred(snapshot.table, snapshot.nodes, np.sort(snapshot.nodes.leaves))
    points = points_for(snapshot.rows, snapshot.decode)
    for node in [nodes.root, *nodes.leaves[:5].tolist(), *nodes.children[nodes.root].tolist()]:
        rows = np.flatnonzero(np.isin(snapshot.leaf, nodes.leaves_under(node)))
        np.testing.assert_allclose(nodes.centroid[node], snapshot.rows[rows].mean(axis=0), atol=2e-4)
        np.testing.assert_allclose(poincare_to_klein(nodes.ball[[node]])[0], points[rows].mean(axis=0), atol=2e-4)


def test_rows_around_new_leaves_go_over_if_they_are_nearer():
    snapshot = build(mixture(500, 16), flat_below=0, n_leaves=10)
    fresh = snapshot.nodes.leaves[:1]
    away = np.flatnonzero(snapshot.leaf == fresh[0])
    elsewhere = snapshot.table.rehomed(away, np.full(len(away), snapshot.nodes.leaves[-1]))
    back = attracted(elsewhere, snapshot.nodes, fresh)
    np.testing.assert_array_equal(back.leaf.values, snapshot.leaf)
    table, moved = resettled(elsewhere, snapshot.nodes, snapshot.nodes.leaves)
    assert moved == len(away)
    np.testing.assert_array_equal(table.leaf.values, snapshot.leaf)


def test_crowds_of_equal_rows_neither_loop_nor_go():
    snapshot = build(mixture(400, 16), flat_below=0, n_leaves=10)
    same = np.repeat(mixture(1, 16, seed=3), 900, axis=0)
    snapshot = add(snapshot, same, np.arange(400, 1_300))
    new, _ = finished(snapshot)
    rows, distances = new.search(same[:1], 900, recall=1.0)
    assert (distances == 0).all()
    assert (np.unique(new.leaf[rows[0]]).size) == 1


@pytest.mark.parametrize("leaves", [1, 5, 64])
def test_crowds_of_near_duplicates_come_to_an_end(leaves):
    rows = mixture(2_000, 16)
    snapshot = build(rows, flat_below=0, n_leaves=40, tune_queries=20)
    noise = np.random.default_rng(0).normal(size=(750, 16)) / 50
    snapshot = add(snapshot, np.repeat(rows[:3], 250, axis=0) + noise, np.arange(2_000, 2_750))
    snapshot = updates.delete(snapshot, np.arange(0, 1_500, 2))
    work = 0
    while True:
        snapshot, done = updates.maintain(snapshot, leaves)
        work += done.split + done.dissolved + done.centred
        if done.nothing:
            break
    sound(snapshot)
    assert work <= 5 * len(snapshot.nodes.leaves)
    assert updates.maintain(snapshot, leaves)[0] is snapshot
    assert updates.maintain(reload(snapshot), leaves)[1].nothing
    again = add(snapshot, rows[:1], [5_000])
    assert again.worked == 0 < snapshot.worked


def test_nothing_to_do_is_the_same_snapshot():
    snapshot = build(mixture(500, 16), flat_below=0)
    new, _ = finished(snapshot)
    again, done = updates.maintain(new)
    assert again is new
    assert done.nothing
    empty = updates.delete(snapshot, np.arange(500))
    assert updates.maintain(empty)[0] is empty


def test_codes_are_watched():
    old = build(mixture(2_000, 32), flat_below=0, tune_queries=50)
    coder = old.packed.coder
    like = add(old, mixture(300, 32, seed=8), np.arange(2_000, 2_300))
    assert not codes_drifted(like.table, coder, 2_000)
    other = 3 * np.random.default_rng(3).normal(size=(300, 32)).astype(np.float32)
    strange = add(old, other, np.arange(2_000, 2_300))
    assert codes_drifted(strange.table, coder, 2_000)
    assert not codes_drifted(strange.table, None, 2_000)
    new, done = finished(strange)
    assert done.retrained
    assert new.packed.coder is not coder
    better = code_errors(new.packed.coder, other).mean() / code_errors(coder, other).mean()
    assert better < 0.97


def test_adopted_codes_and_settings_fit_what_was_added_since():
    old = build(mixture(1_000, 32), flat_below=0, tune_queries=50)
    worked = updates.retune(old)
    now = updates.delete(add(old, mixture(50, 32, seed=4), np.arange(1_000, 1_050)), np.arange(0, 20))
    new = updates.adopt(now, worked)
    assert new.tuned is worked.tuned
    np.testing.assert_array_equal(new.packed.codes.values, worked.packed.coder.encode(now.rows))
    assert answers(new, QUERIES[:, :1].repeat(32, 1), 5, recall=1.0) == answers(
        now, QUERIES[:, :1].repeat(32, 1), 5, recall=1.0
    )
    small = build(mixture(100, 32))
    assert updates.adopt(small, updates.retune(small)) is small


moves = st.dictionaries(st.integers(0, 60), st.integers(0, 2**32 - 1), max_size=40)


@given(first=moves, then=moves)
def test_moves_are_a_dict_that_the_later_wins(first, then):
    made = Moves.none()
    for some in (first, then):
        made = made.then(np.array(list(some), np.int64), np.array(list(some.values()), np.int64))
    both = {**first, **then}
    seq = np.arange(0, 61, 2)
    expected = [both.get(int(s), -5) for s in seq]
    assert made.homes(seq, np.full(len(seq), -5)).tolist() == expected
    again = Moves.from_json(made.to_json(), most=61)
    np.testing.assert_array_equal(again.seq, made.seq)
    np.testing.assert_array_equal(again.leaf, made.leaf)
    assert made.of(seq).seq.tolist() == [s for s in sorted(both) if s % 2 == 0]


def test_moves_that_are_none_are_refused():
    good = Moves.none().then(np.arange(3), np.arange(3)).to_json()
    assert len(Moves.from_json(None, 0)) == 0
    for bad, found in (
        (good | {"n": 4}, "not 4 numbers"),
        (good | {"n": 10**12}, "where there can be 9"),
        (good | {"n": True}, "True moves"),
        (good | {"seq": "AAAA"}, "Error"),
        (good | {"leaf": 7}, "readable"),
        ({"n": 3}, "'seq'"),
        (good | {"seq": good["leaf"], "leaf": good["leaf"]}, None),
    ):
        if found is None:
            assert Moves.from_json(bad, 9).seq.tolist() == [0, 1, 3]
            continue
        with pytest.raises(CorruptIndexError, match=found):
            Moves.from_json(bad, 9)
    twice = Moves(np.array([1, 1]), np.array([0, 0])).to_json()
    with pytest.raises(CorruptIndexError, match="each row once; found one twice"):
        Moves.from_json(twice, 9)


def test_a_state_that_moves_rows_to_what_is_no_leaf_is_refused():
    snapshot, _ = finished(grown())
    retired = int(np.flatnonzero(snapshot.nodes.retired)[0])
    bad = replace(snapshot, table=snapshot.table.rehomed(np.array([0]), np.array([retired])))
    with pytest.raises(CorruptIndexError, match=f"nodes of the tree; found {retired}, which was taken out"):
        reload(bad)


def test_leaves_are_dissolved_as_one_after_the_other_would_be():
    """One look at all rows for all leaves, beside a look for each."""
    snapshot = updates.delete(grown(2_000), np.arange(0, 700))
    table, nodes, most = snapshot.table, snapshot.nodes, 400.0
    counts = sizes(snapshot)
    leaves = nodes.leaves[np.argsort(counts, kind="stable")[:12]].tolist()
    found, left, into = dissolved(table, nodes, leaves, most)
    receivers = set()
    for leaf in leaves:
        live = table.ids.live_rows
        room = most - np.bincount(nodes.leaf_position[table.leaf.values[live]], minlength=len(nodes.leaves))
        rows = np.flatnonzero(table.leaf.values == leaf)
        if not room_for(table, nodes, rows[table.ids.alive[rows]], int(nodes.leaf_position[leaf]), room):
            continue
        nodes = without(nodes, leaf)
        to = nodes.leaves[slow_distances(table.rows.values[rows], nodes.leaf_centroids, Metric.L2).argmin(axis=1)]
        table, receivers = table.rehomed(rows, to), receivers | set(to.tolist())
    assert nodes.retired.sum() > snapshot.nodes.retired.sum() + 8
    np.testing.assert_array_equal(left.parent, nodes.parent)
    for name in ("leaf", "home"):
        np.testing.assert_array_equal(getattr(found, name).values, getattr(table, name).values)
    np.testing.assert_array_equal(found.moves.seq, table.moves.seq)
    np.testing.assert_array_equal(found.moves.leaf, table.moves.leaf)
    assert into.tolist() == sorted(leaf for leaf in receivers if nodes.is_leaf[leaf])


def test_what_is_due_is_looked_for_once_a_step(monkeypatch):
    looked, search = [], upkeep._looked_for
    monkeypatch.setattr(upkeep, "_looked_for", lambda snapshot: looked.append(snapshot) or search(snapshot))
    snapshot, done, steps = grown(2_000), updates.Maintained(left=1), 0
    while done.left and steps < 4:
        snapshot, done = updates.maintain(snapshot, 4)
        steps += 1
    assert steps > 2
    assert steps <= len(looked) <= steps + 1
    assert len({id(each) for each in looked}) == len(looked)
