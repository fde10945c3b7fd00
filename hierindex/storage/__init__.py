"""The index on disk: a Delta table of points, and numbered generations of the tree and the model. No torch, no FAISS.

The format has one page, ``docs/format.md``.
"""

from hierindex.storage.change import Edit
from hierindex.storage.codes_file import CodesFile
from hierindex.storage.compaction import Compacted
from hierindex.storage.files import Place, place_of
from hierindex.storage.mapped import RowCache, RowsIn
from hierindex.storage.model_file import ModelFile
from hierindex.storage.points import Points
from hierindex.storage.store import Contents, Store, Version, refuse_taken
from hierindex.storage.tree_file import TreeFile
from hierindex.storage.vacuum import Freed

__all__ = [
    "CodesFile",
    "Compacted",
    "Contents",
    "Edit",
    "Freed",
    "ModelFile",
    "Place",
    "Points",
    "RowCache",
    "RowsIn",
    "Store",
    "TreeFile",
    "Version",
    "place_of",
    "refuse_taken",
]
