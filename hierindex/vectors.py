"""The door for vectors and ids: whatever the caller has becomes one checked, contiguous form, once.

Inside the package a vector set is a C-contiguous float32 array ``(n, d)`` without NaN or infinity, a metric is a
`Metric`, and ids are an int64 array or an object array of `str`. Nothing further in checks them again, and nothing
ever writes into the caller's arrays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hierindex.errors import DuplicateIdError, EmptyInputError, InputError

__all__ = [
    "Float32",
    "Ids",
    "Int64",
    "Metric",
    "as_ids",
    "as_labels",
    "as_vectors",
    "finite_rows",
    "member",
    "positive",
]

Member = TypeVar("Member", bound=Enum)
_FEW = 10_000  # numbers of which OpenBLAS makes a product in one thread: more would wake its others
_AT_ONCE = 2_048  # rows that are widened at once: they stay in the cache
_TINY = 1e-300  # below the norm of every float32 vector but that of zeros, which stay zeros
_ROUNDED = 2.0**-23  # from 1: as far as the length of a row of float32 comes off it by rounding
_ZERO, _ONE = np.float32(0), np.float32(1)  # for few numbers, what NumPy makes of Python's costs as much as the work
Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
Ids = NDArray[np.int64] | NDArray[np.object_]


def member(kind: type[Member], value: object, name: str) -> Member:
    """The member of an enum that has this value, or is it.

    Raises:
        InputError: there is none; the message lists those there are.

    Example:
        >>> member(Metric, "ip", "metric")
        <Metric.IP: 'ip'>
    """
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(repr(each.value) for each in kind)
        raise InputError(f"{name} should be one of {known}; found {value!r}") from None


class Metric(Enum):
    """How far two vectors are apart; smaller is nearer for all three.

    ``COSINE``: 1 - cos(q, x), in [0, 2]; a zero vector is at distance 1 from everything.
    ``L2``: the Euclidean distance |q - x| (not squared).
    ``IP``: the negated inner product -<q, x>, so that the largest product comes first.
    """

    COSINE = "cosine"
    L2 = "l2"
    IP = "ip"

    @classmethod
    def parse(cls, metric: Metric | str) -> Metric:
        """The metric of that name.

        Raises:
            InputError: no metric has that name.

        Example:
            >>> Metric.parse("l2")
            <Metric.L2: 'l2'>
        """
        return member(cls, metric, "metric")

    @property
    def by_product(self) -> bool:
        """Whether nearness is a larger inner product of the prepared vectors (cosine, ip), not a smaller |q - x|."""
        return self is not Metric.L2

    @property
    def coded_by_product(self) -> bool:
        """Whether codes are compared by inner products, not by squared distances.

        For rows of unit length both orders are one, but not for what is left of them in a code. A product errs by
        <q, e>, where e is what the code lost; a distance by 2 <q - x, e>, and q - x is short for the rows that are
        wanted: a quarter of the bytes finds as much (benchmarks/search_leads.py).
        """
        return self is Metric.IP

    def prepare(self, x: Float32) -> Float32:
        """Vectors ``(n, d)`` as they are stored and compared: of unit length for cosine, unchanged otherwise.

        What is prepared already stays as it is, bit for bit.
        """
        if self is not Metric.COSINE:
            return x
        if len(x) == 1:
            return _of_unit_length(x)
        unit = np.empty_like(x)
        for start in range(0, len(x), _AT_ONCE):
            # float64: float32 squares overflow above 1e19 and vanish below 1e-23
            wide = x[start : start + _AT_ONCE].astype(np.float64)
            norms = np.maximum(np.sqrt(np.einsum("nd,nd->n", wide, wide)), _TINY)
            norms[np.abs(norms - 1) < _ROUNDED] = 1
            np.divide(wide, norms[:, None], out=unit[start : start + _AT_ONCE], casting="same_kind")
        return unit

    def distances(self, raw: Float32) -> Float32:
        """Distances from what FAISS reports: squared L2, or the inner product of prepared vectors.

        Places without a result (FAISS: id -1) hold +-FLT_MAX there; the caller overwrites them with inf.
        """
        if self is Metric.L2:
            return np.sqrt(np.maximum(raw, _ZERO))
        if self is Metric.COSINE:
            apart: Float32 = np.maximum(_ONE - raw, _ZERO)
            return apart
        return -raw


def _of_unit_length(x: Float32) -> Float32:
    """`Metric.prepare` of one vector ``(1, d)``, bit for bit: NumPy's price of each call is all that it costs."""
    wide = x.astype(np.float64)
    norm = math.sqrt(np.einsum("nd,nd->n", wide, wide)[0])
    if abs(norm - 1) < _ROUNDED:
        return x.copy()
    return (wide / max(norm, _TINY)).astype(np.float32)


