"""The router: a full beam is a flat scan of the centroids, a narrow one a walk down the tree."""

import numpy as np
import pytest
from index_cases import build, mixture, slow_distances

from hierindex.index.router import ALL, Router
from hierindex.vectors import Metric


def nodes_of(n_leaves, n=3_000):
    return build(mixture(n, 6, centres=40, spread=0.6), n_leaves=n_leaves).nodes


def flat_order(nodes, queries, by_product):
    metric = Metric.IP if by_product else Metric.L2
    return np.argsort(slow_distances(queries, nodes.centroid[nodes.leaves], metric), axis=1, kind="stable")


@pytest.mark.parametrize("by_product", [False, True])
@pytest.mark.parametrize("n_leaves", [1, 2, 30, 150])
def test_a_full_beam_is_a_flat_scan(n_leaves, by_product):
    nodes, queries = nodes_of(n_leaves), mixture(15, 6, seed=1)
    router = Router.over(nodes, by_product)
    expected = flat_order(nodes, queries, by_product)
    np.testing.assert_array_equal(router.route(queries, n_leaves, ALL)[0], expected)
    widest = router.widths[-2] if len(router.widths) > 1 else 1
    np.testing.assert_array_equal(router.route(queries, n_leaves, widest)[0], expected)


def test_three_levels(monkeypatch):
    monkeypatch.setattr("hierindex.index.router._TWO_LEVELS_UP_TO", 100)
    nodes, queries = nodes_of(250), mixture(15, 6, seed=1)
    router = Router.over(nodes, by_product=False)
    assert router.widths == (6, 40, 250)
    np.testing.assert_array_equal(router.route(queries, 250, 40)[0], flat_order(nodes, queries, False))
    kept = router.descend(queries[:1], 4)
    assert [len(level) for level in kept] == [4, 4]
    assert all(set(nodes.path(node)) & set(kept[0].tolist()) for node in kept[1])


def test_a_narrow_beam_stays_below_the_nodes_it_keeps():
    nodes, queries = nodes_of(150), mixture(15, 6, seed=1)
    router = Router.over(nodes, by_product=False)
    leaves, distances = router.route(queries, 40, 2)
    for query, found in zip(queries, leaves, strict=True):
        kept = router.descend(query[None], 2)[0]
        below = np.concatenate([nodes.leaves_under(node) for node in kept])
        assert set(nodes.leaves[found[found >= 0]]) <= set(below)
        assert (found >= 0).sum() == min(40, len(below))
        assert (found[len(below) :] == -1).all()
    assert (np.diff(np.where(leaves >= 0, distances, 1e30), axis=1) >= 0).all()


def test_a_wider_beam_loses_less():
    nodes, queries = nodes_of(150), mixture(200, 6, seed=1)
    router = Router.over(nodes, by_product=False)
    best = flat_order(nodes, queries, False)[:, :8]
    kept = [
        np.mean([np.isin(b, r).mean() for b, r in zip(best, router.route(queries, 8, beam)[0], strict=True)])
        for beam in (1, 3, 6, 12)
    ]
    assert kept == sorted(kept)
    assert kept[2] > 0.9
    assert kept[-1] == 1.0
    assert router.visited(3) < router.visited(ALL) == 150
