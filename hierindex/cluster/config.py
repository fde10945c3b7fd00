"""How an index is spread over workers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from hierindex.errors import InputError
from hierindex.vectors import member, positive

__all__ = ["ClusterConfig", "Placing"]


class Placing(Enum):
    """Which leaves go together.

    ``PROBED``: those that queries scan together, so that a query finds its leaves on few workers.
    ``SUBTREE``: neighbours in the tree, which are often scanned together.
    ``HASH``: none; every query asks almost every worker. Here to be compared with.
    """

    PROBED = "probed"
    SUBTREE = "subtree"
    HASH = "hash"

    @classmethod
    def parse(cls, placing: Placing | str) -> Placing:
        """The placing of that name.

        Raises:
            InputError: none has that name.
        """
        return member(cls, placing, "placing")


@dataclass(frozen=True)
class ClusterConfig:
    """How many workers hold the leaves, and what happens when one of them does not answer.

    Attributes:
        workers: processes that hold leaves.
        replicas: on how many workers each leaf lies; at most ``workers``.
        placing: which leaves go together, see `Placing`.
        borders: with ``PROBED`` and one replica: how many rows may be held twice, as a share of all, so that queries at
            the border of two workers' leaves ask one of them only. 0 holds each leaf once.
        heat: what share of a leaf's weight is the work that searches made there, the rest being its rows; looked at by
            `ClusterIndex.rebalance`, which knows what was searched.
        cpus: CPUs that Ray reserves for each worker; a part of one is allowed.
        trainers: processes that learn together from images, each with ``cpus`` CPUs.
        threads: searches that one worker serves at once, each on one thread.
        timeout: seconds after which a worker that is silent is taken for dead.
        beat: seconds between two looks whether workers live that nobody asks.
        patience: seconds that a search waits for leaves which no worker holds right now, before it answers in part.
        address: of a running Ray cluster; None takes the one that this process is in, or starts one on this machine.

    Example:
        >>> ClusterConfig(workers=4, replicas=2).placing
        <Placing.PROBED: 'probed'>
    """

    workers: int = 2
    replicas: int = 1
    placing: Placing = Placing.PROBED
    borders: float = 0.2
    heat: float = 0.5
    cpus: float = 1.0
    trainers: int = 1
    threads: int = 4
    timeout: float = 30.0
    beat: float = 2.0
    patience: float = 0.0
    address: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "placing", Placing.parse(self.placing))
        for name in ("workers", "replicas", "trainers", "threads"):
            positive(getattr(self, name), name)
        if self.replicas > self.workers:
            raise InputError(f"replicas should be at most workers ({self.workers}); found {self.replicas}")
        for name in ("heat", "borders"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} should be a share, 0 to 1; found {getattr(self, name)!r}")
        for name in ("timeout", "beat"):
            if not 0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} should be a number of seconds above 0; found {getattr(self, name)!r}")
        for name in ("patience", "cpus"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"{name} should be a number, 0 or above; found {getattr(self, name)!r}")
