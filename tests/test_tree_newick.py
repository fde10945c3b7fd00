"""Newick: what is written parses back to the same tree."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tree_samples import a_tree

from hierindex.errors import InputError
from hierindex.tree import Tree

TOKEN = re.compile(r"'(?:[^']|'')*'|[(),;]|:[^(),;]*|[^(),:;']+", re.DOTALL)
Parsed = tuple[object, float | None]  # (name, or the children), branch length


def parse(text: str) -> Parsed:
    """A small Newick reader: a stack of open brackets."""
    open_: list[list[Parsed]] = [[]]
    for token in TOKEN.findall(text):
        if token == "(":
            open_.append([])
        elif token == ")":
            open_[-2].append((tuple(open_.pop()), None))
        elif token[0] == ":":
            open_[-1][-1] = (open_[-1][-1][0], float(token[1:]))
        elif token not in ",;":
            name = token[1:-1].replace("''", "'") if token[0] == "'" else token.replace("_", " ")
            open_[-1].append((name, None))
    ((node,),) = open_
    return node


def expected(tree: Tree, node: int, names: list[str], *, lengths: bool) -> Parsed:
    length = None
    if lengths and node != tree.root:
        length = tree.heights[tree.parents[node]] - tree.heights[node]
    if node < tree.n:
        return names[node], length
    return tuple(expected(tree, child, names, lengths=lengths) for child in tree.children[node - tree.n]), length


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 15), st.integers(0, 10**6), st.booleans())
def test_it_parses_back(data: st.DataObject, n: int, seed: int, lengths: bool) -> None:
    name = st.text(st.sampled_from("ab_' ()[]:;,.-\t漢"), min_size=1, max_size=6) | st.text(min_size=1, max_size=3)
    names = data.draw(st.lists(name, min_size=n, max_size=n))
    tree = a_tree(n, seed)
    assert parse(tree.newick(names, lengths=lengths)) == expected(tree, tree.root, names, lengths=lengths)


def test_the_text_itself() -> None:
    tree = Tree.from_linkage([[0, 1, 0.25, 2], [2, 3, 1, 3]])
    assert tree.newick() == "(2:1.0,(0:0.25,1:0.25):0.75);"
    assert tree.newick(lengths=False) == "(2,(0,1));"
    assert tree.newick(np.array([10, 20, 30])) == "(30:1.0,(10:0.25,20:0.25):0.75);"
    assert tree.newick(["snow owl", "snow_owl", "owl's"]) == "('owl''s':1.0,('snow owl':0.25,'snow_owl':0.25):0.75);"


def test_an_empty_name_is_written_as_one() -> None:
    assert Tree.from_linkage([[0, 1, 1, 2]]).newick(["", "a"], lengths=False) == "('',a);"


def test_too_few_names() -> None:
    with pytest.raises(InputError, match="names should be 5, one for each leaf; found 2"):
        a_tree(5, seed=0).newick(["a", "b"])
