"""All systems by name."""

from __future__ import annotations

from benchmarks.searching.faiss_systems import FaissFlat, FaissHNSW, FaissIVF, FaissRefine, FaissRerank
from benchmarks.searching.graphs import HnswLib, USearch
from benchmarks.searching.ours import Ours
from benchmarks.searching.scann_system import Scann
from benchmarks.searching.system import System

__all__ = ["OURS", "SYSTEMS"]

_ALL: tuple[type[System], ...] = (
    Ours,
    FaissFlat,
    FaissIVF,
    FaissRefine,
    FaissRerank,
    FaissHNSW,
    HnswLib,
    USearch,
    Scann,
)
SYSTEMS: dict[str, type[System]] = {each.name: each for each in _ALL}
OURS = Ours.name
