"""What the pictures are drawn of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from hierindex.index.compare import Measured
    from hierindex.learning.history import History
    from hierindex.tree import Tree
    from hierindex.vectors import Int64

__all__ = ["Drawable", "Measurable"]


class Drawable(Protocol):
    """An index, as far as the pictures look at it."""

    @property
    def tree(self) -> Tree:
        """The tree over all points."""

    @property
    def training(self) -> History:
        """The record of the learning."""

    def leaf_sizes(self) -> Int64:
        """``(L,)``: how many points each leaf holds."""


class Measurable(Drawable, Protocol):
    """One that can be measured beside flat FAISS too."""

    def compare_with_flat(self, queries: object = None, *, k: int = 10, limit: int = 1_000) -> list[Measured]:
        """Recall and latency at some recalls."""
