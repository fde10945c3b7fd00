"""Around every request: its id, its line in the log, its place in the metrics, and what it may carry."""

from __future__ import annotations

import re
import time
import uuid
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hierindex.server.logs import LOG
from hierindex.server.problems import Problem, answer_to
from hierindex.server.service import Service

__all__ = ["Guard", "Watch"]

_GIVEN_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_QUIET = {"/healthz", "/readyz", "/metrics"}  # asked every few seconds; logged only when they fail


class Watch:
    """Outermost: names each request, times it, logs it, and answers 500 where nothing else caught an error."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        given = dict(scope["headers"]).get(b"x-request-id", b"")
        request_id = given.decode() if _GIVEN_ID.fullmatch(given) else uuid.uuid4().hex
        seen: dict[str, Any] = {"status": 0, "bytes": 0}

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
                extra = [(b"x-request-id", request_id.encode()), (b"x-content-type-options", b"nosniff")]
                message = {**message, "headers": [*message.get("headers", []), *extra]}
            seen["bytes"] += len(message.get("body", b""))
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, watched)
            except Exception as error:  # noqa: BLE001 - the last one who can answer
                LOG.exception("failed")
                if not seen["status"]:
                    await answer_to(error)(scope, receive, watched)
            finally:
                self._note(scope, seen, time.perf_counter() - begun)

    def _note(self, scope: Scope, seen: dict[str, Any], seconds: float) -> None:
        """Count and log by the template of the route: ids in a path are no labels."""
        route = getattr(scope.get("route"), "path", "none")
        self._service.metrics.requests.labels(route, scope["method"], str(seen["status"])).inc()
        self._service.metrics.seconds.labels(route).observe(seconds)
        if route in _QUIET and seen["status"] < 400:
            return
        LOG.info(
            "request",
            route=route,
            method=scope["method"],
            status=seen["status"],
            seconds=round(seconds, 6),
            bytes=seen["bytes"],
            key=scope.get("state", {}).get("key"),
        )


class Guard:
    """Refuses names of hosts that are not this server's, and bodies that are too long, counted as they come."""

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...], body_bytes: int) -> None:
        self._app, self._hosts, self._most = app, frozenset(hosts), body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        refusal = self._refusal(headers)
        if refusal is not None:
            await answer_to(refusal)(scope, receive, send)
            return
        came = 0

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > self._most:
                raise self._too_long()
            return message

        await self._app(scope, counted, send)

    def _refusal(self, headers: dict[bytes, bytes]) -> Problem | None:
        host = _name(headers.get(b"host", b"").decode("latin-1"))
        if self._hosts and host not in self._hosts:
            return Problem(421, f"the Host of a request should be one of {sorted(self._hosts)}; found {host!r}")
        length = headers.get(b"content-length", b"0")
        return self._too_long() if not length.isdigit() or int(length) > self._most else None

    def _too_long(self) -> Problem:
        return Problem(413, f"the body should be at most {self._most:,} bytes; found more", kind="InputError")


def _name(host: str) -> str:
    """The name in a ``Host`` header, without its port: ``[::1]:80`` gives ``::1``."""
    found = re.fullmatch(r"(?:\[(?P<six>[^\]]*)\]|(?P<name>[^:]*))(?::\d*)?", host.strip().lower())
    return "" if found is None else found["six"] or found["name"] or ""
