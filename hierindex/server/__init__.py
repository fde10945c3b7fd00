"""An index behind HTTP (FastAPI): search, changes, the tree, pictures, metrics.

It needs ``pip install 'hierindex[serve]'``.

from hierindex.server import ServerConfig, create_app

app = create_app(HierIndex.open("my.index"), ServerConfig(writable=True))
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hierindex.lazy import from_homes

if TYPE_CHECKING:
    from hierindex.server.app import create_app
    from hierindex.server.config import Limits, ServerConfig
    from hierindex.server.keys import Keys
    from hierindex.server.service import Service

__all__ = ["Keys", "Limits", "ServerConfig", "Service", "create_app"]

_HOME_OF = {
    "Keys": "keys",
    "Limits": "config",
    "ServerConfig": "config",
    "Service": "service",
    "create_app": "app",
}

__getattr__ = from_homes(__name__, _HOME_OF)
