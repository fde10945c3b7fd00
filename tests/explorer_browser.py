"""A served index and a real browser in front of it, for the tests of the explorer page."""

import os
import shutil
import socket
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import uvicorn
from PIL import Image

from hierindex.server.app import create_app

NAMES = ("chromium", "chromium-browser", "google-chrome")
SIZE = {"width": 1280, "height": 800}


def browser_path():
    """Where Chromium is; the test is skipped where there is none."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no browser: install one of {', '.join(NAMES)} (apt-get install chromium), or set CHROMIUM")
    return found


@contextmanager
def browser():
    """A headless Chromium."""
    path = browser_path()
    with pytest.importorskip("playwright.sync_api").sync_playwright() as playwright:
        options = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        chromium = playwright.chromium.launch(executable_path=path, args=options)
        try:
            yield chromium
        finally:
            chromium.close()


@contextmanager
def serving(app):
    """The address of an application on loopback, as long as it is needed."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started:
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def served(index, settings=None):
    """The same for an index."""
    return serving(create_app(index, settings))


class Guest:
    """A page that was opened, and everything that went wrong in it."""

    def __init__(self, page, address):
        self.page, self.address, self.wrong, self.asked = page, address, [], []
        page.on("console", lambda m: self.wrong.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("dialog", lambda dialog: (self.wrong.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: self.asked.append(request.url))
        page.goto(address)

    def ready(self):
        """Wait until the tree is there and everything stands still."""
        self.heading("")
        self.still()
        return self

    def until(self, expression, argument=None, seconds=20):
        """Wait until an expression over ``app`` and ``a`` holds (the page forbids the eval of Playwright's own)."""
        last = time.monotonic() + seconds
        while not self.app(expression, argument):
            assert time.monotonic() < last, f"waited {seconds} s for {expression}"
            self.page.wait_for_timeout(15)

    def still(self):
        """Wait until nothing flies, nothing is on its way, and nothing is to be drawn any more."""
        self.until("!app.view.flying && app.frame === null")

    def heading(self, begins):
        """Wait until the panel's heading begins so."""
        self.until("document.querySelector('#panel h2')?.textContent.startsWith(a)", begins)

    def app(self, expression, argument=None):
        """The value of an expression over the page's ``app`` (and ``a``, the argument)."""
        return self.page.evaluate(
            f"async (a) => {{ const {{ app }} = await import('/page/js/main.js'); return {expression}; }}", argument
        )

    def where(self, node):
        """Where a node is in the disk as it is seen, as a complex number."""
        return complex(*self.app("app.view.where(app.forest.get(a).place)", node))

    def pixel(self, place):
        """The pixel on the page of a point of the disk as it is seen."""
        x, y = self.app("app.view.pixels(a)", [place.real, place.imag])
        box = self.page.locator("#disk").bounding_box()
        return box["x"] + x, box["y"] + y

    def check(self):
        """Nothing was logged, nothing failed, and no other host was asked for anything."""
        assert self.wrong == []
        assert {urlsplit(url).netloc for url in self.asked if not url.startswith("blob:")} == {
            urlsplit(self.address).netloc
        }


@contextmanager
def visiting(chromium, address, **options):
    """A guest on a page of its own, checked when it leaves."""
    context = chromium.new_context(**{"viewport": SIZE, "reduced_motion": "reduce"} | options)
    try:
        guest = Guest(context.new_page(), address)
        yield guest
        guest.check()
    finally:
        context.close()


def png_folder(folder: Path, images):
    """Images ``(n, h, w)`` as files named by their row."""
    folder.mkdir(parents=True, exist_ok=True)
    for row, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{row}.png")
    return folder
