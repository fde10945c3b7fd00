"""The documentation: every block of Python runs, as it stands; the site is built strictly and needs no network."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import boto3
import numpy as np
import pytest
from moto.server import ThreadedMotoServer

import hierindex
from hierindex import HierIndex
from hierindex.learning.refine import fit_heads

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
ELSEWHERE = {  # pages whose blocks other tests run, beside what they say
    "coming-from.md": "test_adapters_pages.py",
    "how-to/adapters.md": "test_adapters_pages.py",
    "how-to/deploy.md": "test_client.py",
}


def blocks(page):
    return re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(), re.DOTALL | re.MULTILINE)


PAGES = sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md") if blocks(path.relative_to(DOCS)))


@pytest.fixture
def bucket(monkeypatch):
    """A stand-in for S3 on this machine, with one empty bucket; its address."""
    server = ThreadedMotoServer(port=0)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "eu-west-1"}
    place = {"LocationConstraint": "eu-west-1"}
    boto3.client("s3", endpoint_url=address, **keys).create_bucket(Bucket="bucket", CreateBucketConfiguration=place)
    yield address
    server.stop()


@pytest.fixture
def given(request, tmp_path, quick):
    """What a page takes for granted."""
    page = request.node.callspec.params["page"]
    if page == "how-to/object-stores.md":
        return {"S3_ENDPOINT": request.getfixturevalue("bucket")}
    if page == "format.md":
        HierIndex.from_vectors(np.eye(30, dtype=np.float32), config=quick, path=tmp_path / "my.index")
    return {}


@pytest.mark.parametrize("page", [page for page in PAGES if page not in ELSEWHERE])
def test_every_block_runs(page, given, tmp_path, monkeypatch):
    def short(latent, config, progress):  # what a page says does not hang on how good the tree is
        return fit_heads(latent, replace(config, head=replace(config.head, steps=10)), progress)

    monkeypatch.setattr("hierindex.learning.learn.fit_heads", short)
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__", **given}
    for number, code in enumerate(blocks(page), 1):
        exec(compile(code, f"{page}, block {number}", "exec"), names)


@pytest.mark.parametrize("page", sorted(ELSEWHERE))
def test_the_other_pages_are_run_where_it_is_said(page):
    assert Path(page).name in (ROOT / "tests" / ELSEWHERE[page]).read_text()


def test_blocks_are_closed():
    for path in DOCS.rglob("*.md"):
        assert path.read_text().count("```") % 2 == 0, path


class Links(HTMLParser):
    """What a page of the site loads: scripts, styles, pictures; not what it merely points to."""

    def __init__(self):
        super().__init__()
        self.loaded = []

    def handle_starttag(self, tag, attrs):
        about = dict(attrs)
        if tag == "link" and about.get("rel") in ("stylesheet", "icon", "preconnect", "preload"):
            self.loaded.append(about["href"])
        if tag in ("script", "img", "iframe", "object") and about.get("src"):
            self.loaded.append(about["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built anew; warnings are errors."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


def test_the_site_loads_nothing_from_elsewhere(site):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        links = Links()
        links.feed(page.read_text())
        assert links.loaded
        for link in links.loaded:
            assert "//" not in link, (page, link)
            if page.name != "404.html":  # its links are from the root, wherever that will be
                assert (page.parent / link).exists(), (page, link)


def test_the_reference_has_every_public_name(site):
    text = "".join(page.read_text() for page in (site / "reference").glob("*.html"))
    known = set(re.findall(r'id="hierindex\.([\w.]+)"', text))
    for name in dir(HierIndex):
        if not name.startswith("_"):
            assert f"HierIndex.{name}" in known, name
    last = {name.rpartition(".")[2] for name in known}
    assert set(hierindex.__all__) - {"__version__"} <= last


def test_docstrings_examples_are_shown_as_code(site):
    for page in (site / "reference").glob("*.html"):
        assert "<blockquote>" not in page.read_text(), page


def test_the_search_knows_the_pages(site):
    index = (site / "search" / "search_index.json").read_text()
    for word in ("per_branch", "Dasgupta", "Poincare"):
        assert word in index
