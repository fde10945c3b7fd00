"""Who may call, what a call may carry, and what a caller never sees."""

import io
import json
import logging
import queue
import threading
import time
from contextlib import contextmanager

import pytest
from PIL import Image
from server_cases import KEYS, READER, WRITER, asking, points, queries, seed_index
from starlette.testclient import TestClient

from hierindex.errors import CorruptIndexError, InputError
from hierindex.server import Keys, Limits, ServerConfig, create_app
from hierindex.server.logs import LOG
from hierindex.server.run import Listen, serve

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def index():
    return seed_index()


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


def routes(index):
    """Every route of the API but the open ones: method and path."""
    document = create_app(index).openapi()
    return sorted(
        (method.upper(), path.replace("{id}", "3").replace("{node}", "0"))
        for path, methods in document["paths"].items()
        for method in methods
        if path not in ("/healthz", "/readyz")
    )


def test_without_a_key_no_route_answers_where_there_are_keys(index):
    with asking(index, ServerConfig(keys=KEYS)) as client:
        assert len(routes(index)) > 10
        for method, path in routes(index):
            for headers in ({}, bearer("wrong-key-0123456789"), {"X-API-Key": ""}, {"Authorization": READER}):
                answer = client.request(method, path, headers=headers, json={})
                assert answer.status_code == 401, (method, path, headers)
                assert answer.headers["www-authenticate"] == "Bearer"
        assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200


def test_a_reader_reads_and_a_writer_writes(index):
    config = ServerConfig(keys=KEYS, writable=True)  # which is about servers without keys
    with asking(seed_index(), config) as client:
        for headers in (bearer(READER), bearer(WRITER), {"X-API-Key": READER}):
            assert client.post("/v1/search", json={"id": 1}, headers=headers).status_code == 200
        for path, body, method in (
            ("", points(100, 1), "POST"),
            ("/delete", {"ids": [100]}, "POST"),
            ("/payload", {"ids": [1], "payload": [{"rev": 1}]}, "PATCH"),
        ):
            refused = client.request(method, f"/v1/points{path}", json=body, headers=bearer(READER))
            assert refused.status_code == 403
            assert "scope write" in refused.json()["detail"]
            assert client.request(method, f"/v1/points{path}", json=body, headers=bearer(WRITER)).status_code == 200


def test_without_keys_a_server_is_read_only_unless_told(index):
    with asking(index) as client:
        assert client.post("/v1/points", json=points(100, 1)).status_code == 403
        assert client.post("/v1/search", json={"id": 1}).status_code == 200


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("admin abcdefghijklmnop", "the scope of a key should be one of 'read', 'write'"),
        ("read short", "at least 16 characters; found 5"),
        ("read", "line 1 of the keys should read"),
        ("read sha256:12", "64 hex digits"),
    ],
)
def test_keys_that_are_none(text, says, tmp_path):
    file = tmp_path / "keys"
    file.write_text(text)
    with pytest.raises(InputError, match=says):
        Keys.of_file(file)
    if "short" in text:
        with pytest.raises(InputError) as told:
            Keys.of_file(file)
        assert "short" not in str(told.value)  # an error shows no key


def test_keys_from_a_file_and_the_environment(tmp_path):
    file = tmp_path / "keys"
    file.write_text(f"# ours\n\nwrite {WRITER}  # bob\n")
    keys = Keys.of_file(file) + Keys.of_environment({"HIERINDEX_READ_KEYS": f"{READER}, another-key-0123456789"})
    assert (keys.find(WRITER).name, keys.find(WRITER).writes) == ("bob", True)
    assert keys.find(READER).writes is False
    assert keys.find("another-key-0123456789").writes is False
    assert keys.find("") is None
    assert WRITER not in repr(keys)
    (tmp_path / "none").write_text("# nothing\n")
    with pytest.raises(InputError, match="at least one line"):
        Keys.of_file(tmp_path / "none")
    with pytest.raises(InputError, match="should be a text file of keys"):
        Keys.of_file(tmp_path / "nowhere")


def test_beyond_this_machine_only_with_keys_or_when_told(index):
    for host in ("0.0.0.0", "::", "192.0.2.1", "server.example"):
        with pytest.raises(InputError, match="a server that others can reach should have keys"):
            serve(index, ServerConfig(), Listen(host))
    assert Listen("127.0.0.9").on_loopback
    assert Listen("::1").on_loopback
    assert Listen("localhost").on_loopback
    with pytest.raises(InputError, match="should be an address to listen at"):
        serve(index, ServerConfig(keys=KEYS), Listen("192.0.2.1"))


def test_names_of_hosts(index):
    with asking(index, ServerConfig(hosts=("localhost", "::1", "127.0.0.1"))) as client:
        for host in ("localhost", "LOCALHOST:8080", "[::1]:80", "127.0.0.1:9"):
            assert client.get("/healthz", headers={"host": host}).status_code == 200
        for host in ("evil.example", "localhost.evil.example", "localhost:80@evil", "", "[::1"):
            assert client.get("/healthz", headers={"host": host}).status_code == 421


