"""The room that knows all others: `HierIndex` and how it is made, kept and described."""

from hierindex.api.config import BuildConfig
from hierindex.api.hierindex import HierIndex
from hierindex.api.view import Branch

__all__ = ["Branch", "BuildConfig", "HierIndex"]
