"""The nodes: one binary tree whose leaves partition the rows."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from index_cases import ball, build, mixture, points_for

from hierindex.decode import Decode, decode, klein_to_poincare
from hierindex.errors import CorruptIndexError, InputError
from hierindex.index.config import IndexConfig, LeafScan
from hierindex.index.nodes import Nodes
from hierindex.index.partition import cells, divide, group_sums
from hierindex.index.structure import full_tree, top_tree


def random_nodes(rng, n_leaves):
    """A random binary tree with parents in no order."""
    parent, height, tops = [-1] * n_leaves, [0.0] * n_leaves, list(range(n_leaves))
    while len(tops) > 1:
        a, b = (tops.pop(int(rng.integers(len(tops)))) for _ in range(2))
        parent[a] = parent[b] = len(parent)
        parent.append(-1)
        height.append(max(height[a], height[b]) + float(rng.integers(0, 2)))
        tops.append(len(parent) - 1)
    renumber = rng.permutation(len(parent))
    moved = np.full(len(parent), -1)
    moved[renumber] = [renumber[p] if p >= 0 else -1 for p in parent]
    heights = np.zeros(len(parent))
    heights[renumber] = height
    zeros = np.zeros((len(parent), 2), np.float32)
    return Nodes(moved.astype(np.int64), heights, zeros, zeros, np.zeros(len(parent), np.int64))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 60), st.integers(1, 9), st.integers(1, 70), st.booleans(), st.integers(0, 10**6))
def test_sums_of_groups_are_those_of_their_rows(n, k, at_once, chosen, seed):
    rng = np.random.default_rng(seed)
    x, group = rng.normal(size=(80, 3)).astype(np.float32), rng.integers(k, size=n)
    some = rng.choice(80, n, replace=False) if chosen else None
    counts, sums = group_sums(x, group, k, some=some, at_once=at_once)
    rows = x[:n] if some is None else x[some]
    assert counts.tolist() == [int((group == each).sum()) for each in range(k)]
    np.testing.assert_allclose(
        sums, [rows[group == each].sum(axis=0, dtype=np.float64) for each in range(k)], atol=1e-9
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(0, 10**6))
def test_cuts_are_nested_partitions_and_spans_are_what_is_below(n_leaves, seed):
    nodes = random_nodes(np.random.default_rng(seed), n_leaves)
    nodes.check()
    assert sorted(nodes.leaves.tolist()) == np.flatnonzero(nodes.is_leaf).tolist()
    before = None
    for width in range(1, n_leaves + 1):
        cut = nodes.cut(width)
        assert len(cut) == width
        assert (
            np.concatenate([nodes.leaves_under(node) for node in cut]).tolist() == nodes.leaves.tolist()
        )  # from left to right, each leaf once
        assert before is None or len(set(cut.tolist()) - set(before)) == 2
        before = cut.tolist()
    for leaf in nodes.leaves.tolist():
        path = nodes.path(leaf)
        assert path[0] == nodes.root
        assert len(path) == nodes.depth[leaf] + 1
        assert all(leaf in nodes.leaves_under(node) for node in path)
        assert nodes.leaves[nodes.leaf_position[leaf]] == leaf


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.integers(0, 10**6))
def test_the_tree_over_kept_leaves_keeps_their_ancestors(n_leaves, seed):
    rng = np.random.default_rng(seed)
    nodes = random_nodes(rng, n_leaves)
    kept = np.flatnonzero(nodes.is_leaf)
    kept = np.sort(rng.choice(kept, int(rng.integers(1, len(kept) + 1)), replace=False))
    tree, leaves = top_tree(nodes, kept)
    assert sorted(leaves.tolist()) == kept.tolist()
    for i, a in enumerate(leaves.tolist()):
        for j, b in enumerate(leaves.tolist()):
            common = [x for x, y in zip(nodes.path(a), nodes.path(b), strict=False) if x == y][-1]
            expected = 0.0 if i == j else nodes.height[common]
            assert tree.heights[tree.lca(i, j)] == expected


def test_counts_add_up():
    nodes = random_nodes(np.random.default_rng(0), 9)
    leaf = np.random.default_rng(1).choice(nodes.leaves, 100)
    counts = nodes.counts(leaf)
    assert counts[nodes.root] == 100
    for node in np.flatnonzero(~nodes.is_leaf):
        assert counts[node] == counts[nodes.children[node]].sum()


def damaged(name):
    nodes = random_nodes(np.random.default_rng(3), 6)
    parent = nodes.parent.copy()
    inner = [n for n in np.flatnonzero(~nodes.is_leaf) if n != nodes.root]
    if name == "two roots":
        parent[nodes.leaves[0]] = -1
    elif name == "range":
        parent[0] = 99
    elif name == "one child":
        parent[nodes.leaves[0]] = next(n for n in inner if n != parent[nodes.leaves[0]])
    values = {"parent": parent}
    if name == "NaN":
        values = {"centroid": np.full_like(nodes.centroid, np.nan)}
    elif name == "length":
        values = {"height": nodes.height[:-1]}
    elif name == "height":
        values = {"height": np.where(nodes.is_leaf, 1e9, nodes.height)}
    return replace(nodes, **values)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("two roots", "one root"),
        ("range", "parents in"),
        ("one child", "two children or none"),
        ("NaN", "finite values in centroid"),
        ("length", "of each value"),
        ("height", "heights below"),
    ],
)
def test_damaged_nodes_are_refused(name, message):
    with pytest.raises(CorruptIndexError, match=message):
        damaged(name).check()


def test_a_cycle_away_from_the_root_is_refused():
    zeros = np.zeros((7, 1), np.float32)
    parent = np.array([-1, 0, 0, 4, 3, 3, 4])  # 3 and 4 are each other's parents
    with pytest.raises(CorruptIndexError, match="no cycles"):
        Nodes(parent, np.zeros(7), zeros, zeros, np.zeros(7, np.int64)).check()


@pytest.mark.parametrize(("call", "found"), [("cut", 0), ("cut", 7), ("path", 11), ("leaves_under", -1)])
def test_nodes_that_do_not_exist(call, found):
    nodes = random_nodes(np.random.default_rng(0), 6)
    with pytest.raises(InputError, match=f"found {found}"):
        getattr(nodes, call)(found)


@pytest.mark.parametrize("flat_below", [0, 10_000])
@pytest.mark.parametrize("kind", list(Decode))
def test_leaves_partition_the_rows_and_nodes_are_their_means(flat_below, kind):
    snapshot = build(mixture(700, 6), flat_below=flat_below, n_leaves=22, decode=kind)
    nodes, points = snapshot.nodes, points_for(snapshot.rows, kind)
    nodes.check()
    assert nodes.is_leaf[snapshot.leaf].all()
    assert nodes.count[nodes.root] == 700
    for node in range(len(nodes)):
        members = np.isin(snapshot.leaf, nodes.leaves_under(node))
        assert members.sum() == nodes.count[node] > 0
        np.testing.assert_allclose(nodes.centroid[node], snapshot.rows[members].mean(axis=0), atol=1e-4)
        expected = klein_to_poincare(points[members].mean(axis=0, dtype=np.float64)[None])[0]
        np.testing.assert_allclose(nodes.ball[node], expected, atol=1e-4)
        assert np.linalg.norm(nodes.ball[node]) <= 1


def test_small_sets_have_subtrees_of_the_decode_as_leaves():
    snapshot = build(mixture(400, 5))
    whole = decode(ball(snapshot.rows), Decode.WARD)
    np.testing.assert_array_equal(snapshot.leaf, whole.cut(20))
    joined = full_tree(snapshot)
    for k in (2, 5, 20):  # the leaves' own trees are decoded again and come out as they were
        a, b = whole.cut(k), joined.cut(k)
        assert len(np.unique(np.stack([a, b]), axis=1).T) == k
    np.testing.assert_allclose(joined.linkage[:, 2], whole.linkage[:, 2], rtol=1e-5, atol=1e-6)


def test_a_large_set_has_the_tree_of_its_cells_on_top():
    snapshot = build(mixture(900, 8), flat_below=100)
    tree = full_tree(snapshot, ball(snapshot.rows))
    leaves = snapshot.nodes.leaves
    assert tree.n == 900
    assert 15 <= len(leaves) <= 40
    for node in leaves:  # every leaf of the index is one node of the tree
        members = np.flatnonzero(snapshot.leaf == node)
        common = members[0]
        for row in members:
            common = int(tree.lca(common, row))
        assert tree.sizes[common] == len(members)


def test_held_out_rows_do_not_shape_the_cells():
    x, config = mixture(500, 4), IndexConfig(n_leaves=20)
    held = np.arange(0, 500, 10)
    shifted = x.copy()
    shifted[held] += 100
    first, second = (divide(rows, ball(x), Decode.WARD, config, held)[1] for rows in (x, shifted))
    others = np.delete(np.arange(500), held)
    same = len(np.unique(np.stack([first[others], second[others]]), axis=1).T)
    assert same == len(np.unique(first[others]))


def test_identical_rows_are_one_cell_and_none_is_lost():
    x = np.concatenate([np.zeros((50, 3)), np.ones((50, 3)), mixture(50, 3)]).astype(np.float32)
    cell = cells(x, 30, seed=0)
    assert len(cell) == 150
    assert len(set(cell[:50])) == len(set(cell[50:100])) == 1
    assert sorted(set(cell)) == list(range(cell.max() + 1))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n_leaves": 0}, "n_leaves should be an integer"),
        ({"split_factor": 1.0}, "above 1"),
        ({"seed": -1}, "seed should be"),
        ({"flat_below": -1}, "flat_below should be an integer"),
        ({"flat_below": True}, "flat_below should be an integer"),
        ({"leaf_scan": "hnsw"}, "leaf_scan should be one of"),
        ({"colour": 3}, "fields of IndexConfig"),
    ],
)
def test_settings_that_do_not_fit(values, message):
    with pytest.raises(InputError, match=message):
        IndexConfig.from_json(values)


def test_settings_travel_as_json():
    config = IndexConfig(flat_below=7, leaf_scan=LeafScan.FLAT, split_factor=2.5, num_threads=3)
    assert IndexConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("dim", "rows"), [(1, 4_000), (64, 4_000), (100, 2_560), (128, 2_000), (256, 1_000), (4_096, 1_000)]
)
def test_how_many_rows_are_compared_whole_goes_by_their_dimension(dim, rows):
    assert IndexConfig().flat_up_to(dim) == rows
    assert IndexConfig(flat_below=7).flat_up_to(dim) == 7


def test_what_is_left_open_is_not_stored():
    """So that whoever opens the index goes by its own measure."""
    assert "flat_below" not in IndexConfig().to_json()
    assert IndexConfig.from_json(IndexConfig().to_json()) == IndexConfig()
