"""The tree in the Poincare disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from hierindex.decode.arcs import arc_points
from hierindex.errors import need
from hierindex.plots.common import FAINT, INK, Pixels, check_images, figure_of, thumbnail
from hierindex.plots.drawable import Drawable
from hierindex.tree import Tree
from hierindex.vectors import Int64

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["disk", "geodesic"]

RING = 1.13  # where the pictures stand, in radii of the disk
APART = 0.092  # the least angle between two of them


def disk(index: Drawable, images: Pixels | None = None, *, branches: int = 64, groups: int = 10) -> Figure:
    """The tree in the Poincare disk.

    Points lie on the boundary in the tree's own order; every branch stands where the hyperbolic barycentre of its
    points is (the LCA of eq. 1 for two of them), edges are geodesics, and each colour is one of the highest branches.

    Args:
        index: the index to draw.
        images: ``(n, h, w)`` or ``(n, h, w, c)`` uint8, in the order of ``index.ids``; one thumbnail is drawn at each
            branch's end. None draws dots.
        branches: how many branches to draw down to.
        groups: how many of the highest branches get a colour each.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InputError: not one image for each point.
    """
    tree = index.tree
    check_images(images, tree.n)
    branches, groups = min(branches, tree.n), min(groups, branches, tree.n)
    figure, axes = _square_axes()
    where = arc_points(tree.spans, tree.n)
    ends = tree.nodes_at(branches)
    drawn = _above(tree, ends)
    colours = _colours(tree, ends, groups)
    for node in drawn[drawn != tree.root]:
        arc = geodesic(where[tree.parents[node]], where[node])
        size = tree.sizes[node] / tree.n
        axes.plot(*arc.T, color=colours.get(int(node), FAINT), linewidth=0.6 + 5 * np.sqrt(size), zorder=1)
    for node in ends:
        colour = colours[int(node)]
        start, stop = 2 * np.pi * tree.spans[node] / tree.n
        ring = np.linspace(start, stop, 24)
        axes.plot(1.01 * np.cos(ring), 1.01 * np.sin(ring), color=colour, linewidth=3, solid_capstyle="butt", zorder=2)
        axes.scatter(where[node, 0], where[node, 1], s=12, color=colour, zorder=2)
    if images is not None:
        _thumbnails(axes, tree, images, ends, colours)
    axes.set_title(f"{tree.n:,} points, {branches} of their branches in the Poincare disk", color=INK)
    return figure


def geodesic(a: NDArray[np.float64], b: NDArray[np.float64], steps: int = 24) -> NDArray[np.float64]:
    """``(steps, 2)`` along the geodesic from a to b: a straight line in the Klein model of the same disk."""
    klein_a, klein_b = (2 * x / (1 + x @ x) for x in (a, b))
    line = klein_a + np.linspace(0, 1, steps)[:, None] * (klein_b - klein_a)
    return np.asarray(line / (1 + np.sqrt(np.maximum(1 - (line**2).sum(1, keepdims=True), 0))))


def _above(tree: Tree, ends: Int64) -> Int64:
    """The nodes of a cut and all above them."""
    seen = set(ends.tolist())
    for end in ends.tolist():
        node = int(tree.parents[end])
        while node >= 0 and node not in seen:
            seen.add(node)
            node = int(tree.parents[node])
    return np.array(sorted(seen), dtype=np.int64)


def _colours(tree: Tree, ends: Int64, groups: int) -> dict[int, Any]:
    """The colour of every drawn node inside one of the highest ``groups`` branches."""
    palette = need("matplotlib", "plots").colormaps["tab10" if groups <= 10 else "tab20"]
    tops = {int(node): palette(i % palette.N) for i, node in enumerate(tree.nodes_at(groups))}
    colours: dict[int, Any] = {}
    for end in ends.tolist():
        chain = [end]
        while chain[-1] not in tops:
            chain.append(int(tree.parents[chain[-1]]))
        colours |= dict.fromkeys(chain, tops[chain[-1]])
    return colours


def _square_axes() -> tuple[Figure, Axes]:
    figure = figure_of(9, 9)
    axes = figure.subplots()
    circle = np.linspace(0, 2 * np.pi, 400)
    axes.plot(np.cos(circle), np.sin(circle), color=FAINT, linewidth=0.8)
    axes.set(xlim=(-1.28, 1.28), ylim=(-1.28, 1.28), aspect="equal")
    axes.axis("off")
    return figure, axes


def _thumbnails(axes: Axes, tree: Tree, images: Pixels, ends: Int64, colours: dict[int, Any]) -> None:
    """A picture for each branch beside its arc, moved only as far as needed to cover no other, led there by a line."""
    middle = np.pi * tree.spans[ends].sum(axis=1) / tree.n
    apart = min(APART, 2 * np.pi / len(ends)) * np.arange(len(ends))
    # least squares among positions at least so far apart: an isotonic regression of what is left without the distance
    places = isotonic_regression(middle - apart).x + apart
    for node, arc, angle in zip(ends, middle, places, strict=True):
        exemplar = tree.order[round(arc * tree.n / (2 * np.pi) - 0.5)]
        place = (RING * np.cos(angle), RING * np.sin(angle))
        axes.plot([1.02 * np.cos(arc), place[0]], [1.02 * np.sin(arc), place[1]], color=FAINT, linewidth=0.6, zorder=0)
        thumbnail(axes, images[exemplar], place, zoom=21, edge=colours[int(node)])
