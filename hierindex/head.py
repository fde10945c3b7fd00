"""The head: from a latent vector to a point on the boundary of the ball. Learned with torch, applied with NumPy.

The head is a plain value so that an index of ready vectors places new points in its tree without loading torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hierindex.errors import CorruptIndexError
from hierindex.vectors import Float32

__all__ = ["AnchorHead", "AnyHead", "Head", "head_of", "unit"]


@dataclass(frozen=True)
class Head:
    """A linear map (started at the principal axes) plus one hidden layer, normalised to the unit sphere.

    With u = (z - mean) / scale, the point is unit(u @ linear + relu(u @ w1 + b1) @ w2): an ideal point of the ball,
    where the depth of a common ancestor depends on angles alone (HypHC, arXiv 2010.00402, at radius 1).

    Attributes:
        mean, scale: ``(d,)``, centre and spread of the latent vectors.
        linear: ``(d, p)``. w1: ``(d, h)``. b1: ``(h,)``. w2: ``(h, p)``.
    """

    mean: Float32
    scale: Float32
    linear: Float32
    w1: Float32
    b1: Float32
    w2: Float32

    @property
    def dim(self) -> int:
        """p, the dimension of the ball."""
        return int(self.linear.shape[1])

    def __call__(self, z: Float32, *, rows_at_once: int = 65_536) -> Float32:
        """Points ``(n, p)`` of length 1 for prepared latent vectors ``(n, d)``.

        Taken in float64, so that what comes out does not depend on how many rows come in one call.
        """
        out = np.empty((len(z), self.dim), np.float32)
        mean, scale, linear, w1, b1, w2 = (weights.astype(np.float64) for weights in self.arrays().values())
        for start in range(0, len(z), rows_at_once):
            u = (z[start : start + rows_at_once] - mean) / scale
            out[start : start + rows_at_once] = u @ linear + np.maximum(u @ w1 + b1, 0) @ w2
        return unit(out)

    def arrays(self) -> dict[str, Float32]:
        """The weights by name, for safetensors."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Float32]) -> Self:
        """The head of these weights.

        Raises:
            CorruptIndexError: a weight is missing, or the shapes do not fit together.
        """
        head = cls(**_named(cls, arrays))
        (d,), (h,), p = head.mean.shape, head.b1.shape, head.linear.shape[-1]
        _fit_together(head, {"mean": (d,), "scale": (d,), "linear": (d, p), "w1": (d, h), "b1": (h,), "w2": (h, p)})
        return head


@dataclass(frozen=True)
class AnchorHead:
    """The mean of the places of anchors, each weighted by how near it is, normalised to the unit sphere.

    With u = unit(z - mean), the point is unit(softmax(u . anchors / temperature) @ places): kernel regression (E.
    Nadaraya and G. Watson, 1964) with the cosine's exponential. It keeps what bends too much for a `Head`, and takes
    time with the number of anchors.

    Attributes:
        mean: ``(d,)``, centre of the latent vectors.
        anchors: ``(m, d)``, rows of length 1.
        places: ``(m, p)``.
        temperature: ``(1,)``, above 0; the lower, the fewer anchors a point is placed by.
    """

    mean: Float32
    anchors: Float32
    places: Float32
    temperature: Float32

    @property
    def dim(self) -> int:
        """p, the dimension of the ball."""
        return int(self.places.shape[1])

    def __call__(self, z: Float32, *, rows_at_once: int = 4_096) -> Float32:
        """Points ``(n, p)`` of length 1 for prepared latent vectors ``(n, d)``.

        Products are in float64, as a `Head`'s.
        """
        out, places = np.empty((len(z), self.dim), np.float32), self.places.astype(np.float64)
        for start in range(0, len(z), rows_at_once):
            out[start : start + rows_at_once] = self.shares(z[start : start + rows_at_once]) @ places
        return unit(out)

    def shares(self, z: Float32) -> Float32:
        """How much each anchor counts for each vector ``(n, m)``: rows that sum to 1."""
        shares = (unit(z - self.mean).astype(np.float64) @ self._anchors.T).astype(np.float32)
        shares -= shares.max(axis=1, keepdims=True)
        np.exp(shares / self.temperature, out=shares)
        shares /= shares.sum(axis=1, keepdims=True)
        return shares

    @cached_property
    def _anchors(self) -> NDArray[np.float64]:
        return self.anchors.astype(np.float64)

    def arrays(self) -> dict[str, Float32]:
        """The weights by name, for safetensors."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Float32]) -> Self:
        """The head of these weights.

        Raises:
            CorruptIndexError: a weight is missing, the shapes do not fit together, or the temperature is not above 0.
        """
        head = cls(**_named(cls, arrays))
        (d,), (m,), p = head.mean.shape, head.anchors.shape[:1], head.places.shape[-1]
        _fit_together(head, {"mean": (d,), "anchors": (m, d), "places": (m, p), "temperature": (1,)})
        if not head.temperature[0] > 0:
            raise CorruptIndexError(f"the head's temperature should be above 0; found {head.temperature[0]}")
        return head


AnyHead = Head | AnchorHead


def head_of(arrays: Mapping[str, Float32]) -> AnyHead:
    """The head of these weights, of either kind.

    Raises:
        CorruptIndexError: they are no head's.
    """
    return AnchorHead.from_arrays(arrays) if "anchors" in arrays else Head.from_arrays(arrays)


def _named(kind: type[Head] | type[AnchorHead], arrays: Mapping[str, Float32]) -> dict[str, Float32]:
    names = [field.name for field in fields(kind)]
    missing = [name for name in names if name not in arrays]
    if missing:
        raise CorruptIndexError(f"the head should have the weights {names}; missing: {missing}")
    return {name: np.ascontiguousarray(arrays[name], dtype=np.float32) for name in names}


def _fit_together(head: AnyHead, wanted: Mapping[str, tuple[int, ...]]) -> None:
    for name, shape in wanted.items():
        if getattr(head, name).shape != shape:
            raise CorruptIndexError(f"head weight {name!r} should be {shape}; found {getattr(head, name).shape}")


def unit(x: Float32) -> Float32:
    """Rows ``(n, p)`` scaled to length 1; a row of zeros becomes the first axis, so that every row is on the sphere."""
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    result = np.zeros_like(x)
    np.divide(x, norms, out=result, where=norms > 0)
    result[norms[:, 0] == 0, 0] = 1
    return result
