"""What recall costs: throughput of batches and latency of single queries against the recall that they reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hierindex.errors import InputError
from hierindex.plots.common import FAINT, INK, OWN, figure_of, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hierindex.index.compare import Measured

__all__ = ["OURS", "Curve", "curves_of", "line", "recall_latency"]

OURS = "hierindex"
"""The system whose line is drawn over the others."""


FLAT = "flat FAISS"
_COLOURS = {OURS: OWN, FLAT: FAINT}


@dataclass(frozen=True)
class Curve:
    """What one system reaches.

    Attributes:
        system: its name.
        single: whether queries come one by one, on one thread; otherwise all at once.
        points: recall@k and microseconds a query, one pair for each setting.
    """

    system: str
    single: bool
    points: tuple[tuple[float, float], ...]


def curves_of(measured: Sequence[Measured]) -> list[Curve]:
    """The curves of what `HierIndex.compare_with_flat` measured; flat FAISS is one point, its median.

    Raises:
        InputError: nothing was measured.
    """
    if not measured:
        raise InputError("measured should hold at least one operating point; found none")
    flat = sorted(measured, key=lambda point: point.flat_batch_us)[len(measured) // 2]
    return [
        Curve(OURS, False, tuple((point.recall, point.batch_us) for point in measured)),
        Curve(OURS, True, tuple((point.recall, point.single_us) for point in measured)),
        Curve(FLAT, False, ((1.0, flat.flat_batch_us),)),
        Curve(FLAT, True, ((1.0, flat.flat_single_us),)),
    ]


def recall_latency(
    curves: Sequence[Curve],
    *,
    k: int = 10,
    title: str = "",
    batch: str = "batch",
    least: float = 0.8,
    colours: Mapping[str, str] | None = None,
) -> Figure:
    """Queries a second of batches, and microseconds of a single query, both against recall; up and down is better.

    Args:
        curves: what was measured.
        k: neighbours, for the axis.
        title: over both panels.
        batch: what a batch was, for the axis, such as "batch, 2 threads".
        least: the recall at which the axes begin, or the least that was measured if that is more.
        colours: of systems by name; the others, and ours, have their own.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InputError: no curves.

    Example:
        ``recall_latency(curves_of(index.compare_with_flat()))``
    """
    if not any(curve.points for curve in curves):
        raise InputError("curves should hold at least one point; found none")
    figure = figure_of(12, 5)
    left, right = figure.subplots(1, 2)
    for curve in curves:
        recalls, micros = zip(*curve.points, strict=True) if curve.points else ((), ())
        values = micros if curve.single else tuple(1e6 / us for us in micros)
        line(right if curve.single else left, curve.system, recalls, values, _COLOURS | dict(colours or {}))
    lowest = min(recall for curve in curves for recall, _ in curve.points)
    begin = max(least, min(lowest - 0.01, 0.95))  # wide enough to see that nothing is lost, where nothing is
    left.set(ylabel=f"queries a second, {batch}")
    right.set(ylabel="median microseconds, one query, one thread")
    for axes in (left, right):
        axes.set(xlim=(begin, 1 + 0.02 * (1 - begin)), yscale="log", xlabel=f"recall@{k}")
        axes.grid(color=FAINT, alpha=0.3, which="both")
        tidy(axes)
    right.legend(frameon=False, fontsize=8)
    if title:
        figure.suptitle(title, color=INK)
    return figure


def line(axes: Axes, system: str, x: Sequence[float], y: Sequence[float], colours: Mapping[str, str]) -> None:
    """One system's line; ours is the broad one, over the others."""
    mine = system == OURS
    width, above = (2.4, 3) if mine else (1.2, 2)
    axes.plot(x, y, marker="o", markersize=4, linewidth=width, color=colours.get(system), label=system, zorder=above)
