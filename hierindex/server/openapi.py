"""The OpenAPI document: FastAPI's own, with the bodies that routes read themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from hierindex.server.auth import SCHEMES
from hierindex.server.bodies import BODIES

__all__ = ["install"]


def install(app: FastAPI) -> None:
    """Let ``/openapi.json`` know every body."""
    app.openapi = _document(app)  # type: ignore[method-assign]  # the way that FastAPI documents


def _document(app: FastAPI) -> Callable[[], dict[str, Any]]:
    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                servers=app.servers,
            )
            told: list[tuple[type[BaseModel], JsonSchemaMode]] = [(each, "validation") for each in BODIES]
            _, models = models_json_schema(told, ref_template="#/components/schemas/{model}")
            parts = found.setdefault("components", {})
            parts.setdefault("schemas", {}).update(models["$defs"])
            parts["securitySchemes"] = SCHEMES
            found["security"] = [{}, *({name: []} for name in SCHEMES)]  # {}: a server may have no keys
            app.openapi_schema = found
        return app.openapi_schema

    return document
