"""The laws of `Tree`: what it says of a linkage agrees with SciPy and with slow plain versions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster import hierarchy
from tree_samples import a_tree

from hierindex.errors import InputError
from hierindex.tree import Tree

trees = st.builds(a_tree, st.integers(1, 40), st.integers(0, 10**6), ties=st.booleans())


def slow_members(tree: Tree, node: int) -> list[int]:
    if node < tree.n:
        return [node]
    left, right = tree.linkage[node - tree.n, :2].astype(int)
    return slow_members(tree, left) + slow_members(tree, right)


def caterpillar(n: int) -> Tree:
    children = np.column_stack([np.arange(n - 1) + n - 1, np.arange(1, n)])
    children[0, 0] = 0
    return Tree.from_merges(children, np.arange(1.0, n))


@settings(max_examples=60, deadline=None)
@given(trees)
def test_the_linkage_is_valid_for_scipy_and_for_itself(tree: Tree) -> None:
    if tree.n > 1:
        hierarchy.is_valid_linkage(tree.linkage, throw=True)
    np.testing.assert_array_equal(Tree.from_linkage(tree.linkage).linkage, tree.linkage)


@settings(max_examples=60, deadline=None)
@given(trees)
def test_order_spans_sizes_and_members_agree_with_walking_down(tree: Tree) -> None:
    for node in range(2 * tree.n - 1):
        start, stop = tree.spans[node]
        walked = slow_members(tree, node)
        assert tree.order[start:stop].tolist() == walked  # left before right, each node one run
        assert tree.members(node).tolist() == walked
        assert tree.sizes[node] == len(walked)
        assert tree.heights[node] == (0 if node < tree.n else tree.linkage[node - tree.n, 2])


@settings(max_examples=60, deadline=None)
@given(trees)
def test_order_is_scipys(tree: Tree) -> None:
    if tree.n > 1:
        assert tree.order.tolist() == hierarchy.leaves_list(tree.linkage).tolist()


@settings(max_examples=60, deadline=None)
@given(trees, st.data())
def test_a_cut_partitions_the_rows_and_cuts_nest(tree: Tree, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, tree.n))
    labels, nodes = tree.cut(k), tree.nodes_at(k)
    assert sorted(np.concatenate([tree.members(node) for node in nodes])) == list(range(tree.n))
    assert [labels[tree.members(node)].tolist() for node in nodes] == [[c] * tree.sizes[v] for c, v in enumerate(nodes)]
    assert (np.diff(labels[tree.order]) >= 0).all()
    if k < tree.n:
        finer = tree.cut(k + 1)
        assert len({(a, b) for a, b in zip(labels, finer, strict=True)}) == k + 1  # each fine cluster in one coarse


def test_a_cut_is_scipys_where_heights_differ() -> None:
    linkage = hierarchy.linkage(np.random.default_rng(0).normal(size=(60, 3)), "ward")
    tree = Tree.from_linkage(linkage)
    for k in (1, 2, 7, 59, 60):
        theirs = hierarchy.fcluster(linkage, k, "maxclust")
        assert len(set(zip(tree.cut(k), theirs, strict=True))) == len(set(theirs)) == k


@settings(max_examples=60, deadline=None)
@given(trees, st.data())
def test_lca_agrees_with_the_intersection_of_paths(tree: Tree, data: st.DataObject) -> None:
    node = st.integers(0, tree.root)
    pairs = data.draw(st.lists(st.tuples(node, node), min_size=1, max_size=20))
    i, j = np.array(pairs).T
    for a, b, found in zip(i, j, tree.lca(i, j), strict=True):
        shared = [v for v, w in zip(tree.path(a), tree.path(b), strict=False) if v == w]
        assert found == shared[-1]


def test_lca_broadcasts_and_gives_scipys_cophenetic_distances() -> None:
    tree = a_tree(50, seed=3)
    all_pairs = tree.lca(np.arange(50)[:, None], np.arange(50))
    assert all_pairs.shape == (50, 50)
    i, j = np.triu_indices(50, 1)
    np.testing.assert_array_equal(tree.heights[all_pairs[i, j]], hierarchy.cophenet(tree.linkage))
    assert tree.lca(3, 3).shape == ()
    assert tree.lca(3, 3) == 3
    assert tree.lca([], 0).shape == (0,)


def test_paths_go_from_the_root_down_by_parents() -> None:
    tree = a_tree(30, seed=1)
    for leaf in range(30):
        path = tree.path(leaf)
        assert (path[0], path[-1]) == (tree.root, leaf)
        assert [tree.parents[v] for v in path] == [-1, *path[:-1]]


def test_one_leaf() -> None:
    tree = Tree.from_linkage(np.empty((0, 4)))
    assert (tree.n, tree.root, tree.path(0), tree.members(0).tolist()) == (1, 0, [0], [0])
    assert (tree.cut(1).tolist(), tree.nodes_at(1).tolist(), tree.order.tolist()) == ([0], [0], [0])
    assert (tree.parents.tolist(), tree.spans.tolist(), int(tree.lca(0, 0))) == ([-1], [[0, 1]], 0)
    assert tree.newick() == "0;"


def test_a_very_deep_tree_needs_no_recursion() -> None:
    n = 100_000
    tree = caterpillar(n)
    assert len(tree.path(0)) == n
    assert tree.order.tolist() == list(range(n))
    i = np.array([0, 5, n - 1])
    assert tree.lca(i, [1, 99, 0]).tolist() == [n, n + 98, 2 * n - 2]
    assert tree.newick(lengths=False).count("(") == n - 1


def test_arrays_are_read_only_and_the_callers_stay_writable() -> None:
    mine = np.array([[0, 1, 1.0, 2]])
    tree = Tree(mine)
    for array in (tree.linkage, tree.parents, tree.sizes, tree.heights, tree.order, tree.spans, tree.children):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7
    mine[0, 2] = 2.0  # still the caller's to change


def test_from_linkage_copies() -> None:
    mine = np.array([[0, 1, 1.0, 2]])
    tree = Tree.from_linkage(mine)
    mine[0, 2] = 9
    assert tree.linkage[0, 2] == 1


@pytest.mark.parametrize(
    ("linkage", "message"),
    [
        ([[0, 1, 1.0]], r"shape \(n-1, 4\).*found shape \(1, 3\)"),
        ([0, 1, 1.0, 2], r"found shape \(4,\)"),
        ("tree", "should be an array"),
        ([[0, 1, np.nan, 2]], "finite"),
        ([[0, 2, 1.0, 2]], r"row 0 .* from 0 to 1; found \[0.0, 2.0\]"),
        ([[0, -1, 1.0, 2]], "row 0"),
        ([[0, 0.5, 1.0, 2]], "row 0"),
        ([[0, 1, 1.0, 2], [0, 2, 2.0, 2]], "merged once; found more than once: 0"),
        ([[0, 0, 1.0, 2]], "merged once"),
        ([[0, 1, 1.0, 2], [2, 3, 2.0, 4]], "count the leaves of each merge; row 1 does not"),
        ([[0, 1, -1.0, 2]], "0 or above"),
        ([[0, 1, 2.0, 2], [2, 3, 1.0, 3]], "never decrease"),
    ],
)
def test_from_linkage_names_what_is_wrong(linkage: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Tree.from_linkage(linkage)  # type: ignore[arg-type]


@pytest.mark.parametrize("k", [0, 6, -1, 2.0, True])
def test_a_cut_that_cannot_be(k: int) -> None:
    with pytest.raises(InputError, match="from 1 to 5; found"):
        a_tree(5, seed=0).cut(k)


@pytest.mark.parametrize("node", [-1, 9, 0.5])
def test_nodes_that_do_not_exist(node: int) -> None:
    tree = a_tree(5, seed=0)
    for ask in (tree.path, tree.members, lambda v: tree.lca(0, [v])):
        with pytest.raises(InputError, match="integers from 0 to 8; found"):
            ask(node)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 30), st.integers(0, 10**6))
def test_merges_in_any_order_give_the_same_tree(n: int, seed: int) -> None:
    tree, rng = a_tree(n, seed), np.random.default_rng(seed)
    children, heights = tree.children, tree.linkage[:, 2]
    done: list[int] = []  # another order in which children come before parents
    while len(done) < n - 1:
        ready = [i for i in range(n - 1) if i not in done and all(c < n or c - n in done for c in children[i])]
        done.append(int(rng.choice(ready)))
    number = np.arange(2 * n - 1)
    number[n + np.array(done)] = np.arange(n, 2 * n - 1)
    np.testing.assert_array_equal(Tree.from_merges(number[children[done]], heights[done]).linkage, tree.linkage)


def test_merges_lower_than_their_children_are_lifted() -> None:
    tree = Tree.from_merges(np.array([[0, 1], [2, 4], [3, 5]]), np.array([2.0, 1.0, 3.0]))
    assert tree.linkage.tolist() == [[0, 1, 2, 2], [2, 4, 2, 3], [3, 5, 3, 4]]
