"""The application: every route, and what stands around them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from fastapi.middleware import Middleware
from fastapi.middleware.cors import CORSMiddleware

from hierindex import __version__
from hierindex.api import HierIndex
from hierindex.server import changing, health, looking, openapi, page, problems, searching, tree
from hierindex.server.auth import may_read
from hierindex.server.config import ServerConfig
from hierindex.server.middleware import Guard, Watch
from hierindex.server.service import Service

__all__ = ["create_app"]


def create_app(index: HierIndex, settings: ServerConfig | None = None) -> FastAPI:
    """The ASGI application that serves an index; ``hierindex serve`` runs it, and so does any ASGI server.

    Args:
        index: what is served. Changes are committed where it was saved; an index that never was lives in memory.
        settings: see `ServerConfig`; None lets everyone who reaches the server read.

    Example:
        >>> import numpy as np
        >>> app = create_app(HierIndex.from_vectors(np.eye(4, dtype="float32")))
        >>> app.title
        'hierindex'
    """
    settings = settings or ServerConfig()
    service = Service(index, settings)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        yield
        await service.stop()

    around = [Middleware(Watch, service=service)]
    if settings.origins:
        around.append(
            Middleware(
                CORSMiddleware,
                allow_origins=list(settings.origins),
                allow_methods=["GET", "POST", "PATCH"],
                allow_headers=["Authorization", "Content-Type", "X-API-Key", "X-Request-ID"],
                expose_headers=["X-Request-ID", "Retry-After"],
            )
        )
    around.append(Middleware(Guard, hosts=settings.hosts, body_bytes=settings.limits.body_bytes))
    app = FastAPI(
        title="hierindex",
        version=__version__,
        description="A learned hyperbolic tree as a vector index: search it, browse it, change it.",
        lifespan=life,
        middleware=around,
        docs_url=None,  # its page loads scripts from elsewhere; this server works offline
        redoc_url=None,
    )
    app.state.service = service
    problems.install(app)
    openapi.install(app)
    app.include_router(health.router)
    for module in (searching, looking, tree, changing):
        app.include_router(module.router, dependencies=[Depends(may_read)])
    page.mount(app)
    return app
