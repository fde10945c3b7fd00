"""What the caller keeps of an index whose rows lie elsewhere: tree, router, settings, and the latest rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from hierindex.cluster.messages import Held
from hierindex.errors import CorruptIndexError, InputError
from hierindex.index.codes import Coder
from hierindex.index.config import IndexConfig
from hierindex.index.effort import leaves_for_one, only_needed
from hierindex.index.moves import Moves
from hierindex.index.nodes import Nodes
from hierindex.index.points import OperatingPoints
from hierindex.index.router import Router
from hierindex.index.search import Plan
from hierindex.vectors import Float32, Int64, Metric, positive

__all__ = ["Front", "Lists"]

_TYPICAL_K, _TYPICAL_RECALL, _PROBED = 10, 0.95, 16


@dataclass(frozen=True, eq=False)
class Front:
    """One version of an index as its caller knows it. Immutable.

    Attributes:
        nodes: the tree. metric, config: how rows are compared, how the index is laid out.
        tuned: operating points; None as long as the set is small.
        coder: what codes rows; None where lists are float32.
        packed_seq: rows below this number are in lists, with the workers; None where the set is small and all are.
        moves: packed or late rows that lie in other leaves than they were stored in.
        late: the rows from there on; local searches compare them one by one, and so does the caller.
        n: how many points there are.
    """

    nodes: Nodes
    metric: Metric
    config: IndexConfig
    tuned: OperatingPoints | None
    coder: Coder | None
    packed_seq: int | None
    moves: Moves
    late: Held
    n: int

    @classmethod
    def of(cls, nodes: Nodes, about: dict[str, Any], late: Held, n: int, last_seq: int) -> Front:
        """The front of a stored tree and what is stored about it.

        Args:
            nodes: the tree.
            about: metric, settings, and the state of `Snapshot.state`.
            late: late rows, or none of them yet.
            n: how many points there are.
            last_seq: the greatest seq of any of them.

        Raises:
            CorruptIndexError: the description is damaged.
            InputError: the index is large and was never laid out.
        """
        try:
            metric, config = Metric.parse(about["metric"]), IndexConfig.from_json(about["config"])
            tuned, packed_seq, coder = (about["state"][name] for name in ("tuned", "packed_seq", "coder"))
        except (KeyError, TypeError, InputError) as error:
            raise CorruptIndexError(f"the stored tree's description is damaged: {error!r}") from error
        bound = config.flat_up_to(nodes.centroid.shape[1])
        if packed_seq is None and n > bound:
            raise InputError(
                f"an index of {n:,} points should have its leaves laid out before it is spread; found none stored; "
                "open it with HierIndex once and save it"
            )
        if n <= bound:  # whatever was laid out when it was larger: a local index looks at it no more
            packed_seq = coder = None
        return cls(
            nodes,
            metric,
            config,
            None if tuned is None else OperatingPoints.from_json(tuned),
            None if coder is None else Coder.from_json(coder),
            packed_seq,
            Moves.from_json(about["state"].get("moves"), most=last_seq + 1),
            late,
            n,
        )

    def with_late(self, late: Held) -> Front:
        """The front with other late rows."""
        return replace(self, late=late)

    def lays_out_as(self, other: Front) -> bool:
        """Whether a row that is packed in both lies in the same list under the same code."""
        mine, its = self.nodes, other.nodes
        return (
            (self.packed_seq is None) == (other.packed_seq is None)
            and np.array_equal(mine.parent, its.parent)
            and np.array_equal(mine.centroid, its.centroid)
            and np.array_equal(self.moves.seq, other.moves.seq)
            and np.array_equal(self.moves.leaf, other.moves.leaf)
            and (self.coder and self.coder.to_json()) == (other.coder and other.coder.to_json())
        )

    @property
    def bound(self) -> int:
        """Up to so many points every search compares them all."""
        return self.config.flat_up_to(self.nodes.centroid.shape[1])

    @property
    def of_strings(self) -> bool:
        """Whether ids are strings."""
        return self.late.ids.dtype == object

    @cached_property
    def router(self) -> Router:
        """The way from queries to leaves."""
        return Router.over(self.nodes, self.metric is Metric.IP, self.coder)

    def turned(self, queries: Float32) -> Float32:
        """Queries ``(q, d)`` as router and lists take them."""
        return queries if self.coder is None else self.coder.turned(queries)

    def plan(self, k: int, recall: float, nprobe: int | None = None) -> Plan | None:
        """How wide to search, as a local search would; None for comparing all rows.

        Raises:
            InputError: recall outside (0, 1], k or nprobe below 1.
        """
        if not 0 < recall <= 1:
            raise InputError(f"recall should be above 0 and at most 1; found {recall!r}")
        positive(k, "k")
        if nprobe is not None:
            known = self.tuned or OperatingPoints((), 0, 0)
            return Plan(0, positive(nprobe, "nprobe"), k if self.coder is None else known.most_candidates(k))
        if self.packed_seq is None or self.n <= self.bound or self.tuned is None or recall == 1:
            return None
        point = self.tuned.lookup(k, recall)
        return None if point is None else Plan.of(point)

    def probed_at_leaves(self) -> Int64:
        """``(L, p)``: the leaves that a hard query near the centroid of each leaf scans for ten neighbours at .95."""
        plan = self.plan(_TYPICAL_K, _TYPICAL_RECALL) or Plan(0, _PROBED, 0)
        turned = self.turned(np.ascontiguousarray(self.nodes.leaf_centroids))
        return self.leaves(turned, replace(plan, effort=()))  # a query at the centroid itself would need the fewest

    def leaves(self, turned: Float32, plan: Plan, filtered: bool = False) -> Int64:
        """``(q, p)``: positions of the leaves that each query needs, nearest first, then -1.

        Told for one query as a local search tells it for one, and for a batch, or with a filter, as for a batch: the
        two may round apart.
        """
        leaves, distances = self.router.route(turned, plan.nprobe, plan.beam)
        if len(turned) == 1 and plan.effort and not len(self.late) and not filtered:
            return np.ascontiguousarray(leaves[:, : leaves_for_one(plan.effort, distances[0].tolist())])
        return only_needed(plan.effort, leaves, distances)


@dataclass(frozen=True, eq=False)
class Lists:
    """What a `Sieve` has to know of lists that lie elsewhere.

    Attributes:
        front: the version. sizes: ``(L,)``, rows in each list.
    """

    front: Front
    sizes: Int64

    @property
    def base(self) -> int:
        """How many rows are in lists."""
        return int(self.sizes.sum())

    @property
    def nodes(self) -> Nodes:
        """The tree."""
        return self.front.nodes

    @property
    def router(self) -> Router:
        """The way to the leaves."""
        return self.front.router

    @property
    def coder(self) -> Coder | None:
        """What codes rows."""
        return self.front.coder

    def turned(self, queries: Float32) -> Float32:
        """Queries as router and lists take them."""
        return self.front.turned(queries)
