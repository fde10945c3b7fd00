"""Small indexes for the tests of the index room, and the slow answer that they are judged by."""

import numpy as np

from hierindex.decode import Decode
from hierindex.head import unit
from hierindex.index import updates
from hierindex.index.config import IndexConfig
from hierindex.vectors import Metric


def mixture(n, d, seed=0, spread=0.4, centres=12):
    """``(n, d)``: points around some centres, which the seed does not change."""
    middle = np.random.default_rng(99).normal(size=(centres, d))
    rng = np.random.default_rng(seed)
    return (middle[rng.integers(0, centres, n)] + spread * rng.normal(size=(n, d))).astype(np.float32)


def ball(rows):
    """Ideal points ``(n, 3)`` of rows, as a head would give them."""
    turn = np.random.default_rng(7).normal(size=(rows.shape[1], 3)).astype(np.float32)
    return unit(rows @ turn)


def build(x, metric=Metric.L2, ids=None, payload=None, tree=None, decode=Decode.WARD, **config):
    rows = metric.prepare(np.asarray(x, np.float32))
    names = np.arange(len(rows), dtype=np.int64) if ids is None else ids
    settings = IndexConfig(**config)
    return updates.build(
        rows, names, points_for(rows, decode), decode=decode, config=settings, metric=metric, payload=payload, tree=tree
    )


def add(snapshot, x, ids, payload=None):
    rows = snapshot.metric.prepare(np.asarray(x, np.float32))
    return updates.add(snapshot, rows, np.asarray(ids), points_for(rows, snapshot.decode), payload)


def points_for(rows, decode):
    points = ball(rows)
    return points if decode is Decode.WARD else unit(points[:, :2])


def slow_distances(queries, rows, metric):
    """``(q, n)`` float64 distances of prepared rows, by the book."""
    q, x = queries.astype(np.float64), rows.astype(np.float64)
    if metric is Metric.L2:
        return np.sqrt(((q[:, None] - x[None]) ** 2).sum(-1))
    return (1 - q @ x.T) if metric is Metric.COSINE else -(q @ x.T)


def reload(snapshot):
    """The snapshot as storage would give it back: live rows only, from plain values."""
    from hierindex.index.tables import NewRows

    live = snapshot.live_rows
    payload = None if snapshot.payload is None else snapshot.payload.take(live)
    stored = NewRows(snapshot.rows[live].copy(), snapshot.ids.values[live], snapshot.table.points.values[live], payload)
    return updates.load(
        stored,
        snapshot.home[live],
        snapshot.seq[live],
        snapshot.nodes,
        decode=snapshot.decode,
        config=IndexConfig.from_json(snapshot.config.to_json()),
        metric=snapshot.metric,
        state=snapshot.state(),
    )


def answers(snapshot, queries, k, **how):
    """Ids and distances, so that snapshots with other row numbers can be compared."""
    rows, distances = snapshot.search(queries, k, **how)
    ids = rows.copy()
    ids[rows >= 0] = snapshot.ids.values[rows[rows >= 0]]
    return ids.tolist(), distances.tolist()
