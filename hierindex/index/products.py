"""Matrix products beside FAISS."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["in_one", "product"]

_FOR_ONE_ROW, _FOR_MANY = 36_000, 262_000  # multiplications up to which OpenBLAS (0.3) takes one thread


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
    for at in range(0, n, some):
        for start in range(0, width, columns):
            out[at : at + some, start : start + columns] = a[at : at + some] @ b[:, start : start + columns]
    return out