def test_pages_of_other_origins_are_kept_out_unless_named(index):
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    with asking(index) as client:
        assert "access-control-allow-origin" not in client.get("/v1/info", headers=asked).headers
        assert client.options("/v1/search", headers=asked).status_code == 405
        # what a page may send without asking first is not read
        plain = client.post("/v1/search", content=json.dumps({"id": 1}), headers={"content-type": "text/plain"})
        assert plain.status_code == 415
    with asking(index, ServerConfig(origins=("https://shop.example",))) as client:
        named = client.options("/v1/search", headers=asked)
        assert named.headers["access-control-allow-origin"] == "https://shop.example"
        other = client.get("/v1/info", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


def test_bodies_that_are_too_long_whether_they_say_so_or_not(index):
    taken = []

    def endless():
        for _ in range(100):
            taken.append(1)
            yield b" " * 1_000

    with asking(index, ServerConfig(limits=Limits(body_bytes=10_000))) as client:
        said = client.post("/v1/search", content=b" " * 10_001, headers=JSON)
        assert (said.status_code, "at most 10,000 bytes" in said.json()["detail"]) == (413, True)
        unsaid = client.post("/v1/search", content=endless(), headers=JSON)
        assert unsaid.status_code == 413
        wrong = client.post("/v1/search", content=b"{}", headers=JSON | {"content-length": "-1"})
        assert wrong.status_code == 413
        form = client.post("/v1/search/image", files={"image": b" " * 20_000})
        assert form.status_code == 413
        assert client.post("/v1/search", content=b'{"id": 1}' + b" " * 9_000, headers=JSON).status_code == 200


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b'{"id": 1}{"id": 2}', 400),
        (b"[" * 100_000, 400),
        (b'{"filter":' * 5_000 + b"1" + b"}" * 5_000, 400),
        (b'{"id": 1, "filter": ' + b'{"not": ' * 60 + b'{"column": "rev", "op": "is_null"}' + b"}" * 61, 200),
        (b'{"vector": [NaN, 0, 0, 0, 0, 0]}', 422),
        (b'{"vector": [Infinity, 0, 0, 0, 0, 0]}', 422),
        (b'{"vector": [1e999, 0, 0, 0, 0, 0]}', 422),
        (b'{"id": ' + b"9" * 400 + b"}", 422),
        (b'{"id": ' + b"9" * 5_000 + b"}", 400),
        (b'{"id": 1, "k": ' + b"9" * 400 + b"}", 422),
        (b'{"id": 1, "radius": -1e400}', 422),
        (b'{"id": "\\ud800"}', 400),
        (b'{"id": "\\u0000"}', 404),
        (b'{"id": "' + b"a" * 2_000 + b'"}', 422),
        (b'{"vector": null}', 422),
        (b'"id"', 422),
        (b"null", 422),
    ],
)
def test_hostile_bodies(index, content, status):
    with asking(index) as client:
        answer = client.post("/v1/search", content=content, headers=JSON)
    assert answer.status_code == status, answer.text
    assert len(answer.content) < 10_000


def test_hostile_forms(index, image_index):
    picture = io.BytesIO()
    Image.new("L", (8, 8)).save(picture, "PNG")
    file = ("a.png", picture.getvalue(), "image/png")
    with asking(image_index) as client:
        ask = lambda **w: client.post("/v1/search/image", **w).status_code  # noqa: E731
        assert ask(files={"image": file}) == 200
        assert ask(files={"image": file}, data={"request": "{"}) == 400
        assert ask(files={"image": file}, data={"request": '{"vector": [1]}'}) == 422
        assert ask(files={"picture": file}) == 422
        assert ask(data={"image": "text"}) == 415  # a form that is no upload
        assert ask(files=[("image", file), ("image", file)]) == 400
        assert ask(files={"image": file}, data={f"f{i}": "x" for i in range(9)}) == 400
        assert ask(content=b"--x\r\nbroken", headers={"content-type": "multipart/form-data; boundary=x"}) in (400, 422)
        assert ask(content=b"x", headers={"content-type": "multipart/form-data"}) == 400


def test_a_failure_nobody_foresaw_says_nothing_of_the_server(index, monkeypatch, caplog):
    def fail(*_, **__):
        raise RuntimeError("secret /etc/passwd")

    with asking(index) as client:
        monkeypatch.setattr(type(index), "search", fail)
        answer = client.post("/v1/search", json={"id": 1}, headers={"X-Request-ID": "call-7"})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["x-request-id"] == "call-7"
    assert any("secret" in str(record.exc_info) for record in caplog.records)  # but the log does


def test_a_disk_that_fails_is_503_without_its_path(index, monkeypatch):
    def fail(*_, **__):
        raise CorruptIndexError("/srv/private/v.index is damaged")

    with asking(index) as client:
        monkeypatch.setattr(type(index), "history", fail)
        answer = client.get("/v1/history")
    assert (answer.status_code, answer.json()["kind"]) == (503, "CorruptIndexError")
    assert "private" not in answer.text


