"""Rows that upkeep has put into another leaf than the one they were stored in.

Where a row was put is written once, with the row. What has changed since is a short list beside the tree: whose row
(by ``seq``), and where it is now.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hierindex.errors import CorruptIndexError
from hierindex.vectors import Int64

__all__ = ["Moves"]

_NUMBERS = "<u4"


@dataclass(frozen=True, eq=False)
class Moves:
    """Where rows are that lie elsewhere than they were stored.

    Attributes:
        seq: ``(m,)`` int64, rising. leaf: ``(m,)`` int64, the node that each was put into last.

    Example:
        >>> moves = Moves.none().then(np.array([4, 2]), np.array([7, 7])).then(np.array([4]), np.array([9]))
        >>> moves.homes(np.array([1, 2, 4]), np.array([0, 0, 0])).tolist()
        [0, 7, 9]
    """

    seq: Int64
    leaf: Int64

    @classmethod
    def none(cls) -> Self:
        """No row was moved."""
        return cls(np.empty(0, np.int64), np.empty(0, np.int64))

    def __len__(self) -> int:
        """How many rows were moved."""
        return len(self.seq)

    def then(self, seq: Int64, leaf: Int64) -> Moves:
        """These moves and then others, of unique rows."""
        if not len(seq):
            return self
        stay = ~np.isin(self.seq, seq)
        seq, leaf = np.concatenate([self.seq[stay], seq]), np.concatenate([self.leaf[stay], leaf])
        order = np.argsort(seq, kind="stable")
        return Moves(seq[order].astype(np.int64), leaf[order].astype(np.int64))

    def of(self, seq: Int64) -> Moves:
        """The moves of these rows alone (rising)."""
        kept = np.isin(self.seq, seq, assume_unique=True)
        return self if kept.all() else Moves(self.seq[kept], self.leaf[kept])

    def homes(self, seq: Int64, home: Int64) -> Int64:
        """``(n,)``: where rows ``seq`` (rising) are that were stored in ``home``."""
        if not len(self) or not len(seq):
            return home
        at = np.minimum(np.searchsorted(seq, self.seq), len(seq) - 1)
        here = seq[at] == self.seq
        homes = home.copy()
        homes[at[here]] = self.leaf[here]
        return homes

    def to_json(self) -> dict[str, Any]:
        """How many, the steps from one seq to the next, and the leaves (base64 of deflated little-endian uint32)."""
        return self._json

    @cached_property
    def _json(self) -> dict[str, Any]:
        return {"n": len(self), "seq": _text(np.diff(self.seq, prepend=0)), "leaf": _text(self.leaf)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any] | None, most: int) -> Self:
        """The moves of `to_json`; None is none.

        Args:
            values: see above.
            most: how many there can be, so that a damaged file cannot ask for more memory than that.

        Raises:
            CorruptIndexError: the values are no moves.
        """
        if values is None:
            return cls.none()
        try:
            n = _count(values["n"], most)
            steps, leaf = _numbers(values["seq"], n), _numbers(values["leaf"], n)
        except (KeyError, TypeError, ValueError, zlib.error) as error:
            raise CorruptIndexError(f"the stored moves of rows should be readable; found {error!r}") from error
        if (steps[1:] == 0).any():
            raise CorruptIndexError("the stored moves of rows should name each row once; found one twice")
        return cls(np.cumsum(steps), leaf)


def _text(numbers: Int64) -> str:
    return base64.b64encode(zlib.compress(numbers.astype(_NUMBERS).tobytes(), level=1)).decode("ascii")


def _count(n: object, most: int) -> int:
    if isinstance(n, bool) or not isinstance(n, int) or not 0 <= n <= most:
        raise ValueError(f"{n!r} moves, where there can be {most}")
    return n


def _numbers(text: str, n: int) -> NDArray[np.int64]:
    width = np.dtype(_NUMBERS).itemsize
    data = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), n * width + 1)
    if len(data) != n * width:
        raise ValueError(f"not {n} numbers of {width} bytes")
    return np.frombuffer(data, _NUMBERS).astype(np.int64)
