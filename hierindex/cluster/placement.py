"""Which worker holds which leaves.

Leaves that queries scan together are put together by `together`. By subtree: leaves stand from left to right as they
hang on the tree, so a run of neighbours is a handful of whole subtrees. Cutting that line into runs of about the same
weight keeps a query's leaves together; the cut whose heaviest run is lightest is found by bisection of that weight (the
linear partition problem).

Each leaf may have replicas on other workers. A leaf's second copy lies with the worker to the right of its first
(chained declustering: Hsiao and DeWitt, "Chained Declustering", ICDE 1990), so that what a dead worker did falls to two
neighbours and no leaf is lost unless two neighbours die.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hierindex.cluster.config import Placing
from hierindex.cluster.together import bordered, grouped
from hierindex.errors import InputError
from hierindex.vectors import Int64

__all__ = ["Placement", "weights"]

Float64 = NDArray[np.float64]
_STEPS = 60
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: multiplying by it scatters neighbours


@dataclass(frozen=True, eq=False)
class Placement:
    """The workers of each leaf.

    Attributes:
        workers: how many there are.
        holders: ``(L, most)`` int64, for each leaf (by its position from left to right) its workers, first one first,
            then -1.
    """

    workers: int
    holders: Int64

    @classmethod
    def of(
        cls,
        weight: Float64,
        workers: int,
        replicas: int,
        placing: Placing = Placing.SUBTREE,
        probed: Int64 | None = None,
        borders: float = 0.0,
    ) -> Self:
        """The placement of leaves of these weights ``(L,)``.

        Args:
            weight: see `weights`.
            workers: how many.
            replicas: on how many of them each leaf lies.
            placing: which leaves go together.
            probed: ``(L, p)``, the leaves that a query at each leaf scans, -1 for none; ``PROBED`` needs them.
            borders: with one replica, the share of the weight that may lie on further workers, see `bordered`.

        Raises:
            InputError: more replicas than workers, or a weight that is below 0 or not finite.
            MissingExtraError: ``PROBED`` needs pymetis, which is not installed.

        Example:
            >>> Placement.of(np.array([1.0, 1.0, 4.0, 2.0]), workers=2, replicas=1).holders.ravel().tolist()
            [0, 0, 1, 1]
        """
        if not 1 <= replicas <= workers:
            raise InputError(f"replicas should be 1 to {workers}, the number of workers; found {replicas}")
        if not np.isfinite(weight).all() or (weight < 0).any():
            raise InputError("weights of leaves should be finite and 0 or above")
        if placing is Placing.HASH:
            first = _scattered(len(weight), workers)
        elif placing is Placing.PROBED and probed is not None:
            together = grouped(weight, probed, workers)
            first = runs(weight, workers) if together is None else together
            if replicas == 1 and borders:
                return cls(workers, _holders(bordered(weight, probed, first, workers, borders), first))
        else:
            first = runs(weight, workers)
        return cls(workers, (first[:, None] + np.arange(replicas)) % workers)

    def held_by(self, worker: int) -> Int64:
        """The leaves of a worker, from left to right."""
        return np.flatnonzero((self.holders == worker).any(axis=1)).astype(np.int64)

    def serving(self, alive: NDArray[np.bool_]) -> Int64:
        """``(L,)``: of each leaf's workers the first that is alive ``(workers,)``; -1 where none is."""
        there: NDArray[np.bool_] = np.asarray(np.append(alive, False)[self.holders])  # -1 is the last: nobody
        first = self.holders[np.arange(len(there)), there.argmax(axis=1)]
        return np.asarray(np.where(np.asarray(there.any(axis=1)), first, -1), np.int64)

    def asked(self, leaves: Int64, alive: NDArray[np.bool_]) -> Int64:
        """Which worker each query asks for each of its leaves: few workers a query, and none that is dead.

        The worker that holds most of a query's leaves is asked for all of them, then the one that holds most of what is
        left, and so on: with several copies of each leaf that asks fewer workers than going to the first ones would. Of
        two that hold as many, the one that holds more of them as their first worker: so no copy stands idle.

        Args:
            leaves: ``(q, p)`` positions, -1 for none.
            alive: ``(workers,)``.

        Returns:
            ``(q, p)`` workers; -1 where there is no leaf, or nobody alive holds it.
        """
        if self.holders.shape[1] == 1:
            return np.where(leaves >= 0, self.serving(alive)[leaves], -1)
        asked = np.full(leaves.shape, -1, np.int64)
        value = np.zeros((len(self.holders) + 1, self.workers + 1), np.int64)  # the last ones: no leaf, and nobody
        np.put_along_axis(value[:-1], self.holders, leaves.shape[1] + 1, axis=1)
        np.put_along_axis(value[:-1], self.holders[:, :1], leaves.shape[1] + 2, axis=1)
        held = (value[:, :-1] * alive)[leaves]
        left: NDArray[np.bool_] = np.asarray(held.any(axis=2))
        while left.any():
            best = (held * left[:, :, None]).sum(axis=1).argmax(axis=1)
            taken = left & (np.take_along_axis(held, best[:, None, None], axis=2)[:, :, 0] > 0)
            asked[taken] = np.broadcast_to(best[:, None], leaves.shape)[taken]
            left &= ~taken
        return asked