def as_vectors(x: ArrayLike, *, name: str = "vectors", dim: int | None = None) -> Float32:
    """Check vectors and bring them to C-contiguous float32 ``(n, d)``; a single vector ``(d,)`` becomes ``(1, d)``.

    Args:
        x: array, tensor on the CPU, or nested sequence of real numbers, ``(n, d)`` or ``(d,)``.
        name: what to call it in an error.
        dim: the dimension d that is wanted, if one is.

    Returns:
        float32 ``(n, d)``; the caller's own memory where that already fits, so it must not be written to.

    Raises:
        InputError: wrong rank, dtype or dimension; NaN or infinity.
        EmptyInputError: no rows, or no columns.

    Example:
        >>> as_vectors([[1, 2], [3, 4]]).dtype
        dtype('float32')
    """
    array = _as_array(x, name)
    if array.ndim == 1:
        array = array[None, :]
    if array.ndim != 2:
        raise InputError(f"{name} should have shape (n, d) or (d,); found shape {array.shape}")
    if array.dtype.kind not in "fiu":
        raise InputError(
            f"{name} should hold real numbers (float or integer); found dtype {array.dtype}; convert them to float32"
        )
    if dim is not None and array.shape[1] != dim:
        raise InputError(f"{name} should have {dim} dimensions, as the index has; found {array.shape[1]}")
    if array.size == 0:
        raise EmptyInputError(f"{name} should hold at least one vector of one dimension; found shape {array.shape}")
    if array.dtype == np.float32:
        result = np.ascontiguousarray(array)
    else:
        with np.errstate(over="ignore"):  # a float64 beyond float32's range becomes inf and is named below
            result = np.ascontiguousarray(array, dtype=np.float32)
    _refuse_non_finite(result, name)
    return result


def as_ids(ids: ArrayLike | Sequence[str] | None, n: int, *, start: int = 0) -> Ids:
    """Check ids and bring them to int64 ``(n,)`` or an object array of `str` ``(n,)``.

    Args:
        ids: integers or strings, unique; None numbers the points from ``start``.
        n: how many points there are.
        start: the first number where ids is None.

    Raises:
        InputError: not n of them, neither integers nor strings, or an empty string.
        DuplicateIdError: an id occurs twice.

    Example:
        >>> as_ids(["a", "b"], 2).dtype
        dtype('O')
    """
    if ids is None:
        return np.arange(start, start + n, dtype=np.int64)
    # a list of str goes in as objects: NumPy's own string type would drop trailing NULs
    words = isinstance(ids, (list, tuple)) and any(isinstance(i, str) for i in ids)
    array = np.asarray(ids, dtype=object if words else None)
    if array.ndim != 1 or len(array) != n:
        raise InputError(f"ids should be {n}, one for each point; found shape {array.shape}")
    clean = _integer_ids(array) if array.dtype.kind in "iu" else _string_ids(array)
    values, counts = np.unique(clean, return_counts=True)
    if (counts > 1).any():
        twice = values[counts > 1][:5].tolist()
        raise DuplicateIdError(f"ids should be unique; found more than once: {twice}")
    return clean


def as_labels(labels: ArrayLike, n: int) -> Int64:
    """Any labels ``(n,)`` as integers 0 .. K-1 in sorted order of their values.

    Raises:
        InputError: not one label for each of the n points.

    Example:
        >>> as_labels(["cat", "ant", "cat"], 3).tolist()
        [1, 0, 1]
    """
    array = np.asarray(labels)
    if array.shape != (n,):
        raise InputError(f"labels should be {n}, one for each point; found shape {array.shape}")
    return np.unique(array, return_inverse=True)[1].astype(np.int64).reshape(n)


def positive(value: int, name: str) -> int:
    """An integer of at least 1.

    Raises:
        InputError: it is not an integer, or below 1.

    Example:
        >>> positive(3, "k")
        3
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise InputError(f"{name} should be an integer of at least 1; found {value!r}")
    return int(value)


def _as_array(x: ArrayLike, name: str) -> NDArray[Any]:
    plain: Any = x
    if hasattr(plain, "detach"):  # a torch tensor, known without importing torch
        plain = plain.detach().cpu()
        plain = plain.float().numpy() if plain.is_floating_point() else plain.numpy()
    try:
        array = np.asarray(plain)
    except ValueError as error:
        raise InputError(f"{name} should form one array (n, d); found rows of different lengths") from error
    if array.dtype == object:
        raise InputError(f"{name} should form one numeric array (n, d); found Python objects")
    return array


def finite_rows(x: Float32, *, at_once: int = 65_536) -> NDArray[np.bool_]:
    """``(n,)``: which rows ``(n, d)`` hold neither NaN nor infinity; looked at some at a time.

    Example:
        >>> finite_rows(np.array([[1, 2], [np.nan, 0]], np.float32)).tolist()
        [True, False]
    """
    parts = [np.isfinite(x[at : at + at_once]).all(axis=1) for at in range(0, len(x), at_once)]
    return np.concatenate(parts) if parts else np.ones(0, np.bool_)


def _refuse_non_finite(x: Float32, name: str) -> None:
    if x.size <= _FEW and math.isfinite(np.vdot(x, x)):  # for one query a fifth of what a look at each row costs
        return
    bad = ~finite_rows(x)
    if bad.any():
        rows = np.flatnonzero(bad)
        raise InputError(
            f"{name} should be finite in float32; found NaN or infinity in {len(rows)} row(s): {rows[:5].tolist()}"
        )


def _integer_ids(array: NDArray[Any]) -> Int64:
    if array.dtype.kind == "u" and array.size and array.max() > np.iinfo(np.int64).max:
        raise InputError(f"integer ids should fit in int64; found {array.max()}")
    clean = array.astype(np.int64)
    if clean.size and clean.min() < 0:
        raise InputError(f"integer ids should be 0 or above (-1 marks a missing hit); found {clean.min()}")
    return clean


def _string_ids(array: NDArray[Any]) -> NDArray[np.object_]:
    values = array.tolist()
    wrong = next((v for v in values if not isinstance(v, str) or not v), None)
    if wrong is not None or array.dtype.kind not in "UO":
        raise InputError(
            f"ids should be all integers or all non-empty strings; found {wrong!r} in an array of {array.dtype}"
        )
    clean = np.empty(len(values), dtype=object)
    clean[:] = values
    return clean
