"""The command line: ``hierindex build | search | add | delete | info | tree | bench | demo``."""

from hierindex.cli.main import main

__all__ = ["main"]
