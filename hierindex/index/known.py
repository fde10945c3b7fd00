"""Codes that were made before, so that opening an index need not make them again: a cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hierindex.index.codes import Coder
from hierindex.index.packed import Packed
from hierindex.index.rows import Column
from hierindex.index.tables import Table
from hierindex.vectors import Float32, Int64

__all__ = ["KnownCodes", "checks"]

_AT_ONCE = 1_024  # rows whose products fit into a core's cache


@dataclass(frozen=True, eq=False)
class KnownCodes:
    """What a coder made of some rows.

    Attributes:
        seq: ``(n,)`` int64, rising: whose codes these are.
        check: ``(n,)`` uint64, `checks` of the rows: a row with the same number but another vector is another row.
        codes: ``(n, bytes)`` uint8.
    """

    seq: Int64
    check: NDArray[np.uint64]
    codes: NDArray[np.uint8]

    @classmethod
    def of(cls, table: Table, packed: Packed) -> Self | None:
        """The codes of a table's packed rows that are there; None where rows are not coded."""
        if packed.codes is None:
            return None
        live = table.ids.live_rows
        live = live[live < len(packed.codes)]
        return cls(table.seq.values[live], checks(table.rows.values, live), packed.codes.values[live])

    def of_rows(self, table: Table, base: int, coder: Coder) -> Column:
        """The codes of the first ``base`` rows of a table: known ones, and what ``coder`` makes of the others."""
        rows, seq = table.rows.values[:base], table.seq.values[:base]
        if not len(self.seq) or self.codes.shape[1] != coder.quantizer.code_size:
            return Column.of(coder.encode(rows))
        at = np.minimum(np.searchsorted(self.seq, seq), len(self.seq) - 1)
        new = np.flatnonzero((self.seq[at] != seq) | (self.check[at] != checks(rows)))
        codes = self.codes[at]
        for start in range(0, len(new), _AT_ONCE):
            some = new[start : start + _AT_ONCE]
            codes[some] = coder.encode(rows[some])
        return Column.taking(codes)


def checks(rows: Float32, some: Int64 | None = None) -> NDArray[np.uint64]:
    """``(n,)``: a number for each row ``(n, d)`` that another vector hardly ever has (a linear hash of its bits).

    Of ``some`` of the rows, where these are given; only a few are ever copied.
    """
    n, dim = len(rows) if some is None else len(some), rows.shape[1]
    width = -(-dim // 2)  # two dimensions a number
    odd = np.random.default_rng(20250108717).integers(0, 2**63, width, dtype=np.uint64) * np.uint64(2) + 1
    out, held = np.empty(n, np.uint64), np.empty((_AT_ONCE, width), np.uint64)
    for start in range(0, n, _AT_ONCE):
        part = rows[start : start + _AT_ONCE] if some is None else rows[some[start : start + _AT_ONCE]]
        plain = np.ascontiguousarray(part, dtype="<f4")
        bits = (np.pad(plain, ((0, 0), (0, 1))) if dim % 2 else plain).view("<u8")
        out[start : start + _AT_ONCE] = np.multiply(bits, odd, out=held[: len(bits)]).sum(axis=1)
    return out
