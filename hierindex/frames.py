"""Tables with named columns, whatever library they come from, as pyarrow tables."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

__all__ = ["as_arrow", "columns_of"]


def as_arrow(x: object) -> pa.Table | None:
    """The pyarrow table of a pyarrow table or batch, a pandas or polars frame, or a mapping of columns; else None.

    Raises:
        ArrowException, TypeError, ValueError: the columns do not form a table.

    Example:
        >>> as_arrow({"price": [1.5, 2.0]}).num_rows
        2
    """
    if isinstance(x, pa.Table):
        return x
    if isinstance(x, pa.RecordBatch):
        return pa.Table.from_batches([x])
    if isinstance(x, Mapping):
        return pa.table({str(name): values for name, values in x.items()})
    if hasattr(x, "to_arrow"):  # polars
        return x.to_arrow()
    if hasattr(x, "iloc"):  # pandas, known without importing it
        return pa.Table.from_pandas(x, preserve_index=False)
    return None


def columns_of(x: object) -> pa.Table | None:
    """What `as_arrow` takes; and a Hugging Face data set, and all that speaks Arrow's stream protocol (DuckDB, ...).

    Raises:
        ArrowException, TypeError, ValueError: the columns do not form a table.

    Example:
        >>> columns_of(pa.RecordBatchReader.from_batches(pa.schema([("a", pa.int8())]), [])).column_names
        ['a']
    """
    table = as_arrow(x)
    if table is not None:
        return table
    if hasattr(x, "with_format") and hasattr(x, "features"):  # datasets.Dataset; a selection of rows is followed
        return x.with_format("arrow")[:].replace_schema_metadata(None)
    if hasattr(x, "__arrow_c_stream__"):
        return pa.table(x)
    return None
