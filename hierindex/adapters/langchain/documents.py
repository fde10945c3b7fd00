"""Documents as payload columns, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from langchain_core.documents import Document

from hierindex.api import HierIndex
from hierindex.errors import InputError

__all__ = ["documents_in", "metadata_in", "payload_schema", "payload_table", "schema_of"]

_TEXT, _METADATA = "page_content", "metadata"
_TAKEN = {_TEXT, _METADATA, "id", "seq", "leaf", "vector"}


def payload_schema(columns: Mapping[str, pa.DataType]) -> pa.Schema:
    """The columns of the payload: text, metadata as JSON, and the metadata keys that are columns of their own.

    Raises:
        InputError: a key that no column can be named after.
    """
    taken = sorted(name for name in columns if name.lower() in _TAKEN)
    if taken:
        raise InputError(f"columns should have names other than {sorted(_TAKEN)}; found {taken}")
    return pa.schema([(_TEXT, pa.string()), (_METADATA, pa.string()), *columns.items()])


def payload_table(texts: Sequence[str], metadatas: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """One row for each document.

    Raises:
        InputError: metadata that JSON cannot hold, or a value that is not of its column's type.
    """
    arrays: list[pa.Array] = [pa.array(texts, pa.string()), pa.array([_json(each) for each in metadatas], pa.string())]
    for field in list(schema)[2:]:
        values = [each.get(field.name) for each in metadatas]
        try:
            arrays.append(pa.array(values, field.type))
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise InputError(
                f"metadata {field.name!r} should be {field.type}, as its column is; pyarrow found: {error}"
            ) from error
    return pa.Table.from_arrays(arrays, schema=schema)


def documents_in(index: HierIndex, names: list[str] | None = None) -> list[Document]:
    """The documents of these ids, or all in the order of the index."""
    payload = index.payload() if names is None else index.payload(names)
    assert payload is not None  # noqa: S101 - for mypy; a store has columns
    columns = (payload.column(name).to_pylist() for name in (_TEXT, _METADATA))
    return [
        Document(id=name, page_content=text, metadata=json.loads(metadata))
        for name, text, metadata in zip(index.ids.tolist() if names is None else names, *columns, strict=True)
    ]


def metadata_in(index: HierIndex) -> Iterator[dict[str, Any]]:
    """The metadata of all documents of an index, in the order of its ids."""
    payload = index.payload()
    assert payload is not None  # noqa: S101 - for mypy; a store has columns
    return map(json.loads, payload.column(_METADATA).to_pylist())


def schema_of(index: HierIndex, wanted: pa.Schema | None) -> pa.Schema:
    """The payload columns of a store that is there.

    Raises:
        InputError: they are not a store's, or not those that are wanted.
    """
    payload = index.payload()
    found = pa.schema([]) if payload is None else payload.schema.remove_metadata()
    columns = {field.name: field.type for field in list(found)[2:]}
    own = payload_schema(columns) if found.names[:2] == payload_schema({}).names else None
    if own is None or index.ids.dtype != object:
        raise InputError(f"the index should be one that a store has written; found {index} with columns {found.names}")
    if wanted is not None and not own.equals(wanted):
        raise InputError(f"columns should be those of the store that is there, {columns}; leave them out")
    return own


def _json(metadata: Mapping[str, Any]) -> str:
    try:
        return json.dumps(metadata, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"metadata should be JSON values (text, numbers, lists, mappings); found {metadata!r}: {error}"
        ) from error
