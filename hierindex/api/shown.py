"""Progress bars, or none."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from hierindex.progress import Bars, Progress, Silent

__all__ = ["shown"]


def shown(progress: bool) -> AbstractContextManager[Progress]:
    """A context that shows bars, or says nothing."""
    return Bars() if progress else nullcontext(Silent())
