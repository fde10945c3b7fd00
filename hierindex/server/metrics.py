"""What Prometheus scrapes."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest

from hierindex import __version__
from hierindex.api import HierIndex

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """Counters of one server, in a registry of their own.

    Attributes:
        requests: by route (its template, so that ids make no labels), method and status.
        seconds: a histogram by route, from the first byte of the request to the last of the answer.
        queries: searched vectors; a batch counts each.
        changed: points that were added, edited or deleted.
        refresh_failures: times that the newest version could not be read.
    """

    def __init__(self, index: HierIndex, searches: Callable[[], int], changes: Callable[[], int]) -> None:
        self.registry = own = CollectorRegistry()
        self.requests = Counter("hierindex_requests", "Requests answered.", ["route", "method", "status"], registry=own)
        self.seconds = Histogram(
            "hierindex_request_seconds", "Seconds to an answer.", ["route"], buckets=_SECONDS, registry=own
        )
        self.queries = Counter("hierindex_queries", "Vectors searched for.", registry=own)
        self.changed = Counter("hierindex_changed_points", "Points changed.", ["change"], registry=own)
        self.refresh_failures = Counter("hierindex_refresh_failures", "Refreshes that failed.", registry=own)
        work = Gauge("hierindex_work", "Work running or waiting for a thread.", ["lane"], registry=own)
        work.labels("search").set_function(searches)
        work.labels("change").set_function(changes)
        Gauge("hierindex_points", "Points in the index.", registry=own).set_function(lambda: len(index))
        version = Gauge("hierindex_version", "The version on disk that is served; -1 without a disk.", registry=own)
        version.set_function(lambda: -1 if index.version is None else index.version)
        Info("hierindex_build", "Versions of the code.", registry=own).info({"version": __version__})
        ProcessCollector(registry=own)

    def text(self) -> bytes:
        """All of them in Prometheus's text format."""
        return generate_latest(self.registry)
