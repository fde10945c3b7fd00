"""Changes through the server are the library's: on disk when it answers, all or nothing, safe to repeat."""

import base64
import io
import threading

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from server_cases import DIM, asking, points, queries, seed_index
from updates_cases import payload_of, vector_of

from hierindex import HierIndex
from hierindex.server import Limits, ServerConfig

WRITABLE = ServerConfig(writable=True)


@pytest.fixture
def place(tmp_path):
    return tmp_path / "v.index"


@pytest.fixture
def client(place):
    index = seed_index()
    index.save(place)
    with asking(index, WRITABLE) as client:
        yield client


def state(index):
    """Vectors and payload by id."""
    return {
        point: (vector.tolist(), record)
        for point, vector, record in zip(index.ids.tolist(), index.vectors(), index.payload().to_pylist(), strict=True)
    }


def of(ids, revision=0):
    return {i: (vector_of(i, revision).tolist(), payload_of(i, revision)) for i in ids}


def send(client, path, body, method="POST", status=200):
    answer = client.request(method, path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_each_change_is_on_disk_when_it_is_answered(client, place):
    assert send(client, "/v1/points", points(100, 3)) == {
        "ids": [100, 101, 102],
        "version": 1,
        "points": 23,
        "repeated": False,
    }
    assert state(HierIndex.open(place)) == of([*range(20), 100, 101, 102])
    send(client, "/v1/points", points(101, 3, revision=2) | {"upsert": True})
    assert state(HierIndex.open(place)) == of([*range(20), 100]) | of([101, 102, 103], 2)
    gone = send(client, "/v1/points/delete", {"ids": [0, 102]})
    assert (gone["changed"], gone["version"], gone["points"]) == (2, 3, 22)
    assert set(state(HierIndex.open(place))) == {*range(1, 20), 100, 101, 103}
    done = send(client, "/v1/points/payload", {"ids": [5, 103], "payload": [{"rev": 7}, {"rev": 8}]}, "PATCH")
    assert (done["changed"], done["version"]) == (2, 4)
    after = state(HierIndex.open(place))
    assert after[5][1] == payload_of(5, 0) | {"rev": 7}
    assert after[103][1] == payload_of(103, 2) | {"rev": 8}


def test_the_next_search_finds_it(client):
    send(client, "/v1/points", points(100, 1))
    found = send(client, "/v1/search", {"vector": vector_of(100, 0).tolist(), "k": 1, "payload": True})["results"]
    assert (found[0][0]["id"], found[0][0]["payload"]) == (100, payload_of(100, 0))
    send(client, "/v1/points/delete", {"ids": [100]})
    found = send(client, "/v1/search", {"vector": vector_of(100, 0).tolist(), "k": 20, "recall": 1})["results"]
    assert 100 not in [hit["id"] for hit in found[0]]


def test_ids_are_given_out_where_none_are(client):
    body = points(0, 2)
    del body["ids"]
    assert send(client, "/v1/points", body)["ids"] == [20, 21]


def test_a_token_makes_a_repeated_call_do_nothing(client):
    body = points(100, 2) | {"token": "order-1"}
    assert send(client, "/v1/points", body)["version"] == 1
    send(client, "/v1/points", points(200, 1))
    again = send(client, "/v1/points", body)
    assert again == {"ids": [], "version": 1, "points": 23, "repeated": True}
    gone = {"ids": [100], "token": "order-2"}
    assert send(client, "/v1/points/delete", gone)["changed"] == 1
    assert send(client, "/v1/points/delete", gone) == {"changed": 0, "version": 3, "points": 22, "repeated": True}
    set_ = {"ids": [101], "payload": [{"rev": 5}], "token": "order-3"}
    assert send(client, "/v1/points/payload", set_, "PATCH")["repeated"] is False
    assert send(client, "/v1/points/payload", set_, "PATCH")["repeated"] is True


def test_a_payload_that_leaves_columns_out_has_nulls_there(client, place):
    body = points(100, 2)
    body["payload"] = [{"note": "first"}, {"rev": 3}]
    send(client, "/v1/points", body)
    assert HierIndex.open(place).payload([100, 101]).to_pylist() == [
        {"rev": None, "note": "first"},
        {"rev": 3, "note": None},
    ]


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("", points(19, 2), 409, "ids should be new"),
        ("", points(100, 1) | {"ids": [100, 101]}, 422, "ids should be 1"),
        ("", points(100, 2) | {"ids": [100, 100]}, 409, "unique"),
        ("", points(100, 1) | {"ids": ["a"]}, 422, "ids should be integers"),
        ("", points(100, 1) | {"payload": [{"nix": 1}]}, 422, "payload should have columns of the index"),
        ("", points(100, 1) | {"payload": [{"rev": "x"}]}, 422, "should hold values of the type int64"),
        ("", points(100, 1) | {"payload": [{"rev": 1e30}]}, 422, "should hold values of the type int64"),
        ("", points(100, 1) | {"payload": []}, 422, "payload should have 1 rows"),
        ("", points(100, 1) | {"vectors": [[0.0] * (DIM + 1)]}, 422, f"should have {DIM} dimensions"),
        ("", points(100, 1) | {"images": ["aGFsbG8="]}, 422, "either vectors or images"),
        ("", {"vectors": [[0.0] * DIM], "upsert": True}, 422, "ids should be given with upsert"),
        ("", points(100, 1) | {"token": ""}, 422, "at least 1 character"),
        ("", points(100, 11), 422, "at most 10 at once"),
        ("/delete", {"ids": [0, 1_000]}, 404, "ids should be in the index"),
        ("/delete", {"ids": [0], "missing": "perhaps"}, 422, "Input should be 'error' or 'ignore'"),
        ("/delete", {"ids": []}, 422, "at least 1 item"),
        ("/payload", {"ids": [0], "payload": [{"nix": 1}]}, 422, "payload should have columns of the index"),
        ("/payload", {"ids": [0, 1], "payload": [{"rev": 1}, {"note": "x"}]}, 422, "the same columns in every record"),
        ("/payload", {"ids": [1_000], "payload": [{"rev": 1}]}, 404, "ids should be in the index"),
    ],
)
def test_a_change_that_does_not_fit_changes_nothing(path, body, status, says, place):
    index = seed_index()
    index.save(place)
    before = state(index)
    with asking(index, ServerConfig(writable=True, limits=Limits(batch=10))) as client:
        problem = send(client, f"/v1/points{path}", body, "PATCH" if path == "/payload" else "POST", status)
    assert says in problem["detail"]
    assert index.version == 0
    assert state(index) == before == state(HierIndex.open(place))


