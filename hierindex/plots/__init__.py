"""Pictures of an index: the tree in the Poincare disk, the dendrogram, the leaves, the training, what recall costs.

Every index has them at ``index.plot``; here they take the index, or what was measured, as an argument.

Every function returns a matplotlib `Figure` (extra ``plots``) and shows or saves nothing by itself; `png` gives the
bytes of a file.
"""

from hierindex.plots.accessor import Plot
from hierindex.plots.charts import dendrogram, leaves, training
from hierindex.plots.common import png
from hierindex.plots.curves import Curve, curves_of, recall_latency
from hierindex.plots.disk import disk

__all__ = ["Curve", "Plot", "curves_of", "dendrogram", "disk", "leaves", "png", "recall_latency", "training"]
