"""From images or vectors to a view: learn, choose the tree, lay out the index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from hierindex.api.config import BuildConfig
from hierindex.api.encoding import Encoding
from hierindex.api.model import Model
from hierindex.api.payload import as_payload
from hierindex.api.timed import Timed
from hierindex.api.view import View
from hierindex.errors import InputError
from hierindex.frames import as_arrow
from hierindex.index import updates
from hierindex.index.tables import NewRows
from hierindex.learning.selection import choose_tree
from hierindex.learning.tables import Table
from hierindex.progress import Progress, Silent
from hierindex.vectors import Float32, Ids, Metric, as_ids, as_vectors

if TYPE_CHECKING:
    from torch import nn

    from hierindex.learning.learned import Learned
    from hierindex.learning.sources import ImageSource

__all__ = ["ImageOptions", "assist", "from_images", "from_vectors", "new_points", "next_id"]


@dataclass(frozen=True)
class ImageOptions:
    """What only a build from images knows: settings, a network of the caller's, where the training keeps its state."""

    config: BuildConfig
    module: nn.Module | None = None
    checkpoint: str | PathLike[str] | None = None


def from_images(
    images: object, ids: ArrayLike | None, payload: object, options: ImageOptions, progress: Progress
) -> View:
    """Learn from images, and lay out the index; see `HierIndex.build`."""
    config = options.config
    source = as_source(images, config)
    chosen = as_ids(_kept_ids(ids, source, start=0), len(source))
    table = _kept_payload(payload, source)
    timed = Timed(progress)
    learned = _learned(source, options, timed)
    about = {"images": {"shape": list(source.shape), "skipped": list(source.skipped)}}
    return _laid_out(learned, Metric.COSINE, chosen, table, config, timed, about, options.module)


def assist(images: object, options: ImageOptions) -> None:
    """What the processes after the first one do of `from_images`: they take their share of the learning, no more."""
    _learned(as_source(images, options.config), options, Silent())


def from_vectors(
    x: ArrayLike | PathLike[str],
    metric: Metric,
    ids: ArrayLike | None,
    payload: object,
    config: BuildConfig,
    progress: Progress,
) -> View:
    """Learn a tree over vectors, and lay out the index; see `HierIndex.from_vectors`."""
    rows = metric.prepare(as_vectors(_of_file(x) if isinstance(x, str | PathLike) else x))
    chosen, table = as_ids(ids, len(rows)), as_payload(payload, len(rows))
    from hierindex.learning import learn_vectors

    timed = Timed(progress)
    learned = learn_vectors(rows, config.learn, timed)
    return _laid_out(learned, metric, chosen, table, config, timed, {})


def _of_file(path: str | PathLike[str]) -> NDArray[Any]:
    """The array of an ``.npy`` file, mapped: what is float32 already is not read into memory first."""
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"vectors should be an array, or the name of an .npy file; found {path}: {error}") from error
    if isinstance(found, np.ndarray):
        return found
    found.close()
    raise InputError(f"vectors should be one array of an .npy file; found {path}, which holds several")


def new_points(points: object, ids: ArrayLike | None, payload: object, on_error: str, view: View) -> NewRows:
    """Points on their way into an index: encoded, named, and placed on the ball by the head.

    Raises:
        InputError: and its kinds, for whatever does not fit the index.
    """
    taken, way = view.snapshot.ids, view.encoding
    if way.are_vectors(points):
        rows = way.vectors(points, "points")
        chosen = as_ids(ids, len(rows), start=next_id(view)) if ids is not None or not taken.of_strings else None
        table = as_payload(payload, len(rows))
    else:
        source = way.rows(points) if way.of_rows else _fitting_source(points, way.encoder.shape, on_error)
        rows = way.source(source)
        chosen = _kept_ids(ids, source, start=next_id(view), strings=taken.of_strings)
        table = _kept_payload(payload, source)
    if chosen is None:
        raise InputError("ids should be given: those of this index are strings, and the points have no names")
    return NewRows(rows, chosen, view.model.points(rows), table)


