"""Which rows a search may find, said so that whoever holds rows can tell it of his own."""

from __future__ import annotations

import pickle
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hierindex.index.filters import mask_of
from hierindex.index.native import Selector
from hierindex.vectors import Int64

__all__ = ["Chosen", "Kept", "Only"]

_KEPT = 4  # what a worker remembers: a search asks twice or thrice with one filter, callers often with the same ones


@dataclass(frozen=True, eq=False)
class Only:
    """The rows that may be found: those for which all holds that is given.

    Attributes:
        expression: over payload columns.
        leaves: ``(L,)`` bool: they lie in one of these leaves, by position.
        seq: rising numbers; they bear one of them.
        without: rising numbers; they bear none of them.
    """

    expression: pc.Expression | None = None
    leaves: NDArray[np.bool_] | None = None
    seq: Int64 | None = None
    without: Int64 | None = None

    @cached_property
    def key(self) -> bytes:
        """The same for the same rows."""
        return blake2b(pickle.dumps((self.expression, self.leaves, self.seq, self.without))).digest()

    def mask(self, seq: Int64, leaf: Int64, payload: pa.Table | None) -> NDArray[np.bool_]:
        """``(n,)`` bool: which of n rows may be found.

        Args:
            seq: their numbers.
            leaf: the positions of their leaves.
            payload: their columns.

        Raises:
            InputError: see `mask_of`.
        """
        n = len(seq)
        mask = np.ones(n, np.bool_) if self.expression is None else mask_of(payload, self.expression, n)
        if self.leaves is not None:
            mask &= self.leaves[leaf]
        if self.seq is not None:
            mask &= np.isin(seq, self.seq, assume_unique=True)
        if self.without is not None:
            mask &= np.isin(seq, self.without, assume_unique=True, invert=True)
        return mask


@dataclass(frozen=True, eq=False)
class Chosen:
    """The rows of one holder that may be found: ``(n,)`` bool, and as FAISS asks for them."""

    mask: NDArray[np.bool_]
    selector: Selector


@dataclass(eq=False)
class Kept:
    """What was chosen lately. Any number of threads may ask."""

    _known: OrderedDict[bytes, Chosen] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, only: Only, seq: Int64, leaf: Int64, payload: pa.Table | None) -> Chosen:
        """The rows that may be found, see `Only.mask`; the last arguments are always the same ones."""
        with self._lock:
            known = self._known.get(only.key)
            if known is not None:
                self._known.move_to_end(only.key)
                return known
        mask = only.mask(seq, leaf, payload)
        chosen = Chosen(mask, Selector(mask))
        with self._lock:
            self._known[only.key] = chosen
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return chosen
