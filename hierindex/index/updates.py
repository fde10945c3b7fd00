"""Making snapshots: from rows, from a snapshot and a change, or from what was stored. All pure functions.

A change either gives a new snapshot or raises; the old one answers as before in both cases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from hierindex.decode import EXACT_LIMIT, Decode
from hierindex.decode import decode as decode_points
from hierindex.errors import CorruptIndexError, EmptyInputError, InputError
from hierindex.index.codes import Coder
from hierindex.index.config import IndexConfig
from hierindex.index.judged import held_out
from hierindex.index.known import KnownCodes
from hierindex.index.moves import Moves
from hierindex.index.native import nearest
from hierindex.index.nodes import Nodes
from hierindex.index.packed import pack
from hierindex.index.partition import divide, subtrees
from hierindex.index.points import OperatingPoints
from hierindex.index.readying import compact, ready, retune
from hierindex.index.reassign import attracted
from hierindex.index.rows import Column
from hierindex.index.snapshot import Snapshot
from hierindex.index.splitting import settle, split_leaves
from hierindex.index.tables import NewRows, Stored, Table
from hierindex.index.upkeep import Maintained, maintain
from hierindex.progress import Progress, Silent
from hierindex.tree import Tree
from hierindex.vectors import Float32, Ids, Int64, Metric

__all__ = [
    "Maintained",
    "add",
    "adopt",
    "build",
    "compact",
    "counted",
    "delete",
    "edit",
    "load",
    "maintain",
    "restored",
    "retune",
]

_DEAD_SHARE = 0.5


def build(
    rows: Float32,
    ids: Ids,
    points: Float32,
    *,
    decode: Decode,
    config: IndexConfig,
    metric: Metric,
    payload: pa.Table | None = None,
    tree: Tree | None = None,
    progress: Progress | None = None,
) -> Snapshot:
    """The first snapshot of a set of points.

    Args:
        rows: ``(n, d)`` prepared vectors, n >= 1.
        ids: ``(n,)`` unique, as from `vectors.as_ids`.
        points: ``(n, p)`` ideal points of the rows.
        decode: how points become a tree.
        config: how the index is laid out.
        metric: how rows are compared.
        payload: a table of n rows.
        tree: the decode of all points where the caller has it already; looked at only for a set small enough to be
            decoded whole (10,000 points, or as many as are compared whole where that is more).
        progress: told of up to three stages.

    Raises:
        EmptyInputError: no rows. InputError: lengths that do not fit together.
    """
    new = _checked(NewRows(rows, ids, points, payload))
    n = len(rows)
    held = held_out(np.arange(n, dtype=np.int64), config.tune_queries, config.seed)
    progress = progress or Silent()
    progress.stage("leaves", 1)
    if _decoded_whole(n, config.flat_up_to(rows.shape[1]), tree is not None or decode.on_circle):
        whole = tree if tree is not None else decode_points(points, decode)
        if whole.n != n:
            raise InputError(f"tree should be over the {n} rows; found one over {whole.n}")
        nodes, leaf = subtrees(new.rows, new.points, whole, config.leaves_for(n))
        first = Snapshot(Table.of(new, leaf, leaf), nodes, metric, config, decode, drawn=len(nodes.leaves))
        progress.step()
        return ready(first, progress)
    nodes, leaf = divide(new.rows, new.points, decode, config, held)
    table, nodes = split_leaves(Table.of(new, leaf, leaf), nodes, decode, config, nodes.leaves.tolist())
    table = replace(table, home=table.leaf)  # nothing is stored yet: rows are put where they are
    progress.step()
    return ready(Snapshot(table, nodes, metric, config, decode, drawn=len(nodes.leaves)), progress)


def _decoded_whole(n: int, bound: int, cheap: bool) -> bool:
    """Whether the leaves are subtrees of a tree over all n points; beyond the exact linkages only where it is cheap."""
    return bound > 0 and (n <= EXACT_LIMIT or (n <= bound and cheap))


def add(snapshot: Snapshot, rows: Float32, ids: Ids, points: Float32, payload: pa.Table | None = None) -> Snapshot:
    """The snapshot with more points; the next search finds them.

    Each row goes into the leaf with the nearest centroid (L2, as rows settle below a split leaf).

    Args:
        snapshot: what to add to; it stays as it is.
        rows: ``(m, d)`` prepared vectors.
        ids: ``(m,)`` unique, and not in the index.
        points: ``(m, p)`` ideal points of the rows.
        payload: a table of m rows with the index's columns, where it has any.

    Raises:
        DuplicateIdError: an id is in the index. InputError: lengths, dimensions, ids or columns that do not fit.
    """
    new = _checked(NewRows(rows, ids, points, payload), snapshot.rows.shape[1], snapshot.nodes.ball.shape[1])
    nodes = snapshot.nodes
    leaf = nodes.leaves[nearest(new.rows, nodes.leaf_centroids)]
    table = snapshot.table.append(new, leaf)
    table, nodes = split_leaves(table, nodes, snapshot.decode, snapshot.config, np.unique(leaf).tolist())
    if nodes is not snapshot.nodes:
        table = attracted(table, nodes, nodes.leaves[nodes.leaves >= len(snapshot.nodes)])
        nodes = replace(nodes, count=nodes.counts(table.leaf.values[table.ids.live_rows]))
    return ready(replace(snapshot, table=table, nodes=nodes, worked=0))


def delete(snapshot: Snapshot, ids: Ids) -> Snapshot:
    """The snapshot without some points; no later search finds them.

    Raises:
        UnknownIdError: an id is not in the index.
    """
    table = snapshot.table.remove(snapshot.ids.rows_of(ids))
    left = replace(snapshot, table=table, worked=0)
    if len(table) - table.ids.n_live > _DEAD_SHARE * len(table):
        # codes and settings stay, as nobody should wait for new ones here: `maintain` makes them
        return compact(replace(left, packed=None) if left.small else left)
    return left


def edit(snapshot: Snapshot, ids: Ids, values: pa.Table) -> Snapshot:
    """The snapshot with other payload for some points: a row of ``values`` for each, with the columns to set.

    Raises:
        UnknownIdError: an id is not in the index. InputError: columns or types that the payload has not.
    """
    return replace(snapshot, table=snapshot.table.edited(snapshot.ids.rows_of(ids), values))


def adopt(snapshot: Snapshot, worked: Snapshot) -> Snapshot:
    """The snapshot with the codes and settings that were made (`retune`) for an earlier state of the same index."""
    if worked.packed is None or snapshot.small:
        return snapshot
    table, coder = snapshot.table, worked.packed.coder
    known = KnownCodes.of(worked.table, worked.packed)
    codes = None if known is None or coder is None else known.of_rows(table, len(table), coder)
    packed = pack(table, snapshot.nodes, snapshot.metric, coder, codes, len(table))
    return replace(snapshot, packed=packed, tuned=worked.tuned)


def load(
    stored: NewRows | Stored,
    home: Int64,
    seq: Int64,
    nodes: Nodes,
    *,
    decode: Decode,
    config: IndexConfig,
    metric: Metric,
    state: Mapping[str, Any] | None = None,
    codes: KnownCodes | None = None,
    floor: int = 0,
) -> Snapshot:
    """The snapshot of stored values; it answers as the one did that they were taken from.

    Args:
        stored: the points that were there, by rising ``seq``.
        home: ``(n,)``, the leaf that each was stored in; `Snapshot.home` where the state's moves are known.
        seq: ``(n,)``, `Snapshot.seq` of them.
        nodes: the tree.
        decode: as at `build`.
        config: as at `build`.
        metric: as at `build`.
        state: `Snapshot.state`; None measures anew.
        codes: what the state's coder made of rows before.
        floor: no row to come has a ``seq`` below it.

    Raises:
        CorruptIndexError: the values do not fit together.
    """
    nodes.check()
    n = len(stored.rows)
    lengths = [len(stored.ids), len(stored.points), len(home), len(seq)]
    if any(length != n for length in lengths) or (np.diff(seq) <= 0).any():
        raise CorruptIndexError(f"stored points should be {n} of each value by rising seq; found {lengths}")
    if stored.rows.shape[1] != nodes.centroid.shape[1]:
        raise CorruptIndexError(
            f"stored points should have the tree's {nodes.centroid.shape[1]} dimensions; found {stored.rows.shape[1]}"
        )
    floor = max(floor, counted(state, "next_seq", 0), int(seq[-1]) + 1 if n else 0)
    moves = Moves.from_json((state or {}).get("moves"), most=floor).of(seq)
    home = moves.homes(seq, home)
    table = replace(Table.of(stored, home, settle(stored.rows, home, nodes), seq, moves), floor=floor)
    snapshot = Snapshot(table, nodes, metric, config, decode, drawn=len(nodes.leaves))
    if state is None:
        return ready(snapshot)
    return restored(snapshot, state, lambda base, coder: None if codes is None else codes.of_rows(table, base, coder))


def counted(state: Mapping[str, Any] | None, name: str, default: int) -> int:
    """A number of `Snapshot.state`.

    Raises:
        CorruptIndexError: it is none.
    """
    count = (state or {}).get(name, default)
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise CorruptIndexError(f"the stored state of the index should count; found {name}={count!r}")
    return count


def restored(snapshot: Snapshot, state: Mapping[str, Any], coded: Callable[[int, Coder], Column | None]) -> Snapshot:
    """The snapshot with the operating points and codebook of `Snapshot.state`.

    Args:
        snapshot: points and tree.
        state: what was stored.
        coded: the codes of at least so many first rows under a coder, where somebody knows them.

    Raises:
        CorruptIndexError: the state is damaged.
    """
    snapshot = replace(
        snapshot,
        drawn=counted(state, "drawn", len(snapshot.nodes.leaves)),
        worked=counted(state, "worked", 0),
    )
    try:
        tuned, packed_seq, coder = state["tuned"], state["packed_seq"], state["coder"]
    except KeyError as error:
        raise CorruptIndexError(f"the stored state of the index lacks {error}") from error
    snapshot = replace(snapshot, tuned=None if tuned is None else OperatingPoints.from_json(tuned))
    if packed_seq is None or snapshot.small:
        return ready(snapshot)
    base = int(np.searchsorted(snapshot.seq, packed_seq))
    codebook = None if coder is None else Coder.from_json(coder)
    codes = None if codebook is None else coded(base, codebook)
    return replace(snapshot, packed=pack(snapshot.table, snapshot.nodes, snapshot.metric, codebook, codes, base))


def _checked(new: NewRows, dim: int | None = None, ball_dim: int | None = None) -> NewRows:
    n = len(new.rows)
    if not n:
        raise EmptyInputError("there should be at least one point; found none")
    if len(new.ids) != n or len(new.points) != n:
        raise InputError(f"ids and points should be {n}, one for each row; found {len(new.ids)} and {len(new.points)}")
    if new.payload is not None and new.payload.num_rows != n:
        raise InputError(f"payload should have {n} rows, one for each point; found {new.payload.num_rows}")
    if (dim or new.rows.shape[1]) != new.rows.shape[1] or (ball_dim or new.points.shape[1]) != new.points.shape[1]:
        raise InputError(
            f"rows and points should have {dim} and {ball_dim} dimensions, as the index has; "
            f"found {new.rows.shape[1]} and {new.points.shape[1]}"
        )
    return replace(new, rows=np.ascontiguousarray(new.rows), points=np.ascontiguousarray(new.points))
