"""The tree on a terminal, as JSON, or as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.tree import Tree as RichTree

from hierindex import plots
from hierindex.api import HierIndex

__all__ = ["as_json", "as_rich", "draw"]


def as_json(index: HierIndex, node: int | None, depth: int) -> dict[str, Any]:
    """A branch and what lies below it, down to ``depth`` levels."""
    branch = index.browse(node)
    below = [as_json(index, child, depth - 1) for child in branch.children] if depth > 0 else []
    return {
        "node": branch.node,
        "points": branch.count,
        "height": branch.height,
        "leaf": not branch.children,
        "examples": branch.examples.tolist(),
        "children": below,
    }


def as_rich(index: HierIndex, node: int | None, depth: int) -> RichTree:
    """The same as a tree of lines."""
    return _grow(as_json(index, node, depth), None)


def draw(index: HierIndex, path: Path) -> None:
    """The Poincare disk into a PNG file."""
    path.write_bytes(plots.png(plots.disk(index)))


def _grow(branch: dict[str, Any], above: RichTree | None) -> RichTree:
    examples = ", ".join(map(str, branch["examples"][:4]))
    kind = "leaf" if branch["leaf"] else "node"
    name = f"[bold]{kind} {branch['node']}[/]"
    line = f"{name}  {branch['points']:,} points  height {branch['height']:.3g}  [dim]{examples}[/]"
    grown = RichTree(line) if above is None else above.add(line)
    for child in branch["children"]:
        _grow(child, grown)
    return grown
