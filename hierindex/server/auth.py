"""Who may call a route: dependencies for readers and for writers."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from hierindex.server.keys import Key
from hierindex.server.problems import Problem
from hierindex.server.service import Service, service_of

__all__ = ["may_read", "may_write"]

_BEARER = HTTPBearer(auto_error=False, description="An API key, as Authorization: Bearer KEY.")
_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same key in a header of its own.")


def _key(
    request: Request,
    service: Annotated[Service, Depends(service_of)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
    header: Annotated[str | None, Security(_HEADER)],
) -> Key | None:
    """The caller's key; None where the server has no keys at all."""
    keys = service.settings.keys
    if not keys:
        return None
    given = bearer.credentials if bearer is not None else header
    if given is None:
        raise Problem(401, "a key should be given, as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'; found none")
    key = keys.find(given)
    if key is None:
        raise Problem(401, "the key should be one that the server knows; found another")
    request.state.key = key.name
    return key


def may_read(key: Annotated[Key | None, Depends(_key)]) -> None:
    """Let through who may read."""


def may_write(key: Annotated[Key | None, Depends(_key)], service: Annotated[Service, Depends(service_of)]) -> None:
    """Let through who may change the index: with a write key, or without keys where the server was made writable."""
    if key is None and not service.settings.writable:
        raise Problem(
            403, "this server should be started with --writable, or with keys, to be changed; it is read-only"
        )
    if key is not None and not key.writes:
        raise Problem(403, "the key should have the scope write; found one that may only read")
