"""What the pictures share: figures, colours, thumbnails, PNG bytes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hierindex.errors import InputError, need

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FAINT", "INK", "OWN", "Pixels", "check_images", "figure_of", "png", "thumbnail", "tidy"]

Pixels = NDArray[np.uint8]
INK, FAINT, OWN = "#22303c", "#9aa7b1", "#c2185b"


def figure_of(width: float, height: float) -> Figure:
    """An empty figure of that size in inches, tied to no window.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure: Figure = need("matplotlib.figure", "plots").Figure(figsize=(width, height), layout="constrained")
    return figure


def tidy(axes: Axes) -> None:
    """Leave out of a chart what shows nothing: the frame above and to the right."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(color=FAINT, labelcolor=INK)


def png(figure: Figure, *, dpi: int = 120) -> bytes:
    """A figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def thumbnail(
    axes: Axes, image: Pixels, xy: tuple[float, float], *, zoom: float, edge: object = FAINT, below: float = 0
) -> None:
    """One image, ``zoom`` points high, centred at (or ``below`` points under) a place in data coordinates."""
    boxes = need("matplotlib.offsetbox", "plots")
    picture = image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image
    box = boxes.OffsetImage(picture, zoom=zoom / picture.shape[0], cmap="gray", interpolation="nearest")
    frame = {"edgecolor": edge, "linewidth": 1.2}
    offset = {"xybox": (0, -below), "boxcoords": "offset points"} if below else {}
    axes.add_artist(boxes.AnnotationBbox(box, xy, pad=0.08, bboxprops=frame, clip_on=False, **offset))


def check_images(images: Pixels | None, n: int) -> None:
    """See that there is one image for each of n points.

    Raises:
        InputError: there is not.
    """
    if images is not None and (images.ndim not in (3, 4) or len(images) != n):
        raise InputError(
            f"images should be {n}, one for each point in the order of index.ids; found shape {images.shape}"
        )