def as_source(images: object, config: BuildConfig) -> ImageSource | Table:
    """The images as a source; a source stays what it is, and so does a table, which a frame becomes."""
    if isinstance(images, Table):
        return images
    if not isinstance(images, Mapping) and as_arrow(images) is not None:
        return Table(images)
    if hasattr(images, "read") and hasattr(images, "kept"):
        return cast("ImageSource", images)
    from hierindex.learning.sources import open_images

    return open_images(images, image_size=config.image_size, mode=config.image_mode, on_error=config.on_error)


def _fitting_source(images: object, shape: tuple[int, int, int], on_error: str) -> ImageSource | Table:
    """The images in the shape that the encoder was trained on: arrays must have it, files are brought to it."""
    from hierindex.learning.sources import MemoryImages, as_images

    if hasattr(images, "ndim"):  # an array or tensor of one image or of several
        pixels = as_images(images, shape)
        return MemoryImages(pixels, np.arange(len(pixels), dtype=np.int64))
    height, width, channels = shape
    size = height if height == width else None  # files are cropped to squares; others must be of the size already
    mode = {1: "L", 3: "RGB"}.get(channels)
    return as_source(images, BuildConfig(image_size=size, image_mode=mode, on_error=on_error))


def _learned(source: ImageSource | Table, options: ImageOptions, progress: Progress) -> Learned:
    from hierindex.learning import learn_images

    if len(source) < 2:
        raise InputError("images should be at least 2, so that there is something to tell apart; found 1")
    checkpoint = None if options.checkpoint is None else Path(options.checkpoint)
    return learn_images(source, options.config.learn, progress, checkpoint, options.module)


def _laid_out(
    learned: Learned,
    metric: Metric,
    ids: Ids,
    payload: object,
    config: BuildConfig,
    timed: Timed,
    about: dict[str, Any],
    module: nn.Module | None = None,
) -> View:
    timed.stage("choose the tree", 1)
    rows: Float32 = learned.latent
    choice = choose_tree(rows, learned.head, learned.disk, learned.walk, seed=config.learn.seed)
    timed.step()
    model = Model(
        head=learned.walk if choice.on_walk and learned.walk is not None else learned.head,
        disk=learned.disk,
        on_disk=choice.on_disk,
        decode=choice.decode,
        encoder=learned.encoder,
        about=about,
    )
    timed.stage("places in the ball", 1)
    points = model.points(rows)
    timed.step()
    snapshot = updates.build(
        rows, ids, points, decode=model.decode, config=config.index, metric=metric, payload=payload, progress=timed
    )
    about["choice"] = choice.to_json()
    about["history"] = learned.history.to_json()
    about["learn"] = config.learn.to_json()
    about["seconds"] = timed.seconds()
    return View(snapshot, model, Encoding(model, metric, rows.shape[1], module))


def _kept_ids(
    ids: ArrayLike | None, source: ImageSource | Table, *, start: int, strings: bool | None = None
) -> Ids | None:
    """Ids of the images that could be read: the caller's, or file names, or numbers; None where strings lack names.

    ``strings`` says of which kind they have to be; None leaves it to the source.
    """
    if ids is not None:
        n_given = len(source) + len(source.skipped)
        return as_ids(ids, n_given)[source.kept]
    if source.names is not None and strings is not False:
        return as_ids(source.names, len(source))
    return None if strings else as_ids(None, len(source), start=start)


def _kept_payload(payload: object, source: ImageSource | Table) -> pa.Table | None:
    table = as_payload(payload, len(source) + len(source.skipped))
    return table if table is None or not source.skipped else table.take(source.kept)


def next_id(view: View) -> int:
    """One above the largest integer id that was ever in this view; 0 for string ids, where it is not used."""
    ids = view.snapshot.ids
    return 0 if ids.of_strings or len(ids) == 0 else int(np.max(ids.values)) + 1
