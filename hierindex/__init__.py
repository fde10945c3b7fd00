"""hierindex: a learned hyperbolic tree as a vector index."""

__version__ = "0.1.0"
