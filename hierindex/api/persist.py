"""Between a view and what lies on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from hierindex.api.encoding import Encoding
from hierindex.api.model import Model
from hierindex.api.view import View
from hierindex.errors import CorruptIndexError, InputError
from hierindex.index import updates
from hierindex.index.codes import Coder
from hierindex.index.config import IndexConfig
from hierindex.index.known import KnownCodes
from hierindex.index.later import Later
from hierindex.index.snapshot import Snapshot
from hierindex.index.tables import Stored
from hierindex.storage import (
    CodesFile,
    Compacted,
    Contents,
    Edit,
    Place,
    Points,
    RowCache,
    RowsIn,
    Store,
    TreeFile,
    place_of,
    refuse_taken,
)
from hierindex.storage.sealed import Json, digest, dumps
from hierindex.vectors import Float32, Ids, Int64, Metric, member

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Step", "commit", "compact", "contents_of", "free_path", "keep_codes", "newest", "row_cache", "view_of"]

_TRIES = 5
_AT_ONCE = 65_536


@dataclass(frozen=True)
class Step:
    """What a change did to the points, by id: added, deleted, edited in these columns; and the caller's token."""

    added: Ids | None = None
    deleted: Ids | None = None
    edited: tuple[Ids, list[str]] | None = None
    token: str | None = None


def free_path(path: str | PathLike[str] | None) -> Place | None:
    """The path, where something can be saved; asked before an hour of training, not after.

    Raises:
        StorageError: there is something already, see `storage.refuse_taken`.
    """
    if path is None:
        return None
    target = place_of(path)
    refuse_taken(target)
    return target


def row_cache(
    path: str | PathLike[str], rows: RowsIn | str, folder: str | PathLike[str] | None, options: Mapping[str, str] | None
) -> RowCache | None:
    """Where the rows of an index are mapped from; None where they are read into memory.

    Raises:
        InputError: no such way to hold rows, a folder and none that are mapped, or none for an object store.
    """
    if member(RowsIn, rows, "rows") is RowsIn.MAPPED:
        return RowCache.at(place_of(path, options), folder)
    if folder is not None:
        raise InputError(f"rows should be 'mapped' where rows_folder is given; found rows={rows!r}")
    return None


def contents_of(view: View) -> Contents:
    """All of a view, as it is stored."""
    snapshot, rows = view.snapshot, view.rows
    whole = len(rows) == len(snapshot.table)  # then nothing has to be copied
    vectors = snapshot.rows if whole else snapshot.table.rows.take(rows).values
    return Contents(_points(snapshot, rows, vectors), _tree_file(snapshot), view.model.to_file())


def view_of(contents: Contents, module: nn.Module | None = None, store: Store | None = None) -> View:
    """The view that was stored; ``module`` is the caller's own network, where the index was built with one.

    Codes that ``store`` keeps are taken from there.

    Raises:
        CorruptIndexError: the parts do not fit together.
    """
    points, about = contents.points, contents.tree.about
    model = Model.from_file(contents.model)
    if len(model.head.mean) != points.rows.shape[1]:
        raise CorruptIndexError(
            f"the stored head should take vectors of {points.rows.shape[1]} dimensions; found {len(model.head.mean)}"
        )
    if not all(np.isfinite(array).all() for head in (model.head, model.disk) for array in head.arrays().values()):
        raise CorruptIndexError("the stored heads should hold finite numbers; found NaN or infinity")
    try:
        metric, config, state = Metric.parse(about["metric"]), IndexConfig.from_json(about["config"]), about["state"]
    except (KeyError, InputError) as error:
        raise CorruptIndexError(f"the stored tree's description is damaged: {error!r}") from error
    ideal = Later(len(points), lambda rows: _ideal(model, points.rows, rows))  # no search looks at it
    stored = Stored(points.rows, points.ids, ideal, points.payload)
    snapshot = updates.load(
        stored,
        points.leaf,
        points.seq,
        contents.tree.nodes,
        decode=model.decode,
        config=config,
        metric=metric,
        state=state,
        codes=_known(store, state),
        floor=contents.next_seq,
    )
    if store is not None:
        pa.default_memory_pool().release_unused()  # what was read into it; else it is kept for what is read next
    return View(snapshot, model, Encoding(model, metric, points.rows.shape[1], module))


