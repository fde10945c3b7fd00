"""Servers to ask: one in this process without a socket, and one that is a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import numpy as np
from starlette.testclient import TestClient
from updates_cases import DIM, payload_of, seed_index, vector_of

from hierindex.server import Keys, ServerConfig, create_app

READER, WRITER = "reader-key-0123456789", "writer-key-0123456789"
KEYS = Keys.parse(f"read {READER}  # ann\nwrite {WRITER}  # bob")


@contextmanager
def asking(index, settings=None, **headers):
    """A client of an app in this process, which is warm; ``headers`` go with every request."""
    app = create_app(index, settings or ServerConfig())
    with TestClient(app, "http://127.0.0.1", raise_server_exceptions=False, headers=headers) as client:
        deadline = time.monotonic() + 60
        while not app.state.service.ready:
            assert time.monotonic() < deadline, "the server did not become ready"
            time.sleep(0.01)
        yield client


class Served:
    """`hierindex serve` in a process, at ``url``; ``lines`` are what it logged."""

    def __init__(self, path, *words, **environment):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hierindex", "serve", str(path), "--port", "0", *words],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
        )
        self.lines = []
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._ready.wait(60), f"the server did not become ready: {self.lines}"
        assert self.process.poll() is None, self.lines

    @property
    def url(self):
        return next(line["url"] for line in self.lines if line.get("event") == "listening")

    def end(self, with_signal=signal.SIGTERM):
        """Tell it to end; its exit status."""
        self.process.send_signal(with_signal)
        return self.wait()

    def wait(self):
        status = self.process.wait(60)
        self._reader.join(10)
        self.process.stderr.close()
        return status

    def events(self, name):
        return [line for line in self.lines if line.get("event") == name]

    def _read(self):
        for line in self.process.stderr:
            self.lines.append(json.loads(line) if line.startswith("{") else {"text": line})
            if self.lines[-1].get("event") == "ready":
                self._ready.set()
        self._ready.set()


@contextmanager
def serving(path, *words, **environment):
    """A `Served`, ended at the end."""
    server = Served(path, *words, **environment)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.end(signal.SIGKILL)


def points(first, n, revision=0):
    """A body of n points from an id on, with their vectors and payload."""
    ids = list(range(first, first + n))
    return {
        "ids": ids,
        "vectors": [vector_of(i, revision).tolist() for i in ids],
        "payload": [payload_of(i, revision) for i in ids],
    }


def rows_of(hits):
    """What a search of the library found, in the form that the server answers with."""
    return [[{"id": hit.id, "distance": hit.distance, "leaf": hit.leaf} for hit in found] for found in hits]


def queries(n, seed=0):
    return np.random.default_rng(seed).normal(size=(n, DIM)).astype(np.float32)


__all__ = [
    "DIM",
    "KEYS",
    "READER",
    "WRITER",
    "Served",
    "asking",
    "points",
    "queries",
    "rows_of",
    "seed_index",
    "serving",
]
