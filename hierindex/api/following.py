"""From what is shown to the newest version on disk, reading no more than is new."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hierindex.api import persist
from hierindex.api.view import View
from hierindex.errors import DuplicateIdError, StorageError
from hierindex.index.following import News, follow
from hierindex.index.tables import NewRows
from hierindex.storage import Store

if TYPE_CHECKING:
    from torch import nn

__all__ = ["newer"]


def newer(store: Store, view: View, module: nn.Module | None = None) -> tuple[Store, View]:
    """The newest version there is.

    Args:
        store: the version that is shown.
        view: what is shown of it.
        module: as for `persist.view_of`.

    Raises:
        StorageError: as for `persist.newest`, which is asked wherever the news do not fit onto what is shown: it reads
            everything, and says what is wrong.
    """
    try:
        newest = store.newest()
        after = _followed(store, view, newest)
        if after is not None:
            return newest, after
    except (StorageError, DuplicateIdError):
        pass
    return persist.newest(store.path, module=module, cache=store.cache)


def _followed(store: Store, view: View, newest: Store) -> View | None:
    """What is shown and what came since; None where it is better read anew."""
    since = newest.since(store)
    if since is None:
        return None
    points, tree = since.points, None
    if since.tree is not None:
        state = since.tree.about.get("state")
        if not isinstance(state, dict):
            return None
        tree = (since.tree.nodes, state)
    news = News(
        new=NewRows(points.rows, points.ids, view.model.points(points.rows), points.payload),
        seq=points.seq,
        leaf=points.leaf,
        removed=since.removed,
        replaced=since.replaced,
        n=since.rows,
        next_seq=since.next_seq,
    )
    snapshot = follow(view.snapshot, news, tree)
    return None if snapshot is None else replace(view, snapshot=snapshot)
