"""The index on disk: a Delta table of points, and numbered generations of the tree and the model. No torch, no FAISS.

The format has one page, ``docs/format.md``.
"""

from hierindex.storage.model_file import ModelFile
from hierindex.storage.points import Points
from hierindex.storage.store import Contents, Store, Version, refuse_taken
from hierindex.storage.tree_file import TreeFile

__all__ = ["Contents", "ModelFile", "Points", "Store", "TreeFile", "Version", "refuse_taken"]
