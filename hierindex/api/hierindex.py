"""`HierIndex`: build it, search it, look into it, add to it, save it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any, Self

from numpy.typing import ArrayLike

from hierindex.api import build as building
from hierindex.api import persist
from hierindex.api.config import BuildConfig
from hierindex.api.elsewhere import build_elsewhere
from hierindex.api.keeper import Keeper
from hierindex.api.shown import shown
from hierindex.api.view import View
from hierindex.storage import Place, RowsIn, Store
from hierindex.vectors import Metric

if TYPE_CHECKING:
    from torch import nn

    from hierindex.plots import Plot

__all__ = ["HierIndex"]

Path_ = str | PathLike[str]


class HierIndex(Keeper):
    """A vector index whose levels are a learned hyperbolic tree (InfoHier, arXiv 2501.08717).

    Make one with `build` (images), `from_vectors` (ready embeddings) or `open` (from disk). Searches may run in any
    number of threads beside one writer; each search sees one state of the index, whole.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(200, 8)).astype("float32")
        >>> index = HierIndex.from_vectors(x, metric="l2")
        >>> index.search(x[7], k=1).ids.tolist()
        [[7]]
    """

    def __init__(self, view: View, *, encoder: nn.Module | None = None, store: Store | None = None) -> None:
        """Use `build`, `from_vectors` or `open`."""
        self._view = view
        self._store = store
        self._module = encoder
        self._writer = threading.RLock()

    # ---- copies

    def __copy__(self) -> Self:
        twin = object.__new__(type(self))  # not by way of __getstate__: both share one view
        twin.__dict__.update(self.__dict__)
        return twin

    def __getstate__(self) -> dict[str, object]:
        """For pickle (joblib, processes): the data as they would be saved; what comes back is saved nowhere."""
        return {"contents": persist.contents_of(self._view), "module": self._module}

    def __setstate__(self, state: dict[str, Any]) -> None:
        module = state["module"]
        self.__init__(persist.view_of(state["contents"], module), encoder=module)  # type: ignore[misc]

    # ---- making and opening

    @classmethod
    def build(
        cls,
        images: object,
        *,
        ids: ArrayLike | None = None,
        payload: object = None,
        config: BuildConfig | None = None,
        path: Path_ | None = None,
        encoder: nn.Module | None = None,
        checkpoint: Path_ | None = None,
        progress: bool = True,
        cluster: object = None,
    ) -> Self:
        """Learn an encoder and a tree from unlabelled images or rows of numbers, and make the index of them.

        Args:
            images: array or tensor ``(n, h, w)``, ``(n, h, w, c)`` or ``(n, c, h, w)`` of uint8 or float in [0, 1]; a
                folder; a list of files or pictures; a torch ``Dataset``; a Parquet file with an image column; or a
                `Table` of numbers.
            ids: n unique integers or strings; None takes the names of the files, or 0..n-1 where there are none.
            payload: columns to keep with the points: a table, frame, mapping of columns or list of records.
            config: how to learn and how to lay out; the defaults choose by data and machine.
            path: save there as well; later changes are then committed there. Of several processes that learn together
                (`torchrun`) the first one saves; all get the index.
            encoder: a network of the caller's, ``(n, c, h, w)`` float to ``(n, d)`` (of a table: from standardised
                rows ``(n, columns)``); it is fine-tuned, or kept as it is with
                ``LearnConfig(encoder=EncoderConfig(freeze=True))``.
            checkpoint: a file for the state of the training after each epoch; the same call goes on from there.
            progress: show bars on standard error.
            cluster: "ray", or a `hierindex.cluster.ClusterConfig`: the workers of a Ray cluster read the source (a
                folder or Parquet files that all of them see), encode, and write to ``path``. For what does not fit this
                machine call `hierindex.cluster.build`, which does the same and opens nothing here.

        Raises:
            InputError: and its kinds, for images, ids, payload or settings that cannot be used.
            StorageError: the path cannot be written, or holds something already.

        Example:
            ``index = HierIndex.build("photos/", path="photos.index")``
        """
        if cluster is not None:
            only_here = {"ids": ids, "payload": payload, "encoder": encoder, "checkpoint": checkpoint}
            return cls.open(build_elsewhere(images, path, cluster, config, None, only_here))
        target = persist.free_path(path)
        with shown(progress) as bars:
            options = building.ImageOptions(config or BuildConfig(), encoder, checkpoint)
            view = building.from_images(images, ids, payload, options, bars)
        from hierindex.learning.distributed import is_first

        return cls(view, encoder=encoder)._saved_to(target if is_first() else None)

    @classmethod
    def from_vectors(
        cls,
        x: ArrayLike | PathLike[str],
        *,
        metric: Metric | str = Metric.COSINE,
        ids: ArrayLike | None = None,
        payload: object = None,
        config: BuildConfig | None = None,
        path: Path_ | None = None,
        progress: bool = False,
        cluster: object = None,
    ) -> Self:
        """Learn a tree over ready embeddings, and make the index of them.

        Args:
            x: ``(n, d)`` real numbers, an ``np.memmap`` too; or the name of an ``.npy`` file, which is mapped. One
                float32 copy is made (for cosine two, one of which is let go).
            metric: "cosine", "l2" or "ip", see `Metric`.
            ids: as for `build`; None numbers the points.
            payload: as for `build`.
            config: as for `build`; what concerns images does not matter.
            path: as for `build`.
            progress: as for `build`.
            cluster: as for `build`; ``x`` then names Parquet files with the column ``vector``, or ``.npy`` files.

        Raises:
            InputError: and its kinds, for vectors, ids or payload that cannot be used.
            StorageError: the path cannot be written, or holds something already.
        """
        if cluster is not None:
            only_here = {"ids": ids, "payload": payload}
            return cls.open(build_elsewhere(x, path, cluster, config, metric, only_here))
        target = persist.free_path(path)
        with shown(progress) as bars:
            view = building.from_vectors(x, Metric.parse(metric), ids, payload, config or BuildConfig(), bars)
        return cls(view)._saved_to(target)

    @classmethod
    def open(
        cls,
        path: Path_,
        *,
        version: int | None = None,
        encoder: nn.Module | None = None,
        storage_options: Mapping[str, str] | None = None,
        rows: RowsIn | str = RowsIn.MEMORY,
        rows_folder: Path_ | None = None,
    ) -> Self:
        """Open a saved index.

        Args:
            path: where it was saved.
            version: an older version of it; None for the newest.
            encoder: the network that the index was built with, where that was the caller's own; its weights are set
                from the index.
            storage_options: of an object store, as for `save`.
            rows: "memory", or "mapped": the float32 rows stay in a file that is mapped into memory, for an index that
                is larger than the memory; codes, ids, tree and payload are in memory. Answers are the same. Linux and
                macOS.
            rows_folder: where that file is kept, one folder for one index; None takes ``rows`` in the index. It is as
                large as the rows, made when it is missing, and may be removed at any time when nobody opens the index.

        Raises:
            NotAnIndexError: there is no index. FormatVersionError: a newer hierindex wrote it.
            CorruptIndexError: parts are missing or damaged. StorageError: there is no such version, or mapped rows
            have no folder that can be written.
        """
        cache = persist.row_cache(path, rows, rows_folder, storage_options)
        if version is None:
            store, view = persist.newest(path, storage_options, encoder, cache)
        else:
            store = Store.open(path, version, storage_options, cache)
            view = persist.view_of(store.load(), encoder, store)
        return cls(view, encoder=encoder, store=store)

    # ---- looking

    @property
    def plot(self) -> Plot:
        """Pictures of it as matplotlib figures (extra ``plots``): ``index.plot.disk(images).savefig("disk.png")``."""
        from hierindex.plots import Plot

        return Plot(self)

    # ---- inside

    def _saved_to(self, path: Place | None) -> Self:
        if path is not None:
            contents = persist.contents_of(self._view)
            self._store = Store.create(path, contents.points, contents.tree, contents.model)
            persist.keep_codes(self._store, self._view.snapshot)
        return self
