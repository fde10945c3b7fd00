"""4-bit product codes of rows (Jegou et al., TPAMI 2011): two turned dimensions, or one, become one of 16 centroids.

Rows are first turned to their principal axes, of which the strongest are kept, and these are dealt out so that every
part has about the same share of the spread: the best turn for Gaussian rows (Ge et al., "Optimized Product
Quantization", TPAMI 2014, section 3.3). On dense SIFT half the bytes then find as many neighbours as without a turn.
Rows that fill all their dimensions need finer codes than 2 bits a dimension: with one dimension a part it is 4 bits.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from hierindex.errors import CorruptIndexError
from hierindex.index.products import in_one, product
from hierindex.index.threads import in_parts, omp_threads
from hierindex.vectors import Float32, Int64

__all__ = ["Axes", "Coder", "part_width"]

_CENTROIDS = 16
_SAMPLE = 8_192  # 512 rows a centroid; more do not better the codes
_ITERATIONS = 12
_AT_ONCE = 64 * 2**20  # bytes of rows that are turned at once
_TURNED_AT_ONCE = 512  # queries: half a millisecond of one thread
_FLOOR = 1e-7  # axes with less than this share of the strongest one's spread are all alike


def part_width(n_parts: int, dim: int) -> int:
    """Dimensions of each of so many parts of rows of ``dim`` dimensions: 2 (16 centroids fill a plane, not more) or 1.

    Example:
        >>> part_width(16, 32), part_width(17, 32)
        (2, 1)
    """
    return 2 if 2 * n_parts <= dim + dim % 2 else 1


@dataclass(frozen=True, eq=False)
class Coder:
    """A trained product quantizer.

    Attributes:
        dim: d of the rows.
        centroids: ``(parts, 16, width of a part)`` float32.
        turn: ``(d, width)`` float32, what rows and queries are multiplied with before they are coded or compared with
            codes; None codes the dimensions as they are, filled up with zeros to what the parts divide.

    Example:
        >>> rows = np.random.default_rng(0).normal(size=(100, 7)).astype(np.float32)
        >>> Axes.of(rows, np.arange(100), seed=0).coder(n_parts=4, seed=0).encode(rows).shape
        (100, 2)
    """

    dim: int
    centroids: Float32
    turn: Float32 | None = None

    @property
    def n_parts(self) -> int:
        """How many codes of 4 bits a row has."""
        return len(self.centroids)

    @property
    def width(self) -> int:
        """Dimensions of what is coded: two for each part, or one."""
        return self.n_parts * int(self.centroids.shape[2])

    @cached_property
    def quantizer(self) -> Any:  # noqa: ANN401 - faiss.ProductQuantizer
        """FAISS's form of it."""
        quantizer = faiss.ProductQuantizer(self.width, self.n_parts, 4)
        faiss.copy_array_to_vector(np.ascontiguousarray(self.centroids).ravel(), quantizer.centroids)
        return quantizer

    def turned(self, rows: Float32) -> Float32:
        """Rows or queries ``(n, d)`` in the `width` dimensions that are coded.

        Turned in float64, so that what comes out does not depend on how many rows come in one call.
        """
        turn = self._turn
        if turn is None:
            return _padded(rows, self.width)
        turned = np.empty((len(rows), self.width), np.float32)

        def some(part: slice) -> None:
            turned[part] = product(rows[part], turn)

        in_parts(some, len(rows), _TURNED_AT_ONCE)
        return turned

    def turning(self, query: Float32, turned: Float32) -> Callable[[], None]:
        """What turns the query in one buffer ``(1, d)`` into another ``(1, width)`` whenever called: as `turned` does.

        Without NumPy's price of new arrays for every query.
        """
        turn = self._turn
        if turn is None or not in_one(*turn.shape):
            return lambda: np.copyto(turned, self.turned(query))
        wide, out = np.empty(query.shape), np.empty(turned.shape)

        def call() -> None:
            np.copyto(wide, query)
            np.matmul(wide, turn, out=out)
            np.copyto(turned, out, casting="same_kind")

        return call

    def encode(self, rows: Float32, *, at_once: int | None = None) -> NDArray[np.uint8]:
        """Codes ``(n, bytes)`` of rows ``(n, d)``, of which so many at once are copied; None: some 64 MiB of them."""
        at_once = max(1, _AT_ONCE // (8 * self.dim)) if at_once is None else at_once
        codes = np.empty((len(rows), self.quantizer.code_size), np.uint8)
        for start in range(0, len(rows), at_once):
            codes[start : start + at_once] = self.quantizer.compute_codes(
                self.turned_together(rows[start : start + at_once])
            )
        return codes

    def turned_together(self, rows: Float32) -> Float32:
        """As `turned`, by all threads there are: for rows, while nobody waits for an answer."""
        return self.turned(rows) if self._turn is None else (rows @ self._turn).astype(np.float32)

    @cached_property
    def _turn(self) -> NDArray[np.float64] | None:
        return None if self.turn is None else self.turn.astype(np.float64)

    def to_json(self) -> dict[str, Any]:
        """Shapes, centroids and turn (base64 of little-endian float32) as JSON values."""
        values = {"dim": self.dim, "shape": list(self.centroids.shape), "centroids": _as_text(self.centroids)}
        return values if self.turn is None else values | {"turn": _as_text(self.turn)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """The quantizer of `to_json`.

        Raises:
            CorruptIndexError: the values are no quantizer.
        """
        try:
            dim, shape = int(values["dim"]), tuple(values["shape"])
            centroids = _from_text(values["centroids"]).reshape(shape)
            n_parts, n_centroids, part = centroids.shape
            turn = _from_text(values["turn"]).reshape(dim, n_parts * part) if "turn" in values else None
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptIndexError(f"the stored codebook should be readable; found {error!r}") from error
        fits = turn is not None or 0 <= n_parts * part - dim < part
        finite = np.isfinite(centroids).all() and (turn is None or np.isfinite(turn).all())
        if n_centroids != _CENTROIDS or not fits or not finite:
            raise CorruptIndexError(f"the stored codebook should fit {dim} dimensions; found shape {centroids.shape}")
        return cls(dim, centroids, turn)


@dataclass(frozen=True, eq=False)
class Axes:
    """The principal axes of a sample of rows, from which coders are made.

    Attributes:
        sample: ``(s, d)`` float32.
        spread: ``(d,)`` float64, the variance along each axis, strongest first.
        axes: ``(d, d)`` float64, an axis a column.
    """

    sample: Float32
    spread: NDArray[np.float64]
    axes: NDArray[np.float64]

    @classmethod
    def of(cls, rows: Float32, usable: Int64, seed: int) -> Self:
        """The axes of the ``usable`` ones (at least one) of the rows ``(n, d)``, or of a sample of these."""
        if len(usable) > _SAMPLE:
            usable = np.sort(np.random.default_rng(seed).choice(usable, _SAMPLE, replace=False))
        sample = rows[np.resize(usable, max(len(usable), _CENTROIDS))]  # repeats rows where there are too few
        spread, axes = np.linalg.eigh(np.cov(sample.T, dtype=np.float64).reshape(2 * sample.shape[1:]))
        return cls(sample, spread[::-1], axes[:, ::-1])

    def coder(self, n_parts: int, seed: int) -> Coder:
        """A coder with so many parts, at most ``d``; deterministic."""
        turn = self.turn(n_parts)
        quantizer = faiss.ProductQuantizer(turn.shape[1], n_parts, 4)
        quantizer.cp.seed, quantizer.cp.min_points_per_centroid = seed, 1
        quantizer.cp.max_points_per_centroid, quantizer.cp.niter = len(self.sample), _ITERATIONS
        with omp_threads(1):  # many tiny k-means: waking threads takes longer than each of their steps
            quantizer.train(self.sample @ turn)
        centroids = faiss.vector_to_array(quantizer.centroids).reshape(n_parts, _CENTROIDS, -1)
        return Coder(len(self.spread), centroids, turn)

    def turn(self, n_parts: int) -> Float32:
        """``(d, width)``: the strongest axes, `part_width` for each part, so that all parts have about the same spread.

        The strongest axis not yet dealt out goes to the part whose axes have the smallest product of spreads so far.
        Where there are fewer axes than places, zeros fill up.
        """
        dim, size = len(self.spread), part_width(n_parts, len(self.spread))
        width = n_parts * size
        weight = np.log(np.maximum(self.spread, max(self.spread[0], 1e-30) * _FLOOR))
        dealt: list[list[int]] = [[] for _ in range(n_parts)]
        for axis in range(min(width, dim)):
            open_parts = [part for part in dealt if len(part) < size]
            # an empty part comes before one that has an axis; of those with one, that with the weakest
            min(open_parts, key=lambda part: (len(part), sum(weight[part]))).append(axis)
        turn = np.zeros((dim, width), np.float32)
        for number, part in enumerate(dealt):
            turn[:, number * size : number * size + len(part)] = self.axes[:, part]
        return turn


def _as_text(array: Float32) -> str:
    return base64.b64encode(array.astype("<f4").tobytes()).decode("ascii")


def _from_text(text: str) -> Float32:
    return np.frombuffer(base64.b64decode(text, validate=True), "<f4").astype(np.float32)


def _padded(rows: Float32, width: int) -> Float32:
    if rows.shape[1] == width:
        return rows
    padded = np.zeros((len(rows), width), np.float32)
    padded[:, : rows.shape[1]] = rows
    return padded