@contextmanager
def slow(monkeypatch, index):
    """Searches that wait until they are let go."""
    begun, go = threading.Semaphore(0), threading.Event()

    def wait(*_, **__):
        begun.release()
        go.wait(20)
        raise InputError("late")

    monkeypatch.setattr(type(index), "search", wait)
    try:
        yield begun, go
    finally:
        go.set()


@pytest.mark.parametrize("body", [{"id": 1}, {"ids": [1]}])
def test_a_search_that_takes_too_long_is_503_and_the_loop_goes_on(body, index, monkeypatch):
    config = ServerConfig(threads=1, limits=Limits(seconds=0.2))
    with asking(index, config) as client, slow(monkeypatch, index):
        answer = client.post("/v1/search", json=body)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "at most 0.2 seconds" in answer.json()["detail"]
        assert client.get("/healthz").status_code == 200  # while the thread still works


def test_warming_up_may_take_longer_than_a_request(index, monkeypatch):
    searched = type(index).search

    def later(*words, **settings):
        time.sleep(0.3)
        return searched(*words, **settings)

    monkeypatch.setattr(type(index), "search", later)
    with asking(index, ServerConfig(limits=Limits(seconds=0.05))) as client:
        assert client.get("/readyz").status_code == 200


def test_a_server_that_cannot_search_says_so_and_never_is_ready(index, monkeypatch):
    said = queue.SimpleQueue()

    def broken(*_, **__):
        raise InputError("no search today")

    monkeypatch.setattr(type(index), "search", broken)
    monkeypatch.setattr(LOG, "exception", said.put)
    with TestClient(create_app(index, ServerConfig()), "http://127.0.0.1") as client:
        assert said.get(timeout=60) == "not ready"
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("alone", [True, False])
def test_a_full_queue_is_503_at_once(alone, index, monkeypatch):
    config = ServerConfig(threads=1, limits=Limits(seconds=20, waiting=1))
    with asking(index, config) as client, slow(monkeypatch, index) as (begun, go):
        answers = []
        body = {"id": 1, "filter": {"column": "rev", "op": "is_null"}} if alone else {"id": 1}
        ask = lambda: answers.append(client.post("/v1/search", json=body).status_code)  # noqa: E731
        callers = [threading.Thread(target=ask) for _ in range(2)]
        for caller in callers:
            caller.start()
        begun.acquire()
        for _ in range(500):
            if 'hierindex_work{lane="search"} 2.0' in client.app.state.service.metrics.text().decode():
                break
            time.sleep(0.01)
        refused = client.post("/v1/search", json=body)
        assert refused.status_code == 503
        says = "2 requests like this at hand" if alone else "1 queries waiting already"
        assert says in refused.json()["detail"]
        go.set()
        for caller in callers:
            caller.join()
        assert answers == [422, 422]


def test_metrics_count_what_happened(index):
    with asking(seed_index(), ServerConfig(writable=True)) as client:
        client.post("/v1/search", json={"vectors": queries(3).tolist()})
        client.post("/v1/search", json={"id": 10**9})
        client.get("/v1/images/7")
        client.post("/v1/points", json=points(100, 4))
        lines = client.get("/metrics").text.splitlines()
    assert 'hierindex_requests_total{method="POST",route="/v1/search",status="200"} 1.0' in lines
    assert 'hierindex_requests_total{method="POST",route="/v1/search",status="404"} 1.0' in lines
    assert 'hierindex_requests_total{method="GET",route="/v1/images/{id:path}",status="404"} 1.0' in lines
    assert 'hierindex_request_seconds_count{route="/v1/search"} 2.0' in lines
    assert "hierindex_queries_total 3.0" in lines
    assert 'hierindex_changed_points_total{change="add"} 4.0' in lines
    assert "hierindex_points 24.0" in lines
    assert "hierindex_version -1.0" in lines


def test_one_line_of_log_for_each_request_without_what_was_asked(index, caplog):
    with caplog.at_level(logging.INFO, "hierindex.server"), asking(index, ServerConfig(keys=KEYS)) as client:
        client.post("/v1/search", json={"id": 3, "k": 2}, headers=bearer(READER) | {"X-Request-ID": "bad id\n"})
        client.get("/healthz")
    told = [record.msg for record in caplog.records if record.msg["event"] == "request"]
    assert [(line["route"], line["status"], line["key"]) for line in told] == [("/v1/search", 200, "ann")]
    assert len(told[0]["request_id"]) == 32  # its own: the caller's was no id
    assert READER not in str(caplog.records)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: ServerConfig(images=path / "none"), "images should be a folder"),
        (lambda path: ServerConfig(threads=0), "threads should be at least 1"),
        (lambda path: ServerConfig(refresh_seconds=0.0), "refresh should be a number of seconds"),
        (lambda path: Limits(k=0), "the limit k should be above 0"),
        (lambda path: Limits(seconds=float("nan")), "the limit seconds should be above 0"),
        (lambda path: Listen(certificate=path / "none.pem"), "TLS should have a PEM file"),
    ],
)
def test_settings_that_are_none(make, says, tmp_path):
    with pytest.raises(InputError, match=says):
        make(tmp_path)
