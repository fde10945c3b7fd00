"""A server as a process: it ends when what has begun is done, and what it said is on disk."""

import json
import os
import stat
import subprocess
import sys
import threading
import time

import httpx
import pytest
from server_cases import READER, WRITER, points, seed_index, serving
from updates_cases import vector_of

from hierindex import HierIndex
from hierindex.server.keys import Keys


@pytest.fixture
def place(tmp_path):
    seed_index().save(tmp_path / "v.index")
    return tmp_path / "v.index"


def test_a_server_told_to_end_amid_changes_finishes_them(place):
    """Every change that was answered is there, none is there by half, and every caller heard an answer or nothing."""
    answered, asked, lock = [], [], threading.Lock()

    def write(thread):
        with httpx.Client(base_url=server.url, timeout=30) as client:
            for number in range(10_000):
                body = points(1_000 * (1 + thread) + 5 * number, 5)
                with lock:
                    asked.append(body["ids"])
                try:
                    answer = client.post("/v1/points", json=body)
                except httpx.TransportError:
                    return
                assert answer.status_code == 200, answer.text
                with lock:
                    answered.append(answer.json()["ids"])

    with serving(place, "--writable") as server:
        writers = [threading.Thread(target=write, args=(thread,)) for thread in range(3)]
        for writer in writers:
            writer.start()
        while len(answered) < 6:
            time.sleep(0.01)
        assert server.end() == 0
        for writer in writers:
            writer.join()
    there = set(HierIndex.open(place).ids.tolist())
    assert all(set(ids) <= there for ids in answered)
    assert all(len(set(ids) & there) in (0, 5) for ids in asked)
    assert len(there) - 20 - 5 * len(answered) <= 0  # who was being answered when it ended heard the answer
    assert server.events("stopped")[0]["points"] == len(there)


def test_served_again_it_is_all_still_there(place):
    with serving(place, "--writable") as server:
        added = httpx.post(f"{server.url}/v1/points", json=points(100, 2)).json()
        assert added["version"] == 1
        server.end()
    with serving(place) as server:
        body = {"vector": vector_of(100, 0).tolist(), "k": 1}
        found = httpx.post(f"{server.url}/v1/search", json=body).json()["results"]
        assert found[0][0]["id"] == 100
        assert httpx.post(f"{server.url}/v1/points", json=points(200, 1)).status_code == 403
        evil = httpx.get(f"{server.url}/v1/info", headers={"Host": "evil.example"})
        assert evil.status_code == 421


def test_keys_from_the_command_line_and_the_environment(place, tmp_path):
    file = tmp_path / "keys"
    made = subprocess.run(
        [sys.executable, "-m", "hierindex", "key", "write", "--name", "bob", "--key-file", str(file)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert made not in file.read_text()
    assert Keys.of_file(file).find(made).name == "bob"
    with serving(place, "--key-file", str(file), HIERINDEX_READ_KEYS=READER) as server:
        url = f"{server.url}/v1/points"
        assert httpx.post(url, json=points(100, 1)).status_code == 401
        assert httpx.post(url, json=points(100, 1), headers={"X-API-Key": READER}).status_code == 403
        assert httpx.post(url, json=points(100, 1), headers={"X-API-Key": made}).status_code == 200
        server.end()
        assert [line["key"] for line in server.events("request")] == [None, "key 1", "bob"]
        assert made not in json.dumps(server.lines)


def test_wrong_words_end_with_one_line(place, tmp_path):
    def run(*words):
        words = [sys.executable, "-m", "hierindex", "serve", *words]
        done = subprocess.run(words, capture_output=True, text=True, check=False, env=os.environ)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stderr

    status, says = run(str(place), "--host", "0.0.0.0")
    assert (status, "should have keys" in says) == (1, True)
    (tmp_path / "keys").write_text(f"root {WRITER}")
    status, says = run(str(place), "--key-file", str(tmp_path / "keys"))
    assert (status, "the scope of a key" in says, WRITER in says) == (1, True, False)
    status, says = run(str(tmp_path / "nowhere"))
    assert (status, "NotAnIndexError" in says) == (1, True)
