"""An index behind HTTP (FastAPI): search, changes, the tree, pictures, metrics.

It needs ``pip install 'hierindex[serve]'``.

from hierindex.server import ServerConfig, create_app

app = create_app(HierIndex.open("my.index"), ServerConfig(writable=True))
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

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


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
