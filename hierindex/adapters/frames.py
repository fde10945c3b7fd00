"""Tables in and out: pandas, polars, pyarrow, Hugging Face data sets, and all else that speaks Arrow.

    index = frames.read(frame, vector="embedding", id="sku")     # the other columns become the payload
    frames.add(index, more, vector="embedding", id="sku")
    frames.hits(index.search(q, k=5), index)                      # what was found, with its payload
    frames.to_polars(index)                                       # and all of it back

Reading needs none of these libraries beside the one that the frame is from; ``pip install 'hierindex[frames]'`` has
all three.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hierindex.api import BuildConfig, HierIndex
from hierindex.errors import InputError, need
from hierindex.frames import columns_of
from hierindex.results import Hits, Ranges
from hierindex.vectors import Float32, Ids, Metric, as_vectors

if TYPE_CHECKING:
    import datasets
    import pandas as pd
    import polars as pl

__all__ = ["add", "build", "hits", "read", "to_dataset", "to_pandas", "to_polars"]

_OURS = ("leaf",)  # what `HierIndex.to_arrow` adds to a caller's columns


def read(
    frame: object,
    vector: str,
    *,
    id: str | None = None,  # noqa: A002 - what all calls here call it
    payload: Sequence[str] | None = None,
    metric: Metric | str = Metric.COSINE,
    config: BuildConfig | None = None,
    path: str | PathLike[str] | None = None,
    progress: bool = False,
) -> HierIndex:
    """The index of a column of vectors, the other columns its payload.

    Args:
        frame: a pandas or polars frame, a pyarrow table, batch or reader, a Hugging Face data set, columns by name.
        vector: the column with the vectors: lists of numbers, all as long.
        id: the column with unique integers or strings; None numbers the rows.
        payload: the columns to keep; None keeps all others (but for ``leaf``, which `HierIndex.to_arrow` writes).
        metric: as for `HierIndex.from_vectors`.
        config: as for `HierIndex.from_vectors`.
        path: as for `HierIndex.from_vectors`.
        progress: as for `HierIndex.from_vectors`.

    Raises:
        InputError: and its kinds: no table, no such column, vectors that are not there or not as long as the others.

    Example:
        >>> index = read({"v": [[0, 1], [1, 0], [1, 1]], "sku": ["a", "b", "c"], "price": [3, 5, 4]}, "v", id="sku")
        >>> index.ids.tolist(), index.payload().column_names
        (['a', 'b', 'c'], ['price'])
    """
    table = _table(frame)
    return HierIndex.from_vectors(
        _vectors(table, vector),
        metric=metric,
        ids=_ids(table, id),
        payload=_payload(table, payload, (vector, id)),
        config=config,
        path=path,
        progress=progress,
    )


def build(
    frame: object,
    image: str = "image",
    *,
    id: str | None = None,  # noqa: A002
    payload: Sequence[str] | None = None,
    config: BuildConfig | None = None,
    path: str | PathLike[str] | None = None,
    progress: bool = True,
) -> HierIndex:
    """Learn from a column of images, the other columns the payload.

    Args:
        frame: a Hugging Face data set with an `Image` column, or a table with a column of encoded images: bytes, or the
            ``{bytes, path}`` of Hugging Face's Parquet files.
        image: the column with the images.
        id: as for `read`.
        payload: as for `read`.
        config: as for `HierIndex.build`.
        path: as for `HierIndex.build`.
        progress: as for `HierIndex.build`.

    Raises:
        InputError: and its kinds, as for `read` and `HierIndex.build`.

    Example:
        ``frames.build(datasets.load_dataset("cifar100", split="train"), "img", payload=["fine_label"])``
    """
    others = _without(frame, image)
    return HierIndex.build(
        _images(frame, image),
        ids=_ids(others, id),
        payload=_payload(others, payload, (image, id)),
        config=config,
        path=path,
        progress=progress,
    )


def add(
    index: HierIndex,
    frame: object,
    vector: str,
    *,
    id: str | None = None,  # noqa: A002
    replace: bool = False,
) -> Ids:
    """Add the rows of a frame, with the payload columns that the index has; their ids.

    Args:
        index: what to add to.
        frame: as for `read`.
        vector: as for `read`.
        id: as for `read`; None numbers them above the largest id.
        replace: rows with ids that are in the index take the place of those.

    Raises:
        InputError: as for `read`, or a payload column is missing. DuplicateIdError, StorageError: see `HierIndex.add`.
    """
    table, known = _table(frame), index.payload()
    rows = _vectors(table, vector)
    kept = None if known is None else _payload(table, known.column_names, (vector, id))
    verb = index.upsert if replace else index.add
    return verb(rows, ids=_ids(table, id), payload=kept)


def hits(found: Hits | Ranges, index: HierIndex | None = None) -> pa.Table:
    """What a search found as a table: a row for each hit, query by query, nearest first.

    Args:
        found: of `HierIndex.search`.
        index: adds its payload columns.

    Returns:
        The columns query (0, 1, ...), rank (0, 1, ...), id, distance, leaf, and the payload's.

    Raises:
        InputError: a payload column has one of these names. UnknownIdError: a hit was deleted from the index since.

    Example:
        >>> index = read({"v": [[0.0, 0], [3, 4]]}, "v", metric="l2")
        >>> hits(index.search([[0, 0]], k=2)).select(["query", "rank", "id", "distance"]).to_pylist()[1]
        {'query': 0, 'rank': 1, 'id': 1, 'distance': 5.0}
    """
    there = found.leaves >= 0
    counts = found.found
    ends = np.cumsum(counts)
    names = found.ids[there]
    table = pa.table(
        {
            "query": np.repeat(np.arange(len(found)), counts),
            "rank": np.arange(len(names)) - np.repeat(ends - counts, counts),
            "id": pa.array(names.tolist(), pa.string() if found.ids.dtype == object else pa.int64()),
            "distance": found.distances[there],
            "leaf": found.leaves[there],
        }
    )
    known = None if index is None else index.payload(names)
    for name, column in zip(known.column_names, known.columns, strict=True) if known is not None else ():
        if name in table.column_names[:5]:
            raise InputError(f"payload columns should have names other than {table.column_names[:5]}; found {name!r}")
        table = table.append_column(name, column)
    return table


def to_pandas(what: HierIndex | pa.Table) -> pd.DataFrame:
    """An index (id, leaf, vector, payload) or a table as a pandas frame.

    Columns keep their Arrow types, so that nothing is lost on the way (integers beside nulls stay integers); vectors
    are NumPy arrays.

    Raises:
        MissingExtraError: without pandas.
    """
    pandas = need("pandas", "frames")
    table = what if isinstance(what, pa.Table) else what.to_arrow()
    return table.to_pandas(
        types_mapper=lambda kind: None if pa.types.is_fixed_size_list(kind) else pandas.ArrowDtype(kind)
    )


def to_polars(what: HierIndex | pa.Table) -> pl.DataFrame:
    """An index (id, leaf, vector, payload) or a table as a polars frame.

    Raises:
        MissingExtraError: without polars.
    """
    polars = need("polars", "frames")
    frame: pl.DataFrame = polars.from_arrow(what if isinstance(what, pa.Table) else what.to_arrow())
    return frame


def to_dataset(what: HierIndex | pa.Table) -> datasets.Dataset:
    """An index (id, leaf, vector, payload) or a table as a Hugging Face data set.

    Raises:
        MissingExtraError: without datasets.
    """
    made: datasets.Dataset = need("datasets", "frames").Dataset(what if isinstance(what, pa.Table) else what.to_arrow())
    return made


def _table(frame: object) -> pa.Table:
    try:
        table = columns_of(frame)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InputError(f"frame should be columns of one length; pyarrow found: {error}") from error
    if table is None:
        raise InputError(
            f"frame should be a pandas or polars frame, a pyarrow table, a Hugging Face data set, or columns by name; "
            f"found {type(frame).__name__}; collect what is lazy or streamed first"
        )
    return table


def _column(table: pa.Table, name: str) -> pa.Array:
    if name not in table.column_names:
        raise InputError(f"frame should have a column {name!r}; found {table.column_names}")
    column = table.column(name)
    if column.null_count:
        raise InputError(f"column {name!r} should have a value in every row; found {column.null_count} without")
    whole = column.combine_chunks()
    return whole.storage if isinstance(whole, pa.ExtensionArray) else whole


def _vectors(table: pa.Table, name: str) -> Float32:
    column = _column(table, name)
    kind = column.type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
        raise InputError(f"column {name!r} should hold vectors, as lists of numbers; found {kind}")
    values, n = column.flatten(), len(column)
    lengths = np.unique(pc.list_value_length(column).to_numpy(zero_copy_only=False))
    if len(lengths) > 1:
        raise InputError(f"vectors in column {name!r} should all be as long; found lengths {lengths[:5].tolist()}")
    if values.null_count:
        raise InputError(f"vectors in column {name!r} should hold numbers only; found {values.null_count} null")
    flat = values.to_numpy(zero_copy_only=False)
    return as_vectors(flat.reshape(n, len(flat) // n if n else 0), name=f"column {name!r}")


def _ids(table: pa.Table, name: str | None) -> Any:  # noqa: ANN401 - what `as_ids` checks
    return None if name is None else _column(table, name).to_numpy(zero_copy_only=False)


def _payload(table: pa.Table, wanted: Sequence[str] | None, used: tuple[str | None, ...]) -> pa.Table | None:
    names = [name for name in table.column_names if name not in (*used, *_OURS)] if wanted is None else list(wanted)
    missing = sorted(set(names) - set(table.column_names))
    if missing:
        raise InputError(f"frame should have the payload columns {names}; {missing} are not among {table.column_names}")
    return table.select(names).replace_schema_metadata(None) if names else None


def _without(frame: object, image: str) -> pa.Table:
    """The columns beside the images, which are not read here."""
    if _is_dataset(frame):
        _known(image, frame.column_names)
        return _table(frame.remove_columns(image))
    table = _table(frame)
    _known(image, table.column_names)
    return table.drop_columns([image])


def _images(frame: object, image: str) -> object:
    """What `HierIndex.build` takes: a map-style data set that is decoded as it is read, or the encoded images."""
    if _is_dataset(frame):
        pictures = frame.select_columns([image])
        return pictures if image == "image" else pictures.rename_column(image, "image")
    column = _column(_table(frame), image).to_pylist()
    return [entry["bytes"] if isinstance(entry, dict) else entry for entry in column]


def _is_dataset(frame: object) -> TypeGuard[datasets.Dataset]:
    return hasattr(frame, "select_columns") and hasattr(frame, "rename_column")


def _known(name: str, names: Sequence[str]) -> None:
    if name not in names:
        raise InputError(f"frame should have a column {name!r}; found {names}")
