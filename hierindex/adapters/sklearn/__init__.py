"""scikit-learn estimators on an index (``pip install 'hierindex[sklearn]'``)."""

from hierindex.errors import need

need("sklearn", "sklearn")

from hierindex.adapters.sklearn.cluster import HierCluster  # noqa: E402 - what is missing is named first
from hierindex.adapters.sklearn.neighbors import HierNeighborsTransformer  # noqa: E402

__all__ = ["HierCluster", "HierNeighborsTransformer"]
