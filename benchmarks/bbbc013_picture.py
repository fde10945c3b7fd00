"""Figure 2 again: the trees over the wells in the disk, by what the encoder sees and by pixel distance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hierindex.decode.arcs import arc_points
from hierindex.errors import need
from hierindex.plots.common import FAINT, INK, figure_of, png
from hierindex.plots.disk import geodesic
from hierindex.tree import Tree

__all__ = ["draw"]

RING = 1.05
COMPOUNDS = {"Wortmannin": "o", "LY294002": "^"}


def draw(trees: dict[str, tuple[Tree, float]], plate: dict[str, Any], path: Path) -> None:
    """One disk for each tree, under its name and its purity; wells on the rim, coloured by dose."""
    figure = figure_of(7 * len(trees), 8.1)
    colours = _colours(plate)
    for axes, (name, (tree, purity)) in zip(figure.subplots(1, len(trees)), trees.items(), strict=True):
        _disk(axes, tree, colours, plate["compound"])
        words = f"{name}\npurity of dose and control: {purity:.2f}"
        axes.text(0, 1.1, words, color=INK, fontsize=14, ha="center", va="bottom")
    figure.legend(handles=_legend(plate), loc="outside lower center", ncols=7, frameon=False, fontsize=12)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(figure, dpi=80))
    print(f"wrote {path.name}")


def _disk(axes: Any, tree: Tree, colours: list[Any], compounds: NDArray[np.object_]) -> None:  # noqa: ANN401
    where = arc_points(tree.spans, tree.n)
    circle = np.linspace(0, 2 * np.pi, 400)
    axes.plot(np.cos(circle), np.sin(circle), color=FAINT, linewidth=0.6, zorder=0)
    for node in range(len(where)):
        above = int(tree.parents[node])
        if above >= 0:
            arc = geodesic(where[above], np.clip(where[node], -1, 1))
            width = 0.7 + 3.5 * np.sqrt(tree.sizes[node] / tree.n)
            axes.plot(*arc.T, color=colours[node] if node < tree.n else FAINT, linewidth=width, zorder=1)
    for compound, marker in COMPOUNDS.items():
        own = np.flatnonzero(compounds == compound)
        places = RING * where[own] / np.linalg.norm(where[own], axis=1, keepdims=True)
        axes.scatter(*places.T, c=[colours[i] for i in own], marker=marker, s=80, edgecolors="white", linewidths=0.4)
    axes.set(xlim=(-1.1, 1.1), ylim=(-1.1, 1.28), aspect="equal")
    axes.axis("off")


def _colours(plate: dict[str, Any]) -> list[Any]:
    """Doses from light to dark; the controls in colours of their own."""
    scale = need("matplotlib", "plots").colormaps["viridis_r"]
    own = {-1: "#e07a1f", 1: "#c2185b"}
    wells = zip(plate["control"].tolist(), plate["dose_index"].tolist(), strict=True)
    return [own.get(control, scale((dose - 1) / 8)) for control, dose in wells]


def _legend(plate: dict[str, Any]) -> list[Any]:
    lines = need("matplotlib.lines", "plots")
    colours, names = _colours(plate), {-1: "negative control", 1: "positive control"}
    first: dict[str, Any] = {}
    order = np.argsort(plate["dose_index"], kind="stable")
    for i in order:
        first.setdefault(names.get(int(plate["control"][i]), f"dose {plate['dose_index'][i]}"), colours[i])
    dots = [
        lines.Line2D([], [], marker="s", linestyle="", color=c, label=name, markersize=9) for name, c in first.items()
    ]
    kinds = [lines.Line2D([], [], marker=m, linestyle="", color=INK, label=name) for name, m in COMPOUNDS.items()]
    return dots + kinds
