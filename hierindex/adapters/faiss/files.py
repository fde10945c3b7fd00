"""`write_index` and `read_index`, as FAISS has them."""

from __future__ import annotations

from os import PathLike

from hierindex.adapters.faiss.index import IndexHier
from hierindex.api import HierIndex

__all__ = ["read_index", "write_index"]


def write_index(index: IndexHier, path: str | PathLike[str]) -> None:
    """Save an index as it is now, in the place of one that is there; as in FAISS, later changes are not saved with it.

    It is a folder, in the format of `HierIndex.save`, and the older ones stay in it as versions.

    Raises:
        InputError: nothing was put into it yet. StorageError: it cannot be written.
    """
    index.index.pinned().save(path, overwrite=True)


def read_index(path: str | PathLike[str], *, recall: float = 0.95) -> IndexHier:
    """The index that `write_index` or `HierIndex.save` wrote; what is changed stays in memory.

    Raises:
        NotAnIndexError: there is none. InputError: its ids are strings. StorageError: it cannot be read.
    """
    return IndexHier.around(HierIndex.open(path), recall=recall)
