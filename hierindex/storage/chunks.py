"""Vectors as a column of Parquet holds them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from hierindex.vectors import Float32

__all__ = ["vectors_in"]


def vectors_in(chunk: pa.BinaryArray, dim: int) -> Float32:
    """The values ``(n, d)`` of n binary values, without a copy.

    Raises:
        ValueError: a value has another length, or is not finite.
    """
    n, width = len(chunk), 4 * dim
    _, offsets, data = chunk.buffers()
    at = np.frombuffer(offsets, np.int32, n + 1, offset=4 * chunk.offset).astype(np.int64)
    if (np.diff(at) != width).any():
        raise ValueError(f"vectors that are not all of {width} bytes, {dim} float32 values")
    vectors = np.frombuffer(data, "<f4", n * dim, offset=int(at[0])) if n else np.empty(0, np.float32)
    if not np.isfinite(vectors).all():
        raise ValueError("vectors with NaN or infinity")
    return vectors.reshape(n, dim)
