"""Writers on one machine take turns, so that a change made again after a conflict is not always the slower one."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hierindex.storage.files import Place

__all__ = ["turn"]


@contextmanager
def turn(folder: Place, patience: float = 10) -> Iterator[None]:
    """Wait until no other writer on this machine has its turn at ``folder``, and hold it meanwhile.

    An advisory lock of the folder itself (flock), which ends with the process that holds it. It only makes conflicts
    rare: what keeps writers apart is the commit, which is exclusive. So where there is no such lock (object stores,
    Windows, some network disks) nothing is waited for, and nobody waits longer than ``patience`` seconds for a writer
    that hangs. It is not reentrant.
    """
    if not isinstance(folder, Path) or sys.platform == "win32":
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        until = time.monotonic() + patience
        while time.monotonic() < until:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.002)
            except OSError:
                break
        yield
    finally:
        os.close(handle)
