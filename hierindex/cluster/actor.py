"""What runs in a worker's process. It knows nothing of Ray, which wraps it."""

from __future__ import annotations

import os
import resource
import threading
from typing import Any

from hierindex.cluster.loading import Loaded, Source, read_shard
from hierindex.errors import ProcessError
from hierindex.vectors import Int64

__all__ = ["LeafWorker"]


class LeafWorker:
    """Holds the leaves of one worker, for as many versions as are searched at the moment."""

    def __init__(self) -> None:
        self._loaded: dict[int, Loaded] = {}
        self._lock = threading.Lock()

    def hold(self, source: Source, held: Int64) -> int:
        """Read the leaves ``held`` of a version and answer for it from now on; how many bytes that takes."""
        with self._lock:
            before = self._loaded[max(self._loaded)] if self._loaded else None
        loaded = read_shard(source, held, before)
        with self._lock:
            self._loaded[source.version] = loaded
        return loaded.shard.n_bytes

    def retire(self, keep: int) -> None:
        """Let go of the versions before one."""
        with self._lock:
            self._loaded = {version: loaded for version, loaded in self._loaded.items() if version >= keep}

    def call(self, version: int, method: str, *arguments: object) -> object:
        """The answer of a method of the shard of a version.

        Raises:
            ProcessError: that version is not held.
        """
        with self._lock:
            loaded = self._loaded.get(version)
        if loaded is None:
            raise ProcessError(f"version {version} should be held; found {sorted(self._loaded)}; search again")
        return getattr(loaded.shard, method)(*arguments)

    def ping(self) -> int:
        """That it is there: its process."""
        return os.getpid()

    def about(self) -> dict[str, Any]:
        """Rows, leaves and bytes held, and the process: its id and the most memory it ever had, in bytes."""
        with self._lock:
            shards = {version: loaded.shard for version, loaded in self._loaded.items()}
        newest = shards[max(shards)] if shards else None
        return {
            "versions": sorted(shards),
            "rows": 0 if newest is None else len(newest.data),
            "leaves": 0 if newest is None else len(newest.held),
            "bytes": 0 if newest is None else newest.n_bytes,
            "pid": os.getpid(),
            "peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        }
