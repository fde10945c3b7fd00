"""How wide searches must go for each recall, measured on workers: the same measure as on one machine.

What a local measure reads from all rows is here asked of the workers: the true neighbours of held-out rows, and which
rows the codes put first in so many leaves. Only these rows are numbered, so that nothing here grows with the index.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hierindex.cluster.config import ClusterConfig
from hierindex.cluster.front import Front
from hierindex.cluster.loading import Source, read_front
from hierindex.cluster.placement import Placement, weights
from hierindex.cluster.pool import Pool
from hierindex.cluster.scanner import SpreadLeaves
from hierindex.cluster.searching import exact
from hierindex.cluster.workers import AtVersion, Crew
from hierindex.errors import ProcessError
from hierindex.index.judged import TUNED_K, Judged, without_own
from hierindex.index.native import Selector
from hierindex.index.packed import Packed
from hierindex.index.points import OperatingPoints
from hierindex.index.tables import NewRows, Table
from hierindex.index.tuning import tune as measure
from hierindex.storage import Place, Store, TreeFile
from hierindex.storage.draft import POINTS, TREE
from hierindex.storage.log import open_log
from hierindex.storage.tree_file import read_tree
from hierindex.vectors import Float32, Ids, Int64

__all__ = ["measured", "tune"]


def tune(place: Place, cluster: ClusterConfig, without: Ids | None = None) -> int:
    """Measure the newest version of an index on workers of its own, and commit what was found; the version.

    Args:
        place: where the index lies.
        cluster: how many workers.
        without: ids that must not be queries, because they shaped the leaves.

    Raises:
        ProcessError: a worker died meanwhile; nothing is committed. StorageError: as for a change.
    """
    store = Store.open(place)
    source = Source.of(place, store.version, None)
    front, _ = read_front(source)
    sizes = front.nodes.count[front.nodes.leaves]
    placement = Placement.of(weights(sizes), cluster.workers, 1, cluster.placing)
    crew = Crew(replace(cluster, replicas=1), source, placement)
    try:
        scanner = SpreadLeaves(placement, AtVersion(crew, store.version), front.of_strings)
        points = measured(front, scanner, without)
    finally:
        crew.close()
    log = open_log(place / POINTS, store.version)
    tree = read_tree(place / TREE, log.tree)
    state = tree.about["state"] | {"tuned": points.to_json()}
    with store.turn():
        return store.commit(tree=TreeFile(tree.nodes, tree.about | {"state": state}))


def measured(front: Front, scanner: SpreadLeaves, without: Ids | None = None) -> OperatingPoints:
    """The operating points of what the workers hold.

    Raises:
        ProcessError: a worker died meanwhile.
    """
    asked = min(front.config.tune_queries, front.n // 10)
    drawn = scanner.sample(asked, front.config.seed, without)
    if drawn is None or not len(drawn.seq):
        raise ProcessError("recall should be measured with all workers alive; found that one does not answer; repeat")
    most = min(TUNED_K[-1], front.n - 1)
    truth = exact(front, scanner, drawn.rows, most + 1)
    if truth.partial.any():
        raise ProcessError("recall should be measured with all workers alive; found one that died; repeat it")
    numbers = _Numbers.of(truth.pool, drawn.seq)
    own = numbers.of_seq(drawn.seq)
    judged = Judged(own, drawn.rows, without_own(numbers.of_seq(truth.pool.seq), own)[:, :most])
    points = measure(numbers.table(), _packed(front, scanner, numbers), judged)
    return replace(points, n_live=front.n, n_leaves=len(front.nodes.leaves))


@dataclass(frozen=True, eq=False)
class _Numbers:
    """The rows that matter, numbered 0 .. m-1; any other row is number m.

    Attributes:
        seq: ``(m,)`` rising. leaf: ``(m,)`` positions of their leaves.
    """

    seq: Int64
    leaf: Int64

    @classmethod
    def of(cls, pool: Pool, own: Int64) -> _Numbers:
        found = pool.seq >= 0
        seq, first = np.unique(pool.seq[found], return_index=True)
        missing = np.setdiff1d(own, seq)
        if len(missing):  # a row with more than a hundred equals may not be among its own nearest
            pad = np.zeros(len(missing), np.int64)
            both, leaf = np.concatenate([seq, missing]), np.concatenate([pool.leaf[found][first], pad])
            order = np.argsort(both)
            return cls(both[order], leaf[order])
        return cls(seq, pool.leaf[found][first])

    def of_seq(self, seq: Int64) -> Int64:
        at = np.minimum(np.searchsorted(self.seq, seq), len(self.seq) - 1)
        return np.where(seq < 0, -1, np.where(self.seq[at] == seq, at, len(self.seq))).astype(np.int64)

    def table(self) -> Table:
        """As many rows as there are numbers: measuring asks only how many, and that all are there."""
        m = len(self.seq) + 1
        nothing, leaf = np.zeros((m, 1), np.float32), np.append(self.leaf, 0)
        return Table.of(NewRows(nothing, np.arange(m, dtype=np.int64), nothing), leaf, leaf)


@dataclass(frozen=True, eq=False)
class _Remote:
    """The workers' lists, as `tune` scans lists: a `LeafLists`."""

    scanner: SpreadLeaves
    numbers: _Numbers
    exact: bool

    def scan(self, queries: Float32, lists: Int64, k: int, only: Selector | None) -> Int64:
        """See `LeafLists`."""
        assert only is None  # noqa: S101 - workers hold no removed rows
        seq = self.scanner.by_code(queries, lists, k)
        if seq is None:
            raise ProcessError("recall should be measured with all workers alive; found one that died; repeat it")
        return self.numbers.of_seq(seq)


def _packed(front: Front, scanner: SpreadLeaves, numbers: _Numbers) -> Packed:
    m = len(numbers.seq) + 1
    return Packed(
        base=m,
        nodes=front.nodes,
        router=front.router,
        lists=_Remote(scanner, numbers, front.coder is None),
        sizes=front.nodes.count[front.nodes.leaves],
        list_of=np.append(numbers.leaf, 0).astype(np.int32),
        coder=front.coder,
        codes=None,
    )
