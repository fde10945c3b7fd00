"""``index.plot``: the pictures of one index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hierindex.plots.charts import dendrogram, leaves, training
from hierindex.plots.common import Pixels
from hierindex.plots.curves import curves_of, recall_latency
from hierindex.plots.disk import disk
from hierindex.plots.drawable import Measurable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Plot"]


class Plot:
    """The pictures of an index, each a matplotlib ``Figure`` (extra ``plots``) that was shown or saved by nobody yet.

    A notebook shows it; ``figure.savefig("disk.png")`` writes it; `hierindex.plots.png` gives its bytes.

    Example:
        ``index.plot.disk(images).savefig("disk.png")``
    """

    def __init__(self, index: Measurable) -> None:
        """Use ``index.plot``."""
        self._index = index

    def disk(self, images: Pixels | None = None, *, branches: int = 64, groups: int = 10) -> Figure:
        """The tree in the Poincare disk, see `hierindex.plots.disk`."""
        return disk(self._index, images, branches=branches, groups=groups)

    def dendrogram(self, images: Pixels | None = None, *, branches: int = 32) -> Figure:
        """The top of the tree as a dendrogram, see `hierindex.plots.dendrogram`."""
        return dendrogram(self._index, images, branches=branches)

    def leaves(self) -> Figure:
        """How many points each leaf holds, see `hierindex.plots.leaves`."""
        return leaves(self._index)

    def training(self) -> Figure:
        """What the training recorded, see `hierindex.plots.training`."""
        return training(self._index)

    def recall_latency(self, queries: object = None, *, k: int = 10, limit: int = 1_000) -> Figure:
        """What recall costs beside flat FAISS, measured now, the two by turns.

        Args:
            queries: as for `HierIndex.compare_with_flat`: unseen vectors or images; None takes stored points, each left
                out of its own answers.
            k: neighbours.
            limit: at most so many queries.
        """
        measured = self._index.compare_with_flat(queries, k=k, limit=limit)
        return recall_latency(curves_of(measured), k=k, title="Recall and what it costs, beside flat FAISS")
