"""One generation of the tree: ``tree/000003.parquet``, a row for each node."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hierindex.errors import CorruptIndexError, InputError
from hierindex.index.nodes import Nodes
from hierindex.storage.files import Place, check_format, damaged, new_file, next_generation, opened, reading
from hierindex.storage.sealed import Json, digest, dumps, loads
from hierindex.vectors import Float32, Int64

__all__ = ["TreeFile", "read_tree", "tree_name", "tree_path", "tree_shape", "write_tree"]


@dataclass(frozen=True)
class TreeFile:
    """The tree of an index and all that is to be known about it.

    Attributes:
        nodes: the tree down to the leaves.
        about: plain JSON (metric, configurations, operating points, ...); storage never looks into it.
        format: the lowest format version that a reader has to know: 2 where nodes are retired or rows were moved,
            3 where parts hold rows that are listed as removed.
    """

    nodes: Nodes
    about: Json
    format: int = 1

    @property
    def dim(self) -> int:
        """d, the dimension of the centroids and so of the points."""
        return int(self.nodes.centroid.shape[1])

    def check(self) -> None:
        """See that this can be stored.

        Raises:
            InputError: the nodes are no binary tree or not of this format, or ``about`` is not plain JSON.
        """
        try:
            self.nodes.check()
        except CorruptIndexError as error:
            raise InputError(f"nodes should form a binary tree; found a fault: {error}") from error
        if self.format < 2 and self.nodes.retired.any():
            raise InputError(f"format should be 2 for a tree with retired nodes; found {self.format}")
        dumps(self.about, "about")


def tree_name(number: int) -> str:
    """What a generation is called."""
    return f"{number:06d}.parquet"


def tree_path(folder: Place, number: int) -> Place:
    """Where a generation lies."""
    return folder / tree_name(number)


def write_tree(folder: Place, tree: TreeFile) -> int:
    """Write a new generation; its number."""
    table = _table(tree.nodes)

    def write(number: int) -> None:
        about = dumps(tree.about, "about")
        seal = {"format": str(tree.format), "generation": str(number), "about": about, "sha256": digest(about)}
        with (
            new_file(tree_path(folder, number)) as file,
            pq.ParquetWriter(
                file, table.schema, compression="zstd", store_schema=False, write_page_checksum=True
            ) as writer,
        ):
            writer.write_table(table)
            writer.add_key_value_metadata({f"hierindex.{key}": value for key, value in seal.items()})

    return next_generation(folder, write)


def read_tree(folder: Place, number: int) -> TreeFile:
    """Read a generation.

    Raises:
        FormatVersionError: a newer hierindex wrote it.
        CorruptIndexError: it is missing, damaged, another generation, or its nodes are no binary tree.
    """
    path = tree_path(folder, number)
    with reading(path):
        file = pq.ParquetFile(opened(path), page_checksum_verification=True)
        about = _about(file, path, number)
        table = file.read()
        if not np.array_equal(_numbers(table, "node", np.int64), np.arange(len(table))):
            raise damaged(path, "nodes out of order")
        nodes = Nodes(
            parent=_numbers(table, "parent", np.int64),
            height=_numbers(table, "height", np.float64),
            centroid=_vectors(table, "centroid"),
            ball=_vectors(table, "ball"),
            count=_numbers(table, "count", np.int64),
        )
        try:
            nodes.check()
        except CorruptIndexError as error:
            raise damaged(path, f"a fault in the tree: {error}") from error
        return TreeFile(nodes, about, int((file.metadata.metadata or {})[b"hierindex.format"]))


def tree_shape(folder: Place, number: int) -> tuple[int, int]:
    """The number of nodes and the dimension d of a generation, from its footer alone.

    Raises:
        FormatVersionError: a newer hierindex wrote it.
        CorruptIndexError: it is missing or damaged.
    """
    path = tree_path(folder, number)
    with reading(path):
        file = pq.ParquetFile(opened(path))
        _about(file, path, number)
        return file.metadata.num_rows, _width(file.schema_arrow.field("centroid").type)


def _about(file: pq.ParquetFile, path: Place, number: int) -> Json:
    """What the schema metadata says, after its format version, generation and digest were seen to be right."""
    metadata = file.metadata.metadata or {}
    seal = {key: metadata[f"hierindex.{key}".encode()].decode() for key in ("format", "generation", "about", "sha256")}
    check_format(seal["format"], path)
    if seal["generation"] != str(number):
        raise damaged(path, f"generation {seal['generation']!r} under the name of {number}")
    if seal["sha256"] != digest(seal["about"]):
        raise damaged(path, "an 'about' that does not fit its sha256")
    return loads(seal["about"])


def _table(nodes: Nodes) -> pa.Table:
    columns = {
        "node": np.arange(len(nodes), dtype=np.int64),
        "parent": nodes.parent.astype(np.int64),
        "depth": nodes.depth,
        "height": nodes.height.astype(np.float64),
        "level": _levels(nodes),
        "centroid": _fixed(nodes.centroid),
        "ball": _fixed(nodes.ball),
        "count": nodes.count.astype(np.int64),
    }
    arrays = {name: pa.array(values) for name, values in columns.items()}
    return pa.table(arrays, schema=pa.schema([pa.field(n, a.type, nullable=False) for n, a in arrays.items()]))


def _levels(nodes: Nodes) -> Int64:
    """``(m,)``: the longest way from each node down to a leaf; 0 for leaves."""
    levels = np.zeros(len(nodes), np.int64)
    for node in nodes.preorder[:0:-1]:
        above = nodes.parent[node]
        levels[above] = max(levels[above], levels[node] + 1)
    return levels


def _fixed(x: Float32) -> pa.FixedSizeBinaryArray:
    """Rows ``(m, w)`` as fixed-size binary of 4 w bytes each, little-endian."""
    data = np.ascontiguousarray(x, dtype="<f4")
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(4 * x.shape[1]), len(x), [None, pa.py_buffer(data)])


def _vectors(table: pa.Table, name: str) -> Float32:
    column = table[name].combine_chunks()
    width = _width(column.type)
    if column.null_count:
        raise ValueError(f"nulls in {name}")
    data = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    flat = np.frombuffer(data.buffers()[1], "<f4", len(data) * width, offset=4 * width * data.offset)
    return flat.reshape(len(data), width).astype(np.float32, copy=False)


def _numbers(table: pa.Table, name: str, dtype: type[np.int64] | type[np.float64]) -> np.ndarray:
    column = table[name]
    if column.type != pa.from_numpy_dtype(dtype) or column.null_count:
        raise ValueError(f"{name} of type {column.type} with {column.null_count} nulls")
    return np.asarray(column.to_numpy())


def _width(kind: pa.DataType) -> int:
    if not pa.types.is_fixed_size_binary(kind) or kind.byte_width == 0 or kind.byte_width % 4:
        raise ValueError(f"vectors of type {kind}")
    return int(kind.byte_width) // 4
