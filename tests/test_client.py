"""The client beside the library itself: the same answers, the same errors; and what it repeats."""

import datetime as dt
import io
import json
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from PIL import Image
from server_cases import DIM, KEYS, READER, WRITER, queries, seed_index, serving
from updates_cases import payload_of, vector_of

from hierindex import HierIndex, errors
from hierindex.client import Client
from hierindex.client.outgoing import as_asked, as_records
from hierindex.errors import (
    ConflictError,
    CorruptIndexError,
    DuplicateIdError,
    ImageError,
    InputError,
    MissingExtraError,
    NoEncoderError,
    ServerError,
    UnknownIdError,
)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """An index on disk, as the library has it; it is served, and only read here."""
    index = seed_index(n=60)
    index.save(tmp_path_factory.mktemp("client") / "v.index")
    return index


@pytest.fixture(scope="module")
def client(library):
    with serving(library._store.path) as server, Client(server.url) as client:
        yield client


def same(told, own):
    assert np.array_equal(told.ids, own.ids)
    assert told.ids.dtype == own.ids.dtype
    assert np.array_equal(told.distances, own.distances)
    assert np.array_equal(told.leaves, own.leaves)


def test_searches_give_what_the_library_gives(client, library):
    q = queries(4)
    same(client.search(q, 3), library.search(q, 3))
    same(client.search(q[0]), library.search(q[0]))
    same(client.search(q[0].tolist(), 100, recall=1), library.search(q[0], 100, recall=1))  # -1 where there are no more
    cheap = {"column": "note", "op": "is_null"}
    same(client.search(q, 5, filter=cheap), library.search(q, 5, filter=pc.field("note").is_null()))
    near, own = client.search(q, radius=2.5), library.search(q, radius=2.5)
    assert np.array_equal(near.lims, own.lims)
    same(near, own)
    same(client.search(ids=[4, 5], k=3, include_self=True), library.search(library.vectors([4, 5]), 3))
    assert 4 not in client.search(ids=4, k=59).ids


def test_payload_comes_with_the_hits(client):
    hits = client.search(queries(2), 3, payload=["rev", "note"])
    assert [[payload_of(i, 0) for i in row] for row in hits.ids.tolist()] == [list(row) for row in hits.payload]
    assert client.search(queries(1), 2, payload=True).payload[0][0].keys() == {"rev", "note"}
    assert client.search(queries(1), 2).payload == (({}, {}),)


def test_what_the_index_is(client, library):
    assert len(client) == len(library)
    assert client.info()["metric"] == "l2"
    assert client.history()[0]["operation"] == "create"
    assert client.refresh() is False
    assert client.explain(queries(1)[0], 3)["scanned"] == library.explain(queries(1)[0], 3).scanned


@pytest.mark.parametrize(
    ("ask", "error", "says"),
    [
        (lambda client: client.search(ids=10**6), UnknownIdError, "ids should be in the index"),
        (lambda client: client.search(np.zeros(DIM + 1)), InputError, "dimensions"),
        (lambda client: client.search(np.full(DIM, np.nan)), InputError, "finite"),
        (lambda client: client.search(queries(1), 0), InputError, "greater than or equal to 1"),
        (
            lambda client: client.search(queries(1), filter={"column": "x", "op": "is_null"}),
            InputError,
            "filter should",
        ),
        (lambda client: client.search(b"no image"), ImageError, "bytes of no such format"),
        (lambda client: client.search("nowhere.png"), ImageError, "nowhere.png should be an image file"),
        (lambda client: client.search(Image.new("L", (8, 8))), NoEncoderError, "holds no encoder"),
        (lambda client: client.search(), InputError, "found neither"),
        (lambda client: client.search(queries(1), ids=[1]), InputError, "found both"),
        (lambda client: client.delete([1]), ServerError, "read-only"),
        (lambda client: client.image(1), UnknownIdError, "should have an image"),
        (lambda client: client.add(queries(1), payload=7), InputError, "payload should be a table"),
    ],
)
def test_errors_are_the_librarys_own(client, ask, error, says):
    with pytest.raises(error, match=says) as told:
        ask(client)
    assert type(told.value) is error


def test_changes_with_a_key(tmp_path):
    seed_index().save(tmp_path / "v.index")
    (tmp_path / "keys").write_text(f"read {READER}\nwrite {WRITER}")
    assert KEYS.find(WRITER).writes
    with serving(tmp_path / "v.index", "--key-file", str(tmp_path / "keys")) as server:
        with Client(server.url, key=READER) as reader:
            with pytest.raises(ServerError, match="the scope write") as told:
                reader.delete([1])
            assert told.value.status == 403
            assert len(reader) == 20
        with Client(server.url) as stranger, pytest.raises(ServerError, match="a key should be given"):
            len(stranger)
        with Client(server.url, key=WRITER) as index:
            rows = np.stack([vector_of(i, 0) for i in (100, 101)])
            assert index.add(rows, ids=[100, 101], payload=[payload_of(i, 0) for i in (100, 101)]).tolist() == [
                100,
                101,
            ]
            table = pa.table({"rev": [7], "note": ["x"]})
            assert index.upsert(rows[:1], [101], payload=table, token="t").tolist() == [101]
            assert index.upsert(rows[:1], [101], payload=table, token="t").tolist() == [101]  # done once
            assert index.update_payload([100], {"rev": [9]}) == 1
            assert index.delete([0, 999], missing="ignore") == 1
            with pytest.raises(DuplicateIdError, match="ids should be new"):
                index.add(rows, ids=[5, 6], payload={"rev": [1, 1], "note": ["", ""]})
            assert [line["operation"] for line in index.history()] == ["delete", "payload", "update", "add", "create"]
    index = HierIndex.open(tmp_path / "v.index")
    assert index.payload([100, 101]).to_pylist() == [payload_of(100, 0) | {"rev": 9}, {"rev": 7, "note": "x"}]
    assert np.array_equal(index.vectors([101]), rows[:1])
    assert 0 not in index.ids


