"""4-bit product codes of rows (Jegou et al., TPAMI 2011): each few dimensions become one of 16 centroids."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from hierindex.errors import CorruptIndexError
from hierindex.index.threads import omp_threads
from hierindex.vectors import Float32, Int64

__all__ = ["Coder"]

_CENTROIDS = 16
_SAMPLE = 8_192  # 512 rows a centroid; more do not better the codes
_WIDE = 256  # above so many dimensions one centroid stands for four of them, below for two


@dataclass(frozen=True, eq=False)
class Coder:
    """A trained product quantizer.

    Dimensions that the parts do not divide are filled up with zeros in the coded copy; rows keep theirs.

    Attributes:
        dim: d of the rows.
        centroids: ``(parts, 16, width of a part)`` float32.

    Example:
        >>> rows = np.random.default_rng(0).normal(size=(100, 7)).astype(np.float32)
        >>> Coder.train(rows, np.arange(100), seed=0).encode(rows).shape
        (100, 2)
    """

    dim: int
    centroids: Float32

    @classmethod
    def train(cls, rows: Float32, usable: Int64, seed: int) -> Self:
        """The quantizer of the ``usable`` ones (at least one) of the rows ``(n, d)``; deterministic."""
        dim = rows.shape[1]
        part = 2 if dim <= _WIDE else 4
        n_parts = -(-dim // part)
        if len(usable) > _SAMPLE:
            usable = np.sort(np.random.default_rng(seed).choice(usable, _SAMPLE, replace=False))
        sample = rows[np.resize(usable, max(len(usable), _CENTROIDS))]  # repeats rows where there are too few
        quantizer = faiss.ProductQuantizer(n_parts * part, n_parts, 4)
        quantizer.cp.seed, quantizer.cp.min_points_per_centroid = seed, 1
        quantizer.cp.max_points_per_centroid = len(sample)
        with omp_threads(1):  # many tiny k-means: waking threads takes longer than each of their steps
            quantizer.train(_padded(sample, n_parts * part))
        return cls(dim, faiss.vector_to_array(quantizer.centroids).reshape(n_parts, _CENTROIDS, part))

    @property
    def n_parts(self) -> int:
        """How many codes of 4 bits a row has."""
        return len(self.centroids)

    @property
    def width(self) -> int:
        """Dimensions of the coded copy: d, filled up to what the parts divide."""
        return self.n_parts * int(self.centroids.shape[2])

    @cached_property
    def quantizer(self) -> Any:  # noqa: ANN401 - faiss.ProductQuantizer
        """FAISS's form of it."""
        quantizer = faiss.ProductQuantizer(self.width, self.n_parts, 4)
        faiss.copy_array_to_vector(np.ascontiguousarray(self.centroids).ravel(), quantizer.centroids)
        return quantizer

    def widened(self, rows: Float32) -> Float32:
        """Rows ``(n, d)`` with zeros up to `width` dimensions."""
        return _padded(rows, self.width)

    def encode(self, rows: Float32, *, at_once: int = 262_144) -> NDArray[np.uint8]:
        """Codes ``(n, bytes)`` of rows ``(n, d)``."""
        codes = np.empty((len(rows), self.quantizer.code_size), np.uint8)
        for start in range(0, len(rows), at_once):
            codes[start : start + at_once] = self.quantizer.compute_codes(self.widened(rows[start : start + at_once]))
        return codes

    def to_json(self) -> dict[str, Any]:
        """Shape and centroids (base64 of little-endian float32) as JSON values."""
        data = base64.b64encode(self.centroids.astype("<f4").tobytes()).decode("ascii")
        return {"dim": self.dim, "shape": list(self.centroids.shape), "centroids": data}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """The quantizer of `to_json`.

        Raises:
            CorruptIndexError: the values are no quantizer.
        """
        try:
            data = np.frombuffer(base64.b64decode(values["centroids"], validate=True), "<f4")
            centroids = data.reshape(values["shape"]).astype(np.float32)
            dim, (n_parts, n_centroids, part) = int(values["dim"]), centroids.shape
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptIndexError(f"the stored codebook should be readable; found {error!r}") from error
        if n_centroids != _CENTROIDS or not 0 <= n_parts * part - dim < part or not np.isfinite(centroids).all():
            raise CorruptIndexError(f"the stored codebook should fit {dim} dimensions; found shape {centroids.shape}")
        return cls(dim, centroids)


def _padded(rows: Float32, width: int) -> Float32:
    if rows.shape[1] == width:
        return rows
    padded = np.zeros((len(rows), width), np.float32)
    padded[:, : rows.shape[1]] = rows
    return padded
