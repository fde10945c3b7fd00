"""Public names that are imported when they are first asked for, so that a package loads no more than is used of it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping

__all__ = ["from_homes"]


def from_homes(package: str, home_of: Mapping[str, str]) -> Callable[[str], object]:
    """The ``__getattr__`` of a package (PEP 562).

    Args:
        package: its ``__name__``.
        home_of: the module below the package that each public name is in.

    Example:
        >>> from_homes("hierindex", {"Tree": "tree"})("Tree").__name__
        'Tree'
    """

    def imported(name: str) -> object:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{home_of[name]}"), name)

    return imported
