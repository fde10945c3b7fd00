"""A drop-in for `faiss.Index`: the same calls, arrays and conventions, with a learned tree behind them.

    from hierindex.adapters.faiss import IndexHier

    index = IndexHier(128)              # for faiss.IndexFlatL2(128), IndexIVFFlat(...), IndexHNSWFlat(128, 32)
    index.add(x)
    D, I = index.search(q, 10)          # squared L2 distances, as FAISS reports them

What differs from FAISS: ids are unique and 0 or above, an id keeps its number when others are removed (as with
`IndexIDMap2`), nothing has to be trained first, and ``recall`` stands in the place of ``nprobe`` and ``efSearch``. The
index behind, with payload, filters and the tree, is `IndexHier.index`. FAISS itself is not needed to call this.
"""

from hierindex.adapters.faiss.files import read_index, write_index
from hierindex.adapters.faiss.index import IndexHier
from hierindex.adapters.faiss.terms import METRIC_INNER_PRODUCT, METRIC_L2, IDSelector, SearchParametersHier

__all__ = [
    "METRIC_INNER_PRODUCT",
    "METRIC_L2",
    "IDSelector",
    "IndexHier",
    "SearchParametersHier",
    "read_index",
    "write_index",
]
