"""Documents as payload columns, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from langchain_core.documents import Document

from hierindex.errors import InputError

__all__ = ["METADATA", "TEXT", "documents_of", "payload_schema", "payload_table"]

TEXT, METADATA = "page_content", "metadata"
_TAKEN = {TEXT, METADATA, "id", "seq", "leaf", "vector"}


def payload_schema(columns: Mapping[str, pa.DataType]) -> pa.Schema:
    """The columns of the payload: text, metadata as JSON, and the metadata keys that are columns of their own.

    Raises:
        InputError: a key that no column can be named after.
    """
    taken = sorted(name for name in columns if name.lower() in _TAKEN)
    if taken:
        raise InputError(f"columns should have names other than {sorted(_TAKEN)}; found {taken}")
    return pa.schema([(TEXT, pa.string()), (METADATA, pa.string()), *columns.items()])


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


def documents_of(ids: Sequence[str], payload: pa.Table) -> list[Document]:
    """The documents of rows of the payload."""
    texts, metadatas = payload.column(TEXT).to_pylist(), payload.column(METADATA).to_pylist()
    return [
        Document(id=name, page_content=text, metadata=json.loads(metadata))
        for name, text, metadata in zip(ids, texts, metadatas, strict=True)
    ]


def _json(metadata: Mapping[str, Any]) -> str:
    try:
        return json.dumps(metadata, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"metadata should be JSON values (text, numbers, lists, mappings); found {metadata!r}: {error}"
        ) from error
