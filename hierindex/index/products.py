"""Matrix products beside FAISS."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["in_one", "product"]

_FOR_ONE_ROW, _FOR_MANY = 36_000, 262_000  # multiplications up to which OpenBLAS (0.3) takes one thread
_PIECES = 32  # in one call


def in_one(dim: int, width: int) -> bool:
    """Whether `product` multiplies one row ``(1, dim)`` by ``(dim, width)`` in one piece.

    Example:
        >>> in_one(128, 64), in_one(2_048, 64)
        (True, False)
    """
    return dim * width <= _FOR_ONE_ROW


def product(a: NDArray[Any], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """``a @ b``, ``(n, d)`` by ``(d, w)``, in pieces too small for NumPy's BLAS to wake its threads.

    They would go on spinning while FAISS's threads want the same cores: a batch of searches would take two to four
    times as long.

    Example:
        >>> product(np.ones((2, 3)), np.ones((3, 1))).tolist()
        [[3.0], [3.0]]
    """
    (n, dim), width = a.shape, b.shape[1]
    out = np.empty((n, width))
    columns = max(1, _FOR_ONE_ROW // dim)
    some = max(1, _FOR_MANY // (dim * min(columns, width)))
    for at in range(0, n, _PIECES * some):
        rows = a[at : at + _PIECES * some].astype(np.float64)
        for start in range(0, width, columns):
            out[at : at + len(rows), start : start + columns] = _in_pieces(rows, b[:, start : start + columns], some)
    return out


def _in_pieces(a: NDArray[np.float64], b: NDArray[np.float64], some: int) -> NDArray[np.float64]:
    """``a @ b``, so many rows at a time; in one call of NumPy, so that Python's other threads work meanwhile."""
    whole = len(a) // some
    pieces = np.matmul(a[: whole * some].reshape(whole, some, a.shape[1]), b).reshape(whole * some, b.shape[1])
    return np.concatenate([pieces, a[whole * some :] @ b]) if whole * some < len(a) else pieces
