"""hierindex: a learned hyperbolic tree as a vector index.

    from hierindex import HierIndex

    index = HierIndex.build("photos/")          # unlabelled images: learns an encoder and a tree
    index = HierIndex.build(Table(frame))       # rows of numbers: the same
    index = HierIndex.from_vectors(x)           # ready embeddings: learns the tree
    hits = index.search(query, k=10, recall=0.95)

Importing this loads neither torch nor FAISS; they come with the first thing that needs them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hierindex.lazy import from_homes

if TYPE_CHECKING:
    from hierindex.api import BuildConfig, HierIndex
    from hierindex.errors import HierIndexError
    from hierindex.learning.tables import Table
    from hierindex.results import Hits, Ranges
    from hierindex.tree import Tree

__version__ = "0.1.0"

__all__ = ["BuildConfig", "HierIndex", "HierIndexError", "Hits", "Ranges", "Table", "Tree", "__version__"]

_HOME_OF = {
    "BuildConfig": "api",
    "HierIndex": "api",
    "HierIndexError": "errors",
    "Hits": "results",
    "Ranges": "results",
    "Table": "learning.tables",
    "Tree": "tree",
}

__getattr__ = from_homes(__name__, _HOME_OF)
