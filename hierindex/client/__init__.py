"""A small typed client of `hierindex serve`; needs ``pip install 'hierindex[client]'``.

from hierindex.client import Client

with Client("http://127.0.0.1:8080") as index:
    hits = index.search(vector, k=5)
"""

from __future__ import annotations

from hierindex.client.answers import HitsWithPayload, RangesWithPayload
from hierindex.client.client import Client

__all__ = ["Client", "HitsWithPayload", "RangesWithPayload"]
