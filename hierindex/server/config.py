"""What a server is told before it starts."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field, fields
from pathlib import Path

from hierindex.errors import InputError
from hierindex.server.keys import Keys

__all__ = ["Limits", "ServerConfig"]


@dataclass(frozen=True)
class Limits:
    """What one request may ask for, so that no request can take the server down.

    Attributes:
        body_bytes: of a request's body, whether it names its length or comes in chunks.
        image_pixels: of one image, read from its header before anything is decoded.
        k: neighbours of one query.
        batch: queries of a search, or points of a change.
        hits: found points in one answer, over all its queries.
        seconds: until a request that waits, or a search that runs, is answered with 503.
        waiting: requests that may wait for a thread; the next one is answered with 503 at once.
    """

    body_bytes: int = 32 * 2**20
    image_pixels: int = 50_000_000
    k: int = 1_000
    batch: int = 1_000
    hits: int = 200_000
    seconds: float = 30.0
    waiting: int = 256

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if not math.isfinite(value) or value <= 0:
                raise InputError(f"the limit {each.name} should be above 0; found {value!r}")


@dataclass(frozen=True)
class ServerConfig:
    """How an index is served.

    Attributes:
        images: the folder that holds the images; ids (or ``image_column``) are paths in it. None shows no images,
            unless the column holds their bytes.
        image_column: the payload column with the path in ``images``, or with the bytes, of each point's image.
        keys: who may do what. Without any, everyone who reaches the server may read.
        writable: without keys, everyone who reaches the server may change the index too.
        origins: web origins whose pages may call the server (CORS), such as ``https://shop.example``; none by default.
        hosts: names that a request's ``Host`` may have; empty takes all. It keeps a page that points its own name at
            this machine (DNS rebinding) from reading a server without keys.
        limits: see `Limits`.
        threads: searches at the same time; None takes one for each core.
        together: single queries that wait for a thread are searched in one batch, see `hierindex.server.together`.
        refresh_seconds: look for what other processes committed so often; None only when asked (``/v1/refresh``).
    """

    images: Path | None = None
    image_column: str | None = None
    keys: Keys = field(default_factory=Keys)
    writable: bool = False
    origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    threads: int | None = None
    together: bool = True
    refresh_seconds: float | None = None

    def __post_init__(self) -> None:
        if self.images is not None and not self.images.is_dir():
            raise InputError(f"images should be a folder; found none at {self.images}")
        if self.threads is not None and self.threads < 1:
            raise InputError(f"threads should be at least 1; found {self.threads}")
        seconds = self.refresh_seconds
        if seconds is not None and not (math.isfinite(seconds) and seconds > 0):
            raise InputError(f"refresh should be a number of seconds above 0; found {seconds!r}")

    @property
    def searchers(self) -> int:
        """How many searches run at the same time."""
        return self.threads or os.cpu_count() or 1
