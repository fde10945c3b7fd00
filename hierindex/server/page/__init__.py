"""The explorer: a page that shows the tree in the Poincare disk, served by the server itself.

Plain HTML, CSS and JavaScript modules, in ``static/``: nothing is built, and nothing is loaded from anywhere else.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Response
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

__all__ = ["mount"]

STATIC = Path(__file__).parent / "static"

HEADERS = {
    # scripts and styles are files of ours; pictures are ours or made in the page; no other page may frame this one
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # asked for again each time, and answered 304 where nothing changed
}


def mount(app: FastAPI) -> None:
    """Serve the page at ``/`` and its files below ``/page``.

    Anyone who reaches the server may load these files; what they show comes from routes that ask for a key where the
    server has keys.
    """

    @app.get("/", include_in_schema=False)
    async def explorer() -> Response:
        return FileResponse(STATIC / "index.html", headers=HEADERS)

    app.mount("/page", _Files(directory=STATIC), name="page")


class _Files(StaticFiles):
    """The page's own files, with its headers."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(HEADERS)
        return response
