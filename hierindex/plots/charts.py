"""The dendrogram, the leaves and the training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.cluster import hierarchy

from hierindex.errors import InputError
from hierindex.plots.common import FAINT, INK, Pixels, check_images, figure_of, thumbnail, tidy
from hierindex.plots.drawable import Drawable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["dendrogram", "leaves", "training"]


def dendrogram(index: Drawable, images: Pixels | None = None, *, branches: int = 32) -> Figure:
    """The top of the tree as SciPy draws it, with one picture and the number of points at each branch's end.

    Args:
        index: the index to draw.
        images: as for `disk`.
        branches: how many branches to draw down to.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InputError: not one image for each point, or fewer than two points.
    """
    tree = index.tree
    check_images(images, tree.n)
    if tree.n < 2:
        raise InputError("a dendrogram should have at least 2 points; found 1")
    figure = figure_of(13, 5.2)
    axes = figure.subplots()
    branches = max(2, min(branches, tree.n))
    drawn = hierarchy.dendrogram(
        tree.linkage, p=branches, truncate_mode="lastp", ax=axes, no_labels=True, above_threshold_color=FAINT
    )
    # SciPy puts the branches at 5, 15, 25, ... and names them by SciPy's node numbers
    ends = np.asarray(drawn["leaves"], dtype=np.int64)
    for place, node in enumerate(ends):
        x = 10 * place + 5
        if images is not None:
            thumbnail(axes, images[tree.members(int(node))[0]], (x, 0), zoom=26, below=16)
        axes.annotate(
            f"{tree.sizes[node]}", (x, 0), (0, -38 if images is not None else -8), textcoords="offset points",
            ha="center", va="top", fontsize=7, color=INK,
        )  # fmt: skip
    axes.set_ylabel("merge height")
    tidy(axes)
    axes.spines["bottom"].set_visible(False)
    axes.set_title(f"The {branches} highest branches of {tree.n:,} points", color=INK, pad=12)
    return figure


def leaves(index: Drawable) -> Figure:
    """How many points each leaf of the index holds, largest first.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = figure_of(8, 3.2)
    axes = figure.subplots()
    sizes = np.sort(index.leaf_sizes())[::-1]
    axes.bar(np.arange(len(sizes)), sizes, width=1.0, color="#4477aa")
    axes.axhline(sizes.mean(), color=INK, linewidth=1, linestyle="--", label=f"mean {sizes.mean():.0f}")
    axes.set(xlabel="leaf, by size", ylabel="points", title=f"{len(sizes)} leaves")
    axes.legend(frameon=False)
    tidy(axes)
    return figure


def training(index: Drawable) -> Figure:
    """The record of the training: losses, gradient norms at the latent, and the consistency of views.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InputError: nothing was trained epoch by epoch (an index of ready vectors).
    """
    epochs = index.training.epochs
    if not epochs:
        raise InputError("training should have been recorded; this index was built from vectors, or a frozen encoder")
    figure = figure_of(15, 3.2)
    panels = {
        "contrastive loss, eq. (2)": {"": "contrast"},
        "tree loss, eq. (1)": {"": "tree"},
        "gradient norms at the latent": {"contrast": "contrast_norm", "tree": "tree_norm"},
        "share of views next to their image": {"": "consistency"},
    }
    for axes, (title, lines) in zip(figure.subplots(1, 4), panels.items(), strict=True):
        for label, name in lines.items():
            values = [getattr(epoch, name) for epoch in epochs]
            axes.plot(range(1, len(values) + 1), [np.nan if v is None else v for v in values], label=label)
        axes.set(title=title, xlabel="epoch", xlim=(1, max(2, len(epochs))))
        tidy(axes)
        if len(lines) > 1:
            if any(epoch.tree_norm for epoch in epochs):  # none before the joint part, and a log axis needs some
                axes.set_yscale("log")
            axes.legend(frameon=False)
    return figure
