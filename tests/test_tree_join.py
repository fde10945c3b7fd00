"""`Tree.join`: trees hung under a tree keep every group as one node."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tree_samples import a_tree

from hierindex.errors import InputError
from hierindex.tree import Tree

PAIR = Tree.from_linkage([[0, 1, 0.5, 2]])


def shape(tree: Tree, node: int, rows: np.ndarray) -> object:
    """The nested pairs under a node, in terms of rows."""
    if node < tree.n:
        return int(rows[node])
    left, right = tree.children[node - tree.n]
    return (shape(tree, left, rows), shape(tree, right, rows))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 7), min_size=1, max_size=8), st.integers(0, 10**6))
def test_every_group_is_one_node_with_its_own_tree(sizes: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    members = np.split(rng.permutation(sum(sizes)), np.cumsum(sizes)[:-1])
    inner = [a_tree(size, seed + g, ties=bool(g % 2)) for g, size in enumerate(sizes)]
    top = a_tree(len(sizes), seed)
    tree = Tree.join(top, inner, members)

    assert tree.n == sum(sizes)
    Tree.from_linkage(tree.linkage)  # all its checks, monotone heights among them
    group_nodes = []
    for rows, own in zip(members, inner, strict=True):
        node = rows[0]
        while tree.sizes[node] < len(rows):
            node = tree.parents[node]
        group_nodes.append(node)
        assert shape(tree, node, np.arange(tree.n)) == shape(own, own.root, rows)
        assert sorted(tree.members(node)) == sorted(rows)
        assert tree.heights[node] == own.heights[own.root]
    for a in range(len(sizes)):  # the top: the same ancestors, lifted where a group is higher
        for b in range(a):
            here, above = tree.lca(group_nodes[a], group_nodes[b]), top.lca(a, b)
            assert sorted(tree.members(int(here))) == sorted(
                np.concatenate([members[g] for g in top.members(int(above))])
            )
            under = [inner[g].heights[-1] for g in top.members(int(above))]
            assert tree.heights[here] == max(top.heights[above], *under)


def test_one_group_is_its_own_tree() -> None:
    tree = Tree.join(Tree(np.empty((0, 4))), [PAIR], [np.array([1, 0])])
    assert tree.linkage.tolist() == [[1, 0, 0.5, 2]]


def test_groups_of_one_leave_the_top_renamed() -> None:
    one = Tree(np.empty((0, 4)))
    assert Tree.join(PAIR, [one, one], [np.array([1]), np.array([0])]).linkage.tolist() == [[1, 0, 0.5, 2]]


@pytest.mark.parametrize(
    ("inner", "members", "message"),
    [
        ([PAIR], [[0, 1]], "2 groups takes 2 inner trees and 2 member lists; found 1 trees and 1 lists"),
        ([PAIR, PAIR], [[0, 1]], "found 2 trees and 1 lists"),
        ([PAIR, PAIR], [[0, 1], [2]], "inner tree 1 should have a leaf for each of its 1 members; found 2"),
        ([PAIR, PAIR], [[0, 1], [1, 2]], r"each row 0 \.\. 3 once"),
        ([PAIR, PAIR], [[0, 1], [2, 4]], r"each row 0 \.\. 3 once"),
    ],
)
def test_parts_that_do_not_fit(inner: list[Tree], members: list[list[int]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Tree.join(PAIR, inner, [np.array(rows) for rows in members])
