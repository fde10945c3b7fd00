"""How an index is cut, scanned and tuned; stored with the data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any, Self

from hierindex.errors import InputError
from hierindex.vectors import member, positive

__all__ = ["IndexConfig", "LeafScan"]


_CODES_FROM = 8  # dimensions
_FLAT = 1_000, 4_000  # rows: at least and at most so many are compared without leaves
_FLAT_VALUES = 256_000  # numbers in them


class LeafScan(Enum):
    """How the rows of a leaf are compared with a query.

    ``FLAT``: float32 rows, exact. ``PQ``: 4-bit codes first, then the best of them exactly.
    ``AUTO``: codes from 8 dimensions on, rows below; how long codes are is measured. 8-bit codes, which FAISS has
    too, are never ahead by more than a tenth, and far behind where it matters (benchmarks/leaf_kinds.py).
    """

    AUTO = "auto"
    FLAT = "flat"
    PQ = "pq"

    @classmethod
    def parse(cls, scan: LeafScan | str) -> LeafScan:
        """The scan of that name.

        Raises:
            InputError: no scan has that name.
        """
        return member(cls, scan, "leaf_scan")

    def resolve(self, dim: int) -> LeafScan:
        """``FLAT`` or ``PQ`` for rows of ``dim`` dimensions.

        Example:
            >>> LeafScan.AUTO.resolve(128)
            <LeafScan.PQ: 'pq'>
        """
        if self is not LeafScan.AUTO:
            return self
        return LeafScan.PQ if dim >= _CODES_FROM else LeafScan.FLAT


@dataclass(frozen=True)
class IndexConfig:
    """What the index room may be told; the defaults suit most sets.

    Attributes:
        flat_below: up to so many live rows every search scans them all: finding a way would cost as much, and nothing
            is lost. None: 4,000 rows of up to 64 dimensions, 2,000 of 128, 1,000 of 256 or more (see `flat_up_to`).
            With 0 a small set is laid out as a large one is.
        n_leaves: how many leaves to cut; None takes the square root of the number of rows, rounded.
        leaf_scan: how leaves are scanned, see `LeafScan`.
        split_factor: a leaf above so many times the wanted size (rows / leaves) splits when rows arrive in it.
        tail_rows: rows added since the leaves were packed are scanned one by one; above this many of them, or 5 % of
            the packed rows if that is more, they are packed too.
        tune_queries: how many rows are held out to measure recall with (at most a tenth of all).
        seed: of every random choice.
        num_threads: threads of a batch search; None leaves OpenMP's own number. One query always takes one thread.

    Example:
        >>> IndexConfig.from_json(IndexConfig(n_leaves=64).to_json()).n_leaves
        64
    """

    flat_below: int | None = None
    n_leaves: int | None = None
    leaf_scan: LeafScan = LeafScan.AUTO
    split_factor: float = 4.0
    tail_rows: int = 5_000
    tune_queries: int = 1_000
    seed: int = 0
    num_threads: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "leaf_scan", LeafScan.parse(self.leaf_scan))
        for name in ("tail_rows", "tune_queries"):
            positive(getattr(self, name), name)
        for name in ("n_leaves", "num_threads"):
            if getattr(self, name) is not None:
                positive(getattr(self, name), name)
        for name, value in (("flat_below", 0 if self.flat_below is None else self.flat_below), ("seed", self.seed)):
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
                raise InputError(f"{name} should be an integer of at least 0 and below 2^31; found {value!r}")
        if not 1 < self.split_factor < math.inf:
            raise InputError(f"split_factor should be a number above 1; found {self.split_factor!r}")

    def leaves_for(self, n: int) -> int:
        """How many leaves n rows are cut into: at least 1, at most n."""
        wanted = round(math.sqrt(n)) if self.n_leaves is None else self.n_leaves
        return max(1, min(wanted, n))

    def leaf_size(self, n: int) -> int:
        """How many rows a leaf should hold where n rows are in the index."""
        return max(1, math.ceil(n / self.leaves_for(n)))

    def flat_up_to(self, dim: int) -> int:
        """How many rows of ``dim`` dimensions are all compared by every search: ``flat_below``, or what was measured.

        From so many on leaves asked for .95 are level with flat FAISS (benchmarks/small_sets.py), for what they save is
        dimensions as well as rows.

        Example:
            >>> IndexConfig().flat_up_to(128), IndexConfig().flat_up_to(768), IndexConfig(flat_below=0).flat_up_to(128)
            (2000, 1000, 0)
        """
        return max(_FLAT[0], min(_FLAT[1], _FLAT_VALUES // dim)) if self.flat_below is None else self.flat_below

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON values, without ``flat_below`` where it is left open: older readers then take theirs."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.flat_below is None:
            del values["flat_below"]
        return values | {"leaf_scan": self.leaf_scan.value}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The settings of `to_json`; those that are absent take their defaults.

        Raises:
            InputError: a setting is unknown or out of range.
        """
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown:
            raise InputError(f"index settings should be fields of IndexConfig; found {sorted(unknown)}")
        return cls(**values)
