"""Whether rows that came later are still described by a codebook that was trained on earlier ones."""

from __future__ import annotations

import numpy as np

from hierindex.index.codes import Coder
from hierindex.index.tables import Table
from hierindex.vectors import Float32

__all__ = ["code_errors", "codes_drifted"]

_SAMPLE = 4_096
_LEAST = 256
_WORSE = 1.1


def codes_drifted(table: Table, coder: Coder | None, n_known: int) -> bool:
    """Whether the codes of the rows behind the first ``n_known`` ones lose a tenth more than those of the first ones.

    Both on a sample; fewer than 256 later rows say nothing.
    """
    live = table.ids.live_rows
    early, late = live[:n_known], live[n_known:]
    if coder is None or len(late) < _LEAST or not len(early):
        return False
    rng = np.random.default_rng(0)
    lost = [
        code_errors(coder, table.rows.values[rng.choice(rows, min(_SAMPLE, len(rows)), replace=False)])
        for rows in (early, late)
    ]
    return float(lost[1].mean()) > _WORSE * float(lost[0].mean())


def code_errors(coder: Coder, rows: Float32) -> Float32:
    """``(n,)``: squared distance of rows ``(n, d)`` from what their codes say, axes that have no code included."""
    turned = coder.turned(rows)
    said = coder.quantizer.decode(coder.quantizer.compute_codes(turned))
    coded = ((turned - said) ** 2).sum(axis=1)
    dropped = np.maximum((rows**2).sum(axis=1) - (turned**2).sum(axis=1), 0)
    return np.asarray(coded + dropped, np.float32)