def test_deleting_what_may_be_missing(client):
    assert send(client, "/v1/points/delete", {"ids": [3, 1_000], "missing": "ignore"})["changed"] == 1
    assert send(client, "/v1/points/delete", {"ids": [3, 1_000], "missing": "ignore"})["changed"] == 0


def test_another_process_wrote_first(client, place):
    """An upsert goes on to the newest version and stands after it; a refresh shows what another wrote."""
    other = HierIndex.open(place)
    other.upsert([vector_of(3, 5)], [3], payload=[payload_of(3, 5)])
    send(client, "/v1/points", points(3, 1, revision=6) | {"upsert": True})
    assert state(HierIndex.open(place))[3] == of([3], 6)[3]
    other.refresh()
    other.delete([4])
    assert client.get("/v1/info").json()["points"] == 20
    assert send(client, "/v1/refresh", None) == {"refreshed": True, "version": 3, "points": 19}
    assert send(client, "/v1/refresh", None)["refreshed"] is False
    send(client, "/v1/search", {"id": 4}, status=404)


def test_what_others_wrote_is_found_by_itself_where_that_was_asked(place):
    index = seed_index()
    index.save(place)
    with asking(index, ServerConfig(refresh_seconds=0.02)) as client:
        HierIndex.open(place).add([vector_of(77, 0)], ids=[77], payload=[payload_of(77, 0)])
        seen = threading.Event()
        for _ in range(500):
            if client.get("/v1/info").json()["version"] == 1:
                seen.set()
                break
            seen.wait(0.01)
        assert seen.is_set()
        assert send(client, "/v1/search", {"id": 77, "include_self": True, "k": 1})["results"][0][0]["id"] == 77


def test_dates_and_bytes_come_in_as_they_went_out():
    kinds = pa.schema([("when", pa.timestamp("us", tz="UTC")), ("raw", pa.binary()), ("money", pa.decimal128(9, 2))])
    records = [{"when": "2024-05-01T10:00:00Z", "raw": base64.b64encode(b"\xfb\xff").decode(), "money": "3.50"}]
    first = pa.Table.from_pylist([{"when": None, "raw": None, "money": None}] * 2, schema=kinds)
    index = HierIndex.from_vectors(np.eye(2, dtype=np.float32), payload=first)
    with asking(index, WRITABLE) as client:
        send(client, "/v1/points", {"ids": [5], "vectors": [[0.5, 0.5]], "payload": records})
        told = send(client, "/v1/search", {"id": 5, "include_self": True, "k": 1, "payload": True})["results"][0][0]
        send(client, "/v1/points/payload", {"ids": [1], "payload": [told["payload"]]}, "PATCH")
    written, edited = index.payload([5, 1]).to_pylist()
    assert written["raw"] == b"\xfb\xff"
    assert written == edited


def test_images_are_added_as_the_library_adds_them(quick, digits):
    index = HierIndex.build(digits[:60], config=quick, progress=False)
    out = io.BytesIO()
    Image.fromarray(digits[110][..., 0]).save(out, "PNG")
    with asking(index, WRITABLE) as client:
        body = {"images": [base64.b64encode(out.getvalue()).decode()], "ids": [500]}
        assert send(client, "/v1/points", body)["ids"] == [500]
    expected = index.encode(Image.fromarray(digits[110][..., 0]))
    assert np.array_equal(index.vectors([500]), expected)


def test_searches_beside_changes_see_whole_states(client):
    """Of each batch that is written all is found or nothing, and no search fails."""
    faults, found = [], []
    done = threading.Event()

    def read():
        while not done.is_set():
            answer = client.post("/v1/search", json={"vectors": queries(3).tolist(), "k": 200, "recall": 1})
            if answer.status_code != 200:
                faults.append(answer.text)
                return
            for hits in answer.json()["results"]:
                new = sorted(hit["id"] for hit in hits if hit["id"] >= 100)
                found.append(len(new))
                if len(new) % 5:
                    faults.append(new)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for batch in range(8):
        send(client, "/v1/points", points(100 + 5 * batch, 5))
    done.set()
    for reader in readers:
        reader.join()
    assert not faults
    assert len(set(found)) > 1
