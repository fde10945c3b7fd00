"""A server as a process: where it listens, how it ends."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
from dataclasses import dataclass, replace
from pathlib import Path

import uvicorn

from hierindex.api import HierIndex
from hierindex.errors import InputError
from hierindex.server.app import create_app
from hierindex.server.config import ServerConfig
from hierindex.server.logs import LOG, configure

__all__ = ["Listen", "guarded", "serve"]

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_KEEP_ALIVE = 30
_GRACE = 5.0  # seconds, beside what a request may take, for what is under way when the server is told to end


@dataclass(frozen=True)
class Listen:
    """Where a server listens.

    Attributes:
        host: an address of this machine; loopback means that only programs on it can call.
        port: 0 takes a free one, which the log names.
        open_to_all: listen beyond loopback without keys too.
        certificate: a PEM file, for TLS. private_key: its key, where that is not in the same file.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    open_to_all: bool = False
    certificate: Path | None = None
    private_key: Path | None = None

    def __post_init__(self) -> None:
        for path in (self.certificate, self.private_key):
            if path is not None and not path.is_file():
                raise InputError(f"TLS should have a PEM file; found none at {path}")

    @property
    def on_loopback(self) -> bool:
        """Whether only programs on this machine can call."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def guarded(settings: ServerConfig, listen: Listen) -> ServerConfig:
    """The settings with which it is safe to listen there.

    Raises:
        InputError: beyond loopback without keys, and that was not asked for.
    """
    if not (listen.on_loopback or settings.keys or listen.open_to_all):
        raise InputError(
            f"a server that others can reach should have keys; found none for {listen.host}; "
            "give it a key file, or say open_to_all (--open-to-all)"
        )
    if listen.on_loopback and not settings.keys and not settings.hosts:
        return replace(settings, hosts=_LOOPBACK_NAMES)
    return settings


def serve(index: HierIndex, settings: ServerConfig, listen: Listen) -> None:
    """Serve an index until the process is told to end (SIGINT, SIGTERM); then finish what has begun, and return.

    Raises:
        InputError: beyond loopback without keys, and that was not asked for; or nobody can listen there.

    Example:
        ``serve(HierIndex.open("my.index"), ServerConfig(writable=True), Listen(port=8000))``
    """
    settings = guarded(settings, listen)
    with _listening(listen) as sock:
        configure()
        config = uvicorn.Config(
            create_app(index, settings),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=int(settings.limits.seconds + _GRACE),
            ssl_certfile=listen.certificate,
            ssl_keyfile=listen.private_key,
        )
        port = sock.getsockname()[1]
        LOG.info("listening", url=_url(listen, port), keys=len(settings.keys.known), pid=os.getpid())
        for each in (signal.SIGINT, signal.SIGTERM):  # uvicorn raises them anew once it has ended, which is the end
            signal.signal(each, lambda *_: None)
        uvicorn.Server(config).run(sockets=[sock])


def _listening(listen: Listen) -> socket.socket:
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    try:
        return socket.create_server((listen.host, listen.port), family=family, backlog=2_048)
    except (OSError, OverflowError) as error:
        raise InputError(f"{listen.host}:{listen.port} should be an address to listen at; found: {error}") from error


def _url(listen: Listen, port: int) -> str:
    host = f"[{listen.host}]" if ":" in listen.host else listen.host
    return f"http{'s' if listen.certificate else ''}://{host}:{port}"