class Wire(httpx.MockTransport):
    """A server that answers with these, one after the other; ``seen`` are the requests."""

    def __init__(self, *answers):
        self.seen, self._answers = [], list(answers)
        super().__init__(self._answer)

    def _answer(self, request):
        self.seen.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def over(wire, monkeypatch, **how):
    waits = []
    monkeypatch.setattr("hierindex.client.transport.time.sleep", waits.append)
    client = Client("http://server", **how)
    client._client = httpx.Client(base_url="http://server", transport=wire)
    return client, waits


def fine(**body):
    return httpx.Response(200, json=body)


def refusal(status, kind=None, **headers):
    body = {"type": "about:blank", "title": "x", "status": status, "detail": "why", "kind": kind, "errors": []}
    return httpx.Response(status, json=body, headers=headers)


def test_what_only_reads_is_tried_again(monkeypatch):
    wire = Wire(httpx.ConnectError("gone"), refusal(503), refusal(503, **{"Retry-After": "2"}), fine(points=3))
    client, waits = over(wire, monkeypatch)
    assert client.info() == {"points": 3}
    assert waits == [0.1, 0.2, 2.0]


def test_a_change_is_tried_again_only_with_a_token(monkeypatch):
    wire = Wire(httpx.ReadTimeout("late"), fine(changed=0, repeated=True))
    client, _ = over(wire, monkeypatch)
    assert client.delete([1], token="once") == 0
    assert [json.loads(request.content)["token"] for request in wire.seen] == ["once", "once"]
    wire = Wire(httpx.ReadTimeout("late"), fine(changed=1))
    client, _ = over(wire, monkeypatch)
    with pytest.raises(ServerError, match="should answer; found: late"):
        client.delete([1])
    assert len(wire.seen) == 1


def test_the_last_try_says_what_was_found(monkeypatch):
    client, waits = over(Wire(refusal(503), refusal(503)), monkeypatch, retries=1)
    with pytest.raises(ServerError, match="why") as told:
        client.info()
    assert (told.value.status, len(waits)) == (503, 1)
    client, waits = over(Wire(refusal(404, "UnknownIdError")), monkeypatch)
    with pytest.raises(UnknownIdError, match="why"):
        client.info()
    assert not waits  # what is refused is not asked again


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refusal(409, "ConflictError"), ConflictError),
        (refusal(500, "CorruptIndexError"), CorruptIndexError),
        (refusal(422, "KeyboardInterrupt"), ServerError),
        (refusal(422, "need"), ServerError),
        (refusal(422, 7), ServerError),
        (httpx.Response(502, text="<html>"), ServerError),
        (httpx.Response(418, json=["no", "problem"]), ServerError),
        (httpx.Response(302, headers={"location": "http://evil"}), ServerError),
        (httpx.Response(200, text="no json"), ServerError),
    ],
)
def test_answers_of_every_kind_become_errors_of_ours(answer, error, monkeypatch):
    client, _ = over(Wire(answer), monkeypatch, retries=0)
    with pytest.raises(errors.HierIndexError, match=r"why|answered|in JSON") as told:
        client.info()
    assert type(told.value) is error


def test_what_goes_out():
    picture, out = Image.new("L", (4, 4), 9), io.BytesIO()
    picture.save(out, "PNG")
    assert as_asked(picture, None) == as_asked([out.getvalue()], None)
    assert as_asked(np.float32([[1, 2]]), None) == {"vectors": [[1.0, 2.0]]}
    when = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)
    table = pa.table({"when": [when], "raw": [b"\xff"], "cost": [Decimal("1.5")], "n": [np.int64(3)], "none": [None]})
    expected = {"when": "2024-05-01T00:00:00+00:00", "raw": "/w==", "cost": "1.5", "n": 3, "none": None}
    assert as_records(table) == as_records(table.to_pylist()) == [expected]


def test_without_httpx_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'hierindex\[client\]'"):
        Client("http://server")


def test_the_code_of_the_page_on_deploying_runs(tmp_path):
    page = Path(__file__).resolve().parent.parent / "docs" / "how-to" / "deploy.md"
    (block,) = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "{'price': 0}" in done.stdout
    assert done.stdout.splitlines()[-1] == "501"


def test_addresses_and_settings_that_are_none():
    with pytest.raises(InputError, match="url should begin with"):
        Client("server:80")
    with pytest.raises(InputError, match="retries should be 0 or more"):
        Client("http://server", retries=-1)
