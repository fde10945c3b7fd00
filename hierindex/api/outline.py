"""The levels of an index's tree as an `Outline`, ready to be exported."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hierindex.api.view import View
from hierindex.errors import InputError
from hierindex.export import Outline
from hierindex.index.nodes import Nodes
from hierindex.vectors import Ids, Int64, positive

__all__ = ["outline_of"]


def outline_of(
    view: View, depth: int | None, n_clusters: int | None, typical: int, payload: Sequence[str], points: bool
) -> Outline:
    """The nodes down to ``depth``, or those above and of the cut into ``n_clusters``; all for neither.

    Raises:
        InputError: both are given, or one is out of range; ``payload`` names a column that is not there.
    """
    snapshot, nodes = view.snapshot, view.snapshot.nodes
    kept = _kept(nodes, depth, n_clusters)
    shown = nodes.preorder[kept[nodes.preorder]]
    lowest = np.arange(len(nodes))  # the lowest node that is kept, on the way down to each
    for node in nodes.preorder.tolist():
        if not kept[node]:
            lowest[node] = lowest[nodes.parent[node]]
    return Outline(
        node=shown,
        parent=nodes.parent[shown],
        depth=nodes.depth[shown],
        height=nodes.height[shown],
        size=view.counts[shown],
        typical=_typical(view, shown, typical),
        ids=view.ids,
        home=lowest[snapshot.leaf[view.rows]],
        payload=_columns(view.payload, payload),
        with_points=points,
    )


def _kept(nodes: Nodes, depth: int | None, n_clusters: int | None) -> NDArray[np.bool_]:
    """``(m,)``: which nodes are shown; with a node, all above it."""
    if depth is not None and n_clusters is not None:
        raise InputError(f"depth or n_clusters should be given, not both; found {depth!r} and {n_clusters!r}")
    if depth is not None:
        if isinstance(depth, bool) or not isinstance(depth, (int, np.integer)) or depth < 0:
            raise InputError(f"depth should be an integer of at least 0; found {depth!r}")
        return np.asarray(nodes.depth <= depth)
    kept = np.ones(len(nodes), np.bool_)
    if n_clusters is not None:
        if positive(n_clusters, "n_clusters") > len(nodes.leaves):
            raise InputError(
                f"n_clusters should be at most {len(nodes.leaves)}, the leaves of the index; found {n_clusters}; "
                "labels() cuts finer"
            )
        cut = np.zeros(len(nodes), np.bool_)
        cut[nodes.cut(n_clusters)] = True
        for node, above in zip(nodes.preorder[1:].tolist(), nodes.parent[nodes.preorder[1:]].tolist(), strict=True):
            kept[node] = kept[above] and not cut[above]
    return kept


def _typical(view: View, shown: Int64, k: int) -> list[Ids]:
    """Ids of the k most typical points of each node."""
    if k == 0:
        return [view.ids[:0]] * len(shown)
    positive(k, "typical")
    ids, atlas = view.snapshot.ids.values, view.atlas
    return [ids[view.typical(node, np.sort(atlas.rows(node)), k)] for node in shown.tolist()]


def _columns(payload: pa.Table | None, names: Sequence[str]) -> pa.Table | None:
    if not names:
        return None
    known = [] if payload is None else payload.column_names
    if payload is None or not set(names) <= set(known):
        raise InputError(f"payload should name columns of the index, {known}; found {list(names)}")
    return payload.select(list(names))
