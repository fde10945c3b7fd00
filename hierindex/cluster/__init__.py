"""One index over many processes and machines, on Ray: the same answers, the same files.

Needs ``pip install 'hierindex[cluster]'``. What is here beside Ray (placement, shards, merging) is plain NumPy and
FAISS, and runs in one process as well.

    from hierindex.cluster import ClusterConfig, ClusterIndex

    with ClusterIndex.open("s3://bucket/my.index", cluster=ClusterConfig(workers=8, replicas=2)) as index:
        hits = index.search(query, k=10, recall=0.95)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hierindex.lazy import from_homes

if TYPE_CHECKING:
    from hierindex.cluster.building import build
    from hierindex.cluster.config import ClusterConfig, Placing
    from hierindex.cluster.index import ClusterIndex
    from hierindex.cluster.results import ClusterHits, ClusterRanges

__all__ = ["ClusterConfig", "ClusterHits", "ClusterIndex", "ClusterRanges", "Placing", "build"]

_HOME_OF = {
    "ClusterConfig": "config",
    "ClusterHits": "results",
    "ClusterIndex": "index",
    "ClusterRanges": "results",
    "Placing": "config",
    "build": "building",
}

__getattr__ = from_homes(__name__, _HOME_OF)
