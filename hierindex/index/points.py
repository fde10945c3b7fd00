"""Settings of the search and what they find: the table that every search looks its own up in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Self

from hierindex.errors import CorruptIndexError
from hierindex.index.effort import Effort, harder

__all__ = ["OperatingPoint", "OperatingPoints"]

_GROWN = 1.5
_SPLIT = 1.25
_LARGEST_K = 100
_CANDIDATES = 16  # for each neighbour, where nothing was measured


@dataclass(frozen=True)
class OperatingPoint:
    """A setting of the search, and what it does.

    Attributes:
        k: neighbours asked for when it was measured.
        beam: nodes kept above the leaves, see `Router`.
        nprobe: leaves scanned at most. candidates: rows compared exactly.
        recall: what it finds of the true k nearest, less a standard error.
        cost: nanoseconds for a query, by the model of `cost`.
        effort: how many leaves each query scans, see `leaves_needed`; empty where all scan ``nprobe``.
    """

    k: int
    beam: int
    nprobe: int
    candidates: int
    recall: float
    cost: float
    effort: Effort = ()

    def times(self, factor: float) -> OperatingPoint:
        """The setting that scans ``factor`` times as many leaves."""
        nprobe, effort = math.ceil(self.nprobe * factor), harder(self.effort, factor)
        return replace(self, nprobe=nprobe, cost=self.cost * factor, effort=effort)


@dataclass(frozen=True)
class OperatingPoints:
    """What was measured, and for which state of the index.

    Attributes:
        points: for each k, by rising cost and recall.
        n_live, n_leaves: rows and leaves at the time.
    """

    points: tuple[OperatingPoint, ...]
    n_live: int
    n_leaves: int

    def lookup(self, k: int, recall: float) -> OperatingPoint | None:
        """The cheapest setting that finds ``recall`` of the k nearest; None where only a scan of everything does.

        A k between those measured takes the next larger one's setting; one above them all, the largest one's with
        probes and candidates in proportion.
        """
        measured = self._measured_k
        if not measured:
            return None
        tuned = next((known for known in measured if known >= k), measured[-1])
        point = next((p for p in self.points if p.k == tuned and p.recall >= recall), None)
        if point is None or k <= tuned:
            return point
        factor = math.ceil(k / tuned)
        return replace(point.times(factor), k=k, beam=point.beam * factor, candidates=point.candidates * factor)

    def at(self, recall: float) -> tuple[OperatingPoint, ...]:
        """The cheapest settings that find ``recall`` of the nearest, one for each k measured where there is one."""
        found = (next((p for p in self.points if p.k == k and p.recall >= recall), None) for k in self._measured_k)
        return tuple(point for point in found if point is not None)

    def most_candidates(self, k: int) -> int:
        """As many candidates as any setting for so many neighbours compares."""
        known = (p.candidates * max(1, -(-k // p.k)) for p in self.points if p.k >= k or p.k == _LARGEST_K)
        return max(known, default=_CANDIDATES * k)

    @cached_property
    def _measured_k(self) -> list[int]:
        return sorted({point.k for point in self.points})

    def stale(self, n_live: int, n_leaves: int) -> bool:
        """Whether the index has since grown by half, or a quarter of its leaves have split."""
        return n_live > _GROWN * self.n_live or n_leaves > _SPLIT * self.n_leaves

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        points = [asdict(point) | {"effort": list(point.effort)} for point in self.points]
        return {"points": points, "n_live": self.n_live, "n_leaves": self.n_leaves}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The points of `to_json`; points stored before there was an effort have none.

        Raises:
            CorruptIndexError: the values are no such points.
        """
        try:
            points = tuple(
                OperatingPoint(**point | {"effort": tuple(map(float, point.get("effort", ())))})
                for point in values["points"]
            )
            return cls(points, int(values["n_live"]), int(values["n_leaves"]))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CorruptIndexError(f"the stored operating points should be readable; found {error!r}") from error
