"""Pictures of an index: the tree in the Poincare disk, the dendrogram, the leaves, the training.

Every function returns a matplotlib `Figure` (extra ``plots``) and shows or saves nothing by itself; `png` gives the
bytes of a file.
"""

from hierindex.plots.charts import dendrogram, leaves, training
from hierindex.plots.common import png
from hierindex.plots.disk import disk

__all__ = ["dendrogram", "disk", "leaves", "png", "training"]
