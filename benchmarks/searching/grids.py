"""The grids that all systems are swept over."""

from __future__ import annotations

__all__ = ["TARGETS", "WIDTHS", "list_counts"]

TARGETS = (0.90, 0.95, 0.99)

#: Lists probed, or length of a graph's candidate list: steps of about 1.25 up to 1,024.
WIDTHS = (
    1,
    2,
    3,
    4,
    5,
    6,
    8,
    10,
    12,
    16,
    20,
    24,
    32,
    40,
    48,
    64,
    80,
    96,
    128,
    160,
    192,
    256,
    320,
    384,
    512,
    768,
    1_024,
)


def list_counts(n: int) -> list[int]:
    """How many lists to try for n rows: a power of two near sqrt(n), half of it, and twice as many.

    Four times as many made every query dearer on a million rows: finding the lists then costs more than scanning them.

    Example:
        >>> list_counts(1_000_000)
        [512, 1024, 2048]
    """
    root = 1
    while root * root * 2 <= n:
        root *= 2
    return [root // 2, root, 2 * root]
