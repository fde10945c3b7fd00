"""Who may call a route: dependencies for readers and for writers, and what OpenAPI says of them."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from hierindex.server.keys import Key
from hierindex.server.problems import Problem
from hierindex.server.service import Service

__all__ = ["OPEN", "SCHEMES", "may_read", "may_write"]

SCHEMES: dict[str, dict[str, Any]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, as Authorization: Bearer KEY."},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key."},
}
"""How a key is given, in OpenAPI's words. They are not FastAPI's `Security` objects: each of those would be solved anew
for each request, which together took longer than a search."""

OPEN: dict[str, Any] = {"security": []}
"""What OpenAPI is told of a route that asks for no key (``openapi_extra``)."""


async def may_read(request: Request) -> None:
    """Let through who may read."""
    _key(request)


async def may_write(request: Request) -> None:
    """Let through who may change the index: with a write key, or without keys where the server was made writable."""
    key, service = _key(request), _service(request)
    if key is None and not service.settings.writable:
        raise Problem(
            403, "this server should be started with --writable, or with keys, to be changed; it is read-only"
        )
    if key is not None and not key.writes:
        raise Problem(403, "the key should have the scope write; found one that may only read")


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _key(request: Request) -> Key | None:
    """The caller's key; None where the server has no keys at all."""
    keys = _service(request).settings.keys
    if not keys:
        return None
    given = _given(request)
    if not given:
        raise Problem(401, "a key should be given, as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'; found none")
    key = keys.find(given)
    if key is None:
        raise Problem(401, "the key should be one that the server knows; found another")
    request.state.key = key.name
    return key


def _given(request: Request) -> str:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
