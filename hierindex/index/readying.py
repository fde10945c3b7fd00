"""What a state of an index needs to be searched fast: leaves packed, codes made, settings measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hierindex.index.coding import choose_coder
from hierindex.index.config import LeafScan
from hierindex.index.judged import Judged, Routed, held_out
from hierindex.index.packed import pack
from hierindex.index.router import ALL, Router
from hierindex.index.rows import Column
from hierindex.index.snapshot import Snapshot
from hierindex.index.tuning import tune
from hierindex.progress import Progress, Silent
from hierindex.vectors import Metric

__all__ = ["compact", "ready", "retune"]


def ready(snapshot: Snapshot, progress: Progress | None = None) -> Snapshot:
    """The snapshot with what its size calls for: leaves packed, the tail folded into them, settings measured.

    ``progress`` is told of the stages of `retune`, where it comes to that.
    """
    table, nodes, packed, config = snapshot.table, snapshot.nodes, snapshot.packed, snapshot.config
    if snapshot.small:
        return snapshot
    if snapshot.tuned is None or packed is None or snapshot.tuned.stale(len(snapshot), len(nodes.leaves)):
        return retune(snapshot, progress)
    if packed.nodes is nodes and not packed.tail_is_long(len(table), config.tail_rows):
        return snapshot
    repacked = pack(table, nodes, snapshot.metric, packed.coder, packed.codes, len(table))
    return replace(snapshot, packed=repacked)


def retune(snapshot: Snapshot, progress: Progress | None = None) -> Snapshot:
    """The snapshot with codes trained and operating points measured anew, for the points that are there now.

    ``progress`` is told of two stages.
    """
    progress = progress or Silent()
    progress.stage("codes", 1)
    table, nodes, config, metric = snapshot.table, snapshot.nodes, snapshot.config, snapshot.metric
    judged = Judged.of(table, metric, held_out(table.ids.live_rows, config.tune_queries, config.seed))
    coder = None
    if config.leaf_scan.resolve(snapshot.rows.shape[1]) is LeafScan.PQ and len(judged.rows):
        leaf_of = nodes.leaf_position[table.leaf.values]
        sizes = np.bincount(leaf_of, minlength=len(nodes.leaves))
        routed = Routed.of(Router.over(nodes, metric is Metric.IP), judged.queries, judged, leaf_of, sizes, ALL)
        coder = choose_coder(table, leaf_of, metric, judged, routed, config.seed)
    packed = pack(table, nodes, metric, coder, None, len(table))
    progress.step()
    progress.stage("settings", 1)
    tuned = tune(table, packed, judged)
    progress.step()
    return replace(snapshot, packed=packed, tuned=tuned)


def compact(snapshot: Snapshot) -> Snapshot:
    """The snapshot without the rows of removed points; codes and operating points stay what they are."""
    table, packed = snapshot.table, snapshot.packed
    if table.ids.n_live == len(table):
        return snapshot
    live, table = table.ids.live_rows, table.compacted()
    if packed is not None:
        coded = packed.codes
        codes = None if coded is None else Column.of(coded.values[live[live < len(coded)]])
        packed = pack(table, snapshot.nodes, snapshot.metric, packed.coder, codes, len(table))
    return replace(snapshot, table=table, packed=packed)
