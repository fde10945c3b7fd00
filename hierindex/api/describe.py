"""What an index is, as JSON values."""

from __future__ import annotations

from typing import Any

import numpy as np

from hierindex.api.model import Model
from hierindex.api.view import View
from hierindex.index.rows import Column
from hierindex.index.snapshot import Snapshot
from hierindex.storage import Store

__all__ = ["describe"]


def describe(view: View, store: Store | None) -> dict[str, Any]:
    """Sizes, how it searches and why, what was learned, where it is saved."""
    snapshot = view.snapshot
    return {
        "points": len(snapshot),
        "dim": int(snapshot.rows.shape[1]),
        "metric": snapshot.metric.value,
        "ids": "strings" if snapshot.ids.of_strings else "integers",
        "payload": [] if snapshot.payload is None else snapshot.payload.column_names,
        "search": _search(snapshot),
        "memory": _memory(snapshot),
        "leaves": _leaves(view),
        "tree": _tree(view.model),
        "learned": _learned(view.model),
        "built": {"seconds": view.model.about["seconds"]},
        "saved": None if store is None else {"path": str(store.path), "version": store.version},
    }


def _search(snapshot: Snapshot) -> dict[str, Any]:
    n, bound = len(snapshot), snapshot.bound
    if snapshot.packed is None:
        why = f"flat: {n:,} points, up to {bound:,} every search compares them all and is exact"
        return {"mode": why, "levels": [], "operating_points": []}
    scanned = "rows" if snapshot.packed.lists.exact else "4-bit codes, the best of them again by rows"
    return {
        "mode": f"through leaves: {n:,} points, more than {bound:,}; leaves are scanned by {scanned}",
        "levels": list(snapshot.packed.router.widths),
        "operating_points": [_operating_point(snapshot, recall) for recall in (0.9, 0.95, 0.99)],
    }


def _memory(snapshot: Snapshot) -> dict[str, float]:
    """Bytes a point in memory, by part; what Python and FAISS need around them is not counted.

    ``mapped`` are rows that lie in a file: the system keeps them in memory while there is room, and ``all`` is without.
    ``codes`` are kept twice, by row and by leaf (float32 rows by leaf where leaves are not coded); ``ids`` are the
    points' own and the row numbers in the leaves; ``tree`` is centroids and places of all nodes.
    """
    table, packed, n, d = snapshot.table, snapshot.packed, max(len(snapshot), 1), snapshot.rows.shape[1]
    coded, lists, listed = 0, 0, 0
    if packed is not None:
        width = 4 * d if packed.codes is None else packed.codes.values.shape[1]
        coded = 0 if packed.codes is None else packed.codes.values.nbytes
        lists, listed = packed.base * width, packed.base * (8 + packed.list_of.itemsize)
    nodes = snapshot.nodes
    parts = {
        "rows": table.rows.held_bytes,
        "codes": coded + lists,
        "ids": table.ids.values.nbytes + listed,
        "points": table.points.values.nbytes if isinstance(table.points, Column) else 0,
        "payload": 0 if snapshot.payload is None else snapshot.payload.nbytes,
        "columns": sum(column.values.nbytes for column in (table.seq, table.home, table.leaf)) + 16 * len(table.moves),
        "tree": nodes.centroid.nbytes + nodes.ball.nbytes,
    }
    parts |= {"all": sum(parts.values()), "mapped": table.rows.mapped_bytes}
    return {name: round(size / n, 1) for name, size in parts.items()}


def _operating_point(snapshot: Snapshot, recall: float) -> dict[str, Any]:
    """What a search for 10 neighbours at that recall does."""
    point = None if snapshot.tuned is None else snapshot.tuned.lookup(10, recall)
    if point is None:
        return {"recall": recall, "exact": True}
    return {"recall": recall, "beam": point.beam, "nprobe": point.nprobe, "candidates": point.candidates}


def _leaves(view: View) -> dict[str, Any]:
    sizes = view.counts[view.snapshot.nodes.leaves]
    return {
        "number": len(sizes),
        "smallest": int(sizes.min()),
        "median": float(np.median(sizes)),
        "largest": int(sizes.max()),
        "empty": int((sizes == 0).sum()),
        "depth": int(view.snapshot.nodes.depth.max()),
    }


def _tree(model: Model) -> dict[str, Any]:
    return {
        "head": "2-D" if model.on_disk else f"{model.head.dim}-D",
        "decode": model.decode.value,
        "chosen_by": model.about["choice"],
    }


def _learned(model: Model) -> dict[str, Any]:
    if model.encoder is None:
        return {"from": "vectors"}
    images = model.about["images"]
    return {
        "from": "table" if model.encoder.of_rows else "images",
        "encoder": model.encoder.spec,
        "epochs": len(model.about["history"]["epochs"]),
        "shape": images["shape"],
        "skipped": images["skipped"],
    }