def newest(
    path: str | PathLike[str] | Place,
    options: Mapping[str, str] | None = None,
    module: nn.Module | None = None,
    cache: RowCache | None = None,
) -> tuple[Store, View]:
    """The newest version there is.

    A writer may publish the next one and take this one's files away (`Store.vacuum`) while it is read; then the next
    one is read instead.

    Raises:
        CorruptIndexError: a file is damaged or missing, and nobody published a newer version meanwhile.
    """
    for _ in range(_TRIES):
        store = Store.open(path, options=options, cache=cache)
        try:
            return store, view_of(store.load(), module, store)
        except CorruptIndexError:
            if store.latest() == store.version:
                raise
    store = Store.open(path, options=options, cache=cache)
    return store, view_of(store.load(), module, store)


def commit(store: Store, old: Snapshot, new: Snapshot, step: Step) -> None:
    """Publish what changed from one snapshot to the next, as one version.

    Raises:
        StorageError: it could not be written, or another writer was first; the store is as before.
    """
    points = None if step.added is None else _points(new, new.ids.rows_of(step.added))
    edit = None
    if step.edited is not None and new.payload is not None:
        ids, names = step.edited
        edit = Edit(ids, new.payload.select(names).take(new.ids.rows_of(ids)))
    gone = None if step.deleted is None else old.seq[old.ids.rows_of(step.deleted)]
    tree = _moved(old, new)
    store.commit(points, step.deleted, tree, edit=edit, token=step.token, checked=True, at=gone)
    if _coder(new) is not _coder(old):
        keep_codes(store, new)


def compact(store: Store, old: Snapshot, new: Snapshot) -> Compacted:
    """Publish the same points in fewer files, and what changed from one snapshot to the next.

    Raises:
        StorageError: as for `commit`.
    """
    done = store.compact(_moved(old, new))
    keep_codes(store, new)
    return done


def keep_codes(store: Store, snapshot: Snapshot) -> None:
    """Keep the codes of packed rows beside the index, so that opening it need not make them again."""
    packed = snapshot.packed
    known = None if packed is None else KnownCodes.of(snapshot.table, packed)
    if packed is not None and packed.coder is not None and known is not None:
        store.keep_codes(CodesFile(_digest(packed.coder.to_json()), known.seq, known.check, known.codes))


def _known(store: Store | None, state: Json) -> KnownCodes | None:
    """The codes that the state's coder made and somebody kept."""
    coder = state.get("coder") if isinstance(state, dict) else None
    file = None if store is None or coder is None else store.codes(_digest(coder))
    return None if file is None else KnownCodes(file.seq, file.check, file.codes)


def _coder(snapshot: Snapshot) -> Coder | None:
    return None if snapshot.packed is None else snapshot.packed.coder


def _digest(coder: Json) -> str:
    return digest(dumps(coder, "coder"))


def _moved(old: Snapshot, new: Snapshot) -> TreeFile | None:
    """The tree's file, where what is in it has changed."""
    moved = (
        new.nodes is not old.nodes
        or new.table.moves is not old.table.moves
        or new.tuned is not old.tuned
        or new.packed is not old.packed
    )
    return _tree_file(new) if moved else None


def _ideal(model: Model, vectors: Float32, rows: Int64) -> Float32:
    """What the head makes of some rows; a few vectors at a time are copied."""
    parts = [model.points(vectors[rows[at : at + _AT_ONCE]]) for at in range(0, max(len(rows), 1), _AT_ONCE)]
    return np.concatenate(parts)


def _points(snapshot: Snapshot, rows: Int64, vectors: Float32 | None = None) -> Points:
    payload = None if snapshot.payload is None else snapshot.payload.take(rows)
    return Points(
        ids=snapshot.ids.values[rows],
        seq=snapshot.seq[rows],
        leaf=snapshot.home[rows],
        rows=snapshot.rows[rows] if vectors is None else vectors,
        payload=payload,
    )


def _tree_file(snapshot: Snapshot) -> TreeFile:
    about: dict[str, Any] = {
        "metric": snapshot.metric.value,
        "config": snapshot.config.to_json(),
        "state": snapshot.state(),
    }
    reshaped = len(snapshot.table.moves) > 0 or bool(snapshot.nodes.retired.any())
    return TreeFile(snapshot.nodes, about, format=2 if reshaped else 1)
