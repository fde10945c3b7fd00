"""Writers on one machine take turns, so that a change made again after a conflict is not always the slower one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hierindex.storage.files import Place

__all__ = ["turn"]


@contextmanager
def turn(folder: Place) -> Iterator[None]:
    """Wait until no other writer on this machine has its turn at ``folder``, and hold it meanwhile.

    An advisory lock of the folder itself (flock), which ends with the process that holds it. It only makes conflicts
    rare: what keeps writers apart is the commit, which is exclusive. So where there is no such lock (object stores,
    Windows, some network disks) nothing is waited for. It is not reentrant.
    """
    if not isinstance(folder, Path) or sys.platform == "win32":
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
