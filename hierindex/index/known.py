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
        return cls(table.seq.values[live], checks(table.rows.values[live]), packed.codes.values[live])

    def of_rows(self, table: Table, base: int, coder: Coder) -> Column:
        """The codes of the first ``base`` rows of a table: known ones, and what ``coder`` makes of the others."""
        rows, seq = table.rows.values[:base], table.seq.values[:base]
        if not len(self.seq) or self.codes.shape[1] != coder.quantizer.code_size:
            return Column.of(coder.encode(rows))
        at = np.minimum(np.searchsorted(self.seq, seq), len(self.seq) - 1)
        new = (self.seq[at] != seq) | (self.check[at] != checks(rows))
        codes = self.codes[at]
        if new.any():
            codes[new] = coder.encode(np.ascontiguousarray(rows[new]))
        return Column.of(codes)


def checks(rows: Float32) -> NDArray[np.uint64]:
    """``(n,)``: a number for each row ``(n, d)`` that another vector hardly ever has (a linear hash of its bits)."""
    plain = np.ascontiguousarray(rows, dtype="<f4")
    if plain.shape[1] % 2:
        plain = np.pad(plain, ((0, 0), (0, 1)))
    bits = plain.view("<u8")  # two dimensions a number
    odd = np.random.default_rng(20250108717).integers(0, 2**63, bits.shape[1], dtype=np.uint64) * np.uint64(2) + 1
    out, held = np.empty(len(bits), np.uint64), np.empty((_AT_ONCE, bits.shape[1]), np.uint64)
    for start in range(0, len(bits), _AT_ONCE):
        some = bits[start : start + _AT_ONCE]
        out[start : start + _AT_ONCE] = np.multiply(some, odd, out=held[: len(some)]).sum(axis=1)
    return out
