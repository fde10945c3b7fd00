"""The HTTP server on a Ray cluster: Ray Serve runs copies of it, each with the whole index, and shares requests out.

So requests a second grow with the machines and one may die; a search is not shared among them. An index that does not
fit one machine is searched by `ClusterIndex`.
"""

from __future__ import annotations

import signal
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hierindex.api import HierIndex
from hierindex.cluster.config import ClusterConfig
from hierindex.cluster.ray import joined, ray
from hierindex.errors import need
from hierindex.server.app import create_app
from hierindex.server.config import ServerConfig
from hierindex.server.run import Listen, guarded
from hierindex.vectors import positive

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["application", "serve_on_cluster", "started"]

_REFRESH = 2.0  # seconds in which a copy sees what another one committed
_NAME = "hierindex"


def application(path: str, settings: ServerConfig, copies: int, cpus: float = 1.0) -> Any:  # noqa: ANN401
    """A Ray Serve application of so many copies of the server, to be run by `serve.run` or beside other applications.

    Args:
        path: a saved index, which all machines see there.
        settings: as for one server; each copy looks every two seconds for what the others wrote, unless it says how
            often.
        copies: how many.
        cpus: CPUs that Ray reserves for each copy.

    Raises:
        MissingExtraError: Ray Serve is not installed. InputError: copies below 1.

    Example:
        ``serve.run(application("my.index", ServerConfig(), copies=4))``
    """
    serve = need("ray.serve", "cluster")
    if settings.refresh_seconds is None:
        settings = replace(settings, refresh_seconds=_REFRESH)

    def build() -> FastAPI:
        return create_app(HierIndex.open(path), settings)

    class Server:
        """A copy of the server; all it does is in the application that it wraps."""

    options = {"num_replicas": positive(copies, "copies"), "ray_actor_options": {"num_cpus": cpus}}
    return serve.deployment(serve.ingress(build)(Server)).options(name=_NAME, **options).bind()


def started(path: str, settings: ServerConfig, listen: Listen, copies: int, cpus: float = 1.0) -> None:
    """Start the copies and listen; they answer when this returns.

    Raises:
        InputError: see `guarded`. NotAnIndexError: and its kinds, where there is no index at the path.
        MissingExtraError: Ray Serve is not installed.
    """
    settings = guarded(settings, listen)
    HierIndex.open(path)  # what is wrong with it is said here, not in the logs of the copies
    serve = need("ray.serve", "cluster")
    joined(ClusterConfig())
    options = {"host": listen.host, "port": listen.port}
    if listen.certificate is not None:
        options |= {
            "ssl_certfile": str(listen.certificate),
            "ssl_keyfile": str(listen.private_key or listen.certificate),
        }
    serve.start(http_options=options)
    serve.run(application(path, settings, copies, cpus), name=_NAME, route_prefix="/")


def serve_on_cluster(path: str, settings: ServerConfig, listen: Listen, copies: int) -> None:
    """Serve an index on a Ray cluster until the process is told to end (SIGINT, SIGTERM).

    Raises:
        InputError, NotAnIndexError, MissingExtraError: as for `started`.
    """
    over = threading.Event()
    started(path, settings, listen, copies)
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: over.set())
    over.wait()
    need("ray.serve", "cluster").shutdown()
    ray().shutdown()