def weights(sizes: Int64, touches: Int64 | None = None, heat: float = 0.5) -> Float64:
    """``(L,)``: shares of each leaf in what a worker should carry: its rows, and the rows that searches compared in it.

    Args:
        sizes: ``(L,)`` rows of each leaf.
        touches: ``(L,)``, how many queries scanned it; None or all 0 goes by rows alone.
        heat: how much of the weight is the work of searches.
    """
    held = sizes / max(int(sizes.sum()), 1)
    if touches is None or not touches.any():
        return held
    work = touches.astype(np.float64) * sizes
    return (1 - heat) * held + heat * work / max(float(work.sum()), 1.0)


def runs(weight: Float64, k: int) -> Int64:
    """``(L,)``: the run 0 .. k-1 of each leaf, rising, such that the heaviest run is as light as can be."""
    low, high = max(float(weight.max(initial=0)), float(weight.sum()) / k), float(weight.sum())
    ends = np.cumsum(weight)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if len(_cuts(ends, middle, k)) <= k:
            high = middle
        else:
            low = middle
    return _run_of(len(weight), _cuts(ends, high, k), k)


def _cuts(ends: Float64, most: float, k: int) -> list[int]:
    """Where runs end that are as long as ``most`` allows; more than k of them where it is too little."""
    cuts: list[int] = []
    start, carried = 0, 0.0
    while start < len(ends) and len(cuts) <= k:
        bound = (carried + most) * (1 + 1e-12)
        stop = max(start + 1, int(np.searchsorted(ends, bound, side="right")))
        cuts.append(stop)
        start, carried = stop, float(ends[stop - 1])
    return cuts


def _run_of(n: int, cuts: list[int], k: int) -> Int64:
    """The number of each leaf's run; where there are fewer runs than k, the longest are halved as long as they can."""
    bounds = [0, *cuts]
    while len(bounds) <= min(k, n):
        lengths = np.diff(bounds)
        longest = int(lengths.argmax())
        bounds.insert(longest + 1, bounds[longest] + int(lengths[longest]) // 2)
    return np.repeat(np.arange(len(bounds) - 1), np.diff(bounds)).astype(np.int64)


def _holders(held: NDArray[np.bool_], owner: Int64) -> Int64:
    """``(L, most)``: the workers of each leaf, its owner first; -1 where there are no more."""
    order = np.argsort(-(held + 0.5 * (np.arange(held.shape[1]) == owner[:, None])), axis=1, kind="stable")
    workers = np.where(np.take_along_axis(held, order, axis=1), order, -1)
    return np.ascontiguousarray(workers[:, : int(held.sum(axis=1).max(initial=1))], np.int64)


def _scattered(n: int, workers: int) -> Int64:
    numbers = (np.arange(1, n + 1, dtype=np.uint64) * _SPREAD) >> np.uint64(33)
    return (numbers % np.uint64(workers)).astype(np.int64)
