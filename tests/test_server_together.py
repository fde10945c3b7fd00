"""Single queries that wait for a thread are searched in one batch, and each hears what it would have heard alone."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from server_cases import DIM, asking, queries, rows_of, seed_index

from hierindex.server import ServerConfig


class Held:
    """The library's search, whose first call waits to be let go; ``sizes`` are the queries of each call."""

    def __init__(self, index, monkeypatch):
        self.sizes, self.begun, self.go, own = [], threading.Event(), threading.Event(), type(index).search

        def search(this, query, *words, **how):
            self.sizes.append(len(np.atleast_2d(query)))
            if len(self.sizes) == 1:
                self.begun.set()
                self.go.wait(20)
            return own(this, query, *words, **how)

        monkeypatch.setattr(type(index), "search", search)


def crowd(index, bodies, monkeypatch):
    """Answers to bodies that all came while one search ran on the only thread; and the sizes of the searches."""
    with asking(index, ServerConfig(threads=1)) as client:
        held = Held(index, monkeypatch)
        together = client.app.state.service.together
        with ThreadPoolExecutor(len(bodies) + 1) as callers:
            first = callers.submit(client.post, "/v1/search", json={"id": 0})
            assert held.begun.wait(20)
            asked = [callers.submit(client.post, "/v1/search", json=body) for body in bodies]
            for _ in range(1_000):
                if together.waiting == len(bodies):
                    break
                time.sleep(0.01)
            assert together.waiting == len(bodies)
            held.go.set()
            assert first.result().status_code == 200
            return [each.result() for each in asked], held.sizes


@pytest.mark.parametrize("flat", [True, False])
def test_a_crowd_is_one_search_and_each_gets_its_own_answer(flat, monkeypatch):
    index = seed_index(flat, 60 if flat else 400)
    q = queries(9)
    expected = [rows_of(index.search(row, 4)) for row in q]
    answers, sizes = crowd(index, [{"vector": row.tolist(), "k": 4} for row in q], monkeypatch)
    assert [answer.json()["results"] for answer in answers] == expected
    assert sizes == [1, 9]


def test_only_like_goes_with_like(monkeypatch):
    index = seed_index()
    q = queries(1)[0].tolist()
    bodies = [
        {"vector": q, "k": 4},
        {"vector": q, "k": 5},
        {"vector": q, "k": 4, "recall": 1},
        {"id": 3, "k": 4},
        {"id": 4, "k": 4},
        {"id": 3, "k": 4, "include_self": True},
        {"vector": q, "k": 4, "payload": ["rev"]},
    ]
    with asking(index) as client:
        alone = [client.post("/v1/search", json=body).json() for body in bodies]
    answers, sizes = crowd(index, bodies, monkeypatch)
    assert [answer.json() for answer in answers] == alone
    assert sorted(sizes) == [1, 1, 1, 2, 3]


def test_what_is_wrong_with_one_is_no_matter_to_the_others(monkeypatch):
    index = seed_index()
    good = {"vector": queries(1)[0].tolist(), "k": 4}
    bodies = [good, good | {"vector": [0.0] * (DIM + 1)}, good | {"payload": ["nix"]}, good]
    answers, sizes = crowd(index, bodies, monkeypatch)
    assert [answer.status_code for answer in answers] == [200, 422, 422, 200]
    assert "dimensions" in answers[1].json()["detail"]
    assert "payload should name columns" in answers[2].json()["detail"]
    assert answers[0].json() == answers[3].json()
    assert sizes == [1, 2]


def test_no_batch_grows_beyond_its_bound(monkeypatch):
    index = seed_index()
    bodies = [{"vector": row.tolist(), "k": 1} for row in queries(70)]
    answers, sizes = crowd(index, bodies, monkeypatch)
    assert {answer.status_code for answer in answers} == {200}
    assert sizes == [1, 64, 6]
