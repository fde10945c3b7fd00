"""Trees for tests."""

from __future__ import annotations

import numpy as np

from hierindex.tree import Tree


def a_tree(n: int, seed: int, *, ties: bool = False) -> Tree:
    """A tree of n leaves merged in random pairs."""
    rng = np.random.default_rng(seed)
    alive, children = list(range(n)), []
    for i in range(n - 1):
        rng.shuffle(alive)
        children.append([alive.pop(), alive.pop()])
        alive.append(n + i)
    heights = rng.integers(0, 4, n - 1) if ties else rng.random(n - 1)
    return Tree.from_merges(np.array(children, np.int64).reshape(-1, 2), np.sort(heights).astype(float))
