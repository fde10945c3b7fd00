"""An outline into a file, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hierindex.errors import InputError, StorageError
from hierindex.export.graphml import graphml
from hierindex.export.outline import Outline
from hierindex.export.rdf import BASE, n_triples, turtle
from hierindex.newick import quoted
from hierindex.vectors import member

__all__ = ["Format", "newick", "write", "write_text", "whole_file"]


class Format(Enum):
    """A form of the tree, named as the suffix of its files."""

    NEWICK = "nwk"
    GRAPHML = "graphml"
    TURTLE = "ttl"
    N_TRIPLES = "nt"
    PARQUET = "parquet"

    @classmethod
    def of(cls, path: Path, form: Format | str | None) -> Format:
        """The form that is asked for, or that the path ends with.

        Raises:
            InputError: it is none of them.
        """
        if form is not None:
            return member(cls, form, "format")
        return member(cls, path.suffix.removeprefix("."), "the path's suffix")


def write(outline: Outline, path: Path, form: Format, base: str = BASE) -> tuple[Path, ...]:
    """Write an outline; text a line at a time, so that large trees need no memory of their own.

    Args:
        outline: what to write.
        path: the file; Parquet makes three beside each other: ``<stem>.nodes``, ``.edges`` and ``.points`` before the
            suffix. What is there is replaced, once the new file is whole.
        form: how.
        base: what IRIs begin with in RDF.

    Returns:
        The files.

    Raises:
        InputError: text that the form cannot hold.
        StorageError: the files cannot be written.
    """
    if form is Format.PARQUET:
        return _write_parquet(outline, path)
    lines = {
        Format.NEWICK: lambda: newick(outline),
        Format.GRAPHML: lambda: graphml(outline),
        Format.TURTLE: lambda: turtle(outline, base),
        Format.N_TRIPLES: lambda: n_triples(outline, base),
    }[form]()
    return write_text(lines, path)


def write_text(lines: Iterable[str], path: Path) -> tuple[Path, ...]:
    """Lines, with their ends, as UTF-8.

    Raises:
        InputError: text that UTF-8 cannot hold. StorageError: the file cannot be written.
    """
    with whole_file(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        try:
            file.writelines(lines)
        except UnicodeEncodeError as error:
            raise InputError(f"text should be Unicode; found a lone surrogate: {error}") from error
    return (path,)


def newick(outline: Outline) -> Iterator[str]:
    """The outline as one Newick string: branches are called ``node<number>``, points hang below the lowest of them."""
    height = dict(zip(outline.node.tolist(), outline.height.tolist(), strict=True))
    below: dict[int, list[str]] = {}
    for point, home, _ in outline.points():
        below.setdefault(home, []).append(f"{quoted(point)}:{height[home]!r}")
    children: dict[int, list[int]] = {}
    for node, parent in zip(outline.node.tolist(), outline.parent.tolist(), strict=True):
        children.setdefault(parent, []).append(node)
    todo: list[tuple[int, str] | str] = [(children[-1][0], "")]  # nodes to open, and text to write after them
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            yield item
            continue
        node, tail = item
        name = f"node{node}{tail}"
        inner = children.get(node, [])
        parts: list[tuple[int, str] | str] = [(child, f":{height[node] - height[child]!r}") for child in inner]
        parts += below.get(node, [])
        if not parts:
            yield name
            continue
        yield "("
        todo.append(")" + name)
        for at, part in enumerate(reversed(parts)):
            todo += [",", part] if at else [part]
    yield ";"


def _write_parquet(outline: Outline, path: Path) -> tuple[Path, ...]:
    kind = pa.string() if outline.ids.dtype == object else pa.int64()
    nodes = pa.table(
        {
            "node": outline.node,
            "depth": outline.depth,
            "height": outline.height,
            "size": outline.size,
            "typical": pa.array([typical.tolist() for typical in outline.typical], pa.list_(kind)),
        }
    )
    edges = pa.table({"parent": outline.parent[1:], "child": outline.node[1:]})
    tables = {"nodes": nodes, "edges": edges}
    if outline.with_points:
        points = pa.table({"id": pa.array(outline.ids, kind), "node": outline.home})
        for name in outline.columns:
            points = points.append_column(f"payload.{name}", outline.payload[name])  # type: ignore[index]
        tables["points"] = points
    written = []
    for name, table in tables.items():
        target = path.with_name(f"{path.stem}.{name}.parquet")
        with whole_file(target) as part:
            pq.write_table(table, part)
        written.append(target)
    return tuple(written)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A file beside ``path`` to write to; it takes the place of ``path`` at the end, or goes where that failed."""
    part = path.with_name(f"{path.name}.part")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        raise StorageError(f"{path} should be a file that can be written; the system found: {error}") from error
    finally:
        part.unlink(missing_ok=True)
