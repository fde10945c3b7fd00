"""The server answers what the library answers."""

import base64
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from PIL import Image
from server_cases import DIM, asking, queries, rows_of, seed_index
from updates_cases import payload_of

from hierindex import HierIndex


def ask(client, path="/v1/search", **body):
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


@pytest.fixture(params=[True, False], ids=["flat", "leaves"])
def index(request):
    return seed_index(request.param, 60 if request.param else 400)


@pytest.fixture
def client(index):
    with asking(index) as client:
        yield client


def test_vectors_one_and_many(client, index):
    q = queries(5)
    assert ask(client, vectors=q.tolist(), k=3) == rows_of(index.search(q, 3))
    assert ask(client, vector=q[2].tolist(), k=3) == rows_of(index.search(q[2], 3))
    assert ask(client, vector=q[2].tolist()) == rows_of(index.search(q[2], 10))
    assert ask(client, vectors=q.tolist(), k=5, recall=1) == rows_of(index.search(q, 5, recall=1))
    assert ask(client, vectors=q.tolist(), k=5, nprobe=1) == rows_of(index.search(q, 5, nprobe=1))


def test_fewer_than_k_are_fewer_in_the_answer(client, index):
    found = ask(client, vector=queries(1)[0].tolist(), k=len(index) + 5, recall=1)
    assert len(found[0]) == len(index)


def test_more_like_a_point_leaves_that_point_out(client, index):
    mine = index.vectors([7])
    assert ask(client, id=7, k=4, include_self=True) == rows_of(index.search(mine, 4))
    expected = [hit for hit in rows_of(index.search(mine, 5))[0] if hit["id"] != 7]
    assert ask(client, id=7, k=4) == [expected[:4]]
    assert ask(client, ids=[7, 7, 9], k=4)[0] == expected[:4]
    assert [len(found) for found in ask(client, ids=[7, 7, 9], k=4)] == [4, 4, 4]


def test_radius_alone_and_with_k(client, index):
    q = queries(20)
    assert ask(client, vectors=q.tolist(), radius=2.0) == rows_of(index.search(q, radius=2.0))
    assert ask(client, vectors=q.tolist(), radius=2.0, k=3) == rows_of(index.search(q, 3, radius=2.0))
    near = [hit["id"] for hit in rows_of(index.search(index.vectors([7]), radius=2.0))[0]]
    assert [hit["id"] for hit in ask(client, id=7, radius=2.0)[0]] == [i for i in near if i != 7]


def test_filter_and_payload(client, index):
    q = queries(4)
    body = {"filter": {"column": "note", "op": "is_null"}, "payload": ["note", "rev"]}
    found = ask(client, vectors=q.tolist(), k=6, recall=1, **body)
    expected = rows_of(index.search(q, 6, recall=1, filter=pc.field("note").is_null()))
    assert [[hit["id"] for hit in row] for row in found] == [[hit["id"] for hit in row] for row in expected]
    for hit in (hit for row in found for hit in row):
        assert hit["payload"] == payload_of(hit["id"], 0)
    assert set(ask(client, id=3, k=1, payload=True)[0][0]["payload"]) == {"rev", "note"}
    assert "payload" not in ask(client, id=3, k=1)[0][0]


def test_explain_is_the_librarys_own(client, index):
    q = queries(1)[0]
    body = {"vector": q.tolist(), "k": 3, "explain": True}
    told = client.post("/v1/search", json=body).json()["explanation"]
    own = index.explain(q, 3)
    assert told.pop("seconds").keys() == own.seconds.keys()
    assert told == {
        "exact": own.exact,
        "levels": [list(level) for level in own.levels],
        "leaves": list(own.leaves),
        "scanned": own.scanned,
        "candidates": own.candidates,
    }


def test_payload_of_every_kind_reaches_json():
    columns = {
        "when": pa.array([0, 86_400_000_000], pa.timestamp("us", tz="UTC")),
        "day": pa.array([0, 1], pa.date32()),
        "part": pa.array([float("nan"), 0.5]),
        "raw": pa.array([b"\xff\x00", None]),
        "list": pa.array([[1, 2], []]),
        "money": pa.array(["1.50", "2.25"]).cast(pa.decimal128(9, 2)),
    }
    index = HierIndex.from_vectors(np.eye(2, dtype=np.float32), metric="l2", payload=pa.table(columns))
    with asking(index) as client:
        hit = ask(client, id=0, include_self=True, k=1, payload=True)[0][0]
        cheap = ask(client, id=0, include_self=True, filter={"column": "money", "op": "<", "value": "2"})
        late = ask(client, id=0, filter={"column": "when", "op": ">", "value": "1970-01-01T12:00:00Z"})
    assert hit["payload"] == {
        "when": "1970-01-01T00:00:00Z",
        "day": "1970-01-01",
        "part": None,
        "raw": base64.urlsafe_b64encode(b"\xff\x00").decode(),
        "list": [1, 2],
        "money": "1.50",
    }
    assert [hit["id"] for hit in cheap[0]] == [0]
    assert [hit["id"] for hit in late[0]] == [1]


def png(pixels):
    out = io.BytesIO()
    Image.fromarray(pixels[..., 0]).save(out, "PNG")
    return out.getvalue()


def test_images_in_json_and_as_an_upload(image_index, digits):
    file = png(digits[110])
    expected = rows_of(image_index.search(Image.open(io.BytesIO(file)), 3))
    text = base64.b64encode(file).decode()
    with asking(image_index) as client:
        assert ask(client, image=text, k=3) == expected
        assert ask(client, image=f"data:image/png;base64,{text}", k=3) == expected
        both = rows_of(image_index.search([Image.open(io.BytesIO(file))] * 2, 3))
        assert ask(client, images=[text, text], k=3) == both
        sent = client.post("/v1/search/image", files={"image": file}, data={"request": json.dumps({"k": 3})})
        assert sent.json()["results"] == expected
        latent = image_index.encode(Image.open(io.BytesIO(file)))[0]
        assert ask(client, vector=latent.tolist(), k=3) == expected


def test_an_index_without_an_encoder_takes_no_images(client):
    answer = client.post("/v1/search", json={"image": base64.b64encode(png(np.zeros((8, 8, 1), np.uint8))).decode()})
    assert answer.status_code == 422
    assert answer.json()["kind"] == "NoEncoderError"


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({}, 422, "exactly one of vector"),
        ({"vector": [0.0] * DIM, "id": 1}, 422, "exactly one of vector"),
        ({"vector": [0.0]}, 422, f"should have {DIM} dimensions"),
        ({"vectors": [[0.0] * DIM, [0.0]]}, 422, f"should have {DIM} dimensions"),
        ({"vector": [1e300] * DIM}, 422, "finite in float32"),
        ({"id": 10**6}, 404, "ids should be in the index"),
        ({"id": "seven"}, 404, "ids should be in the index"),
        ({"ids": [1, "seven"]}, 422, "all integers or all strings"),
        ({"id": 2**64}, 422, "less than 9223372036854775808"),
        ({"id": True}, 422, "valid integer"),
        ({"id": 1, "k": 1_001}, 422, "at most 1,000"),
        ({"id": 1, "k": 0}, 422, "greater than or equal to 1"),
        ({"id": 1, "recall": 0}, 422, "greater than 0"),
        ({"id": 1, "recall": 1.5}, 422, "less than or equal to 1"),
        ({"id": 1, "radius": -1.0}, 422, "radius should be 0 or above"),
        ({"id": 1, "radius": 1.0, "nprobe": 3}, 422, "nprobe should come with k"),
        ({"ids": [1] * 1_001}, 422, "at most 1,000 at once"),
        ({"ids": [1] * 1_000, "k": 1_000}, 422, "at most 200,000"),
        ({"id": 1, "payload": ["nix"]}, 422, "payload should name columns"),
        ({"id": 1, "filter": {"column": "nix", "op": "is_null"}}, 422, "filter should name columns"),
        ({"id": 1, "filter": {"column": "rev", "op": "<", "value": "x"}}, 422, "true-or-false expression"),
        ({"id": 1, "filter": {"column": "rev", "op": "like", "value": "x"}}, 422, "Input should be"),
        ({"ids": [1, 2], "explain": True}, 422, "explain should come with one query"),
        ({"id": 1, "nonsense": 1}, 422, "Extra inputs"),
        ({"image": "no base64"}, 422, "base64"),
        ({"image": "aGFsbG8="}, 422, "bytes of no such format"),
    ],
)
def test_what_does_not_fit_is_said(client, body, status, says):
    answer = client.post("/v1/search", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    problem = answer.json()
    assert problem["status"] == status
    assert says in problem["detail"]


def test_a_radius_that_takes_in_too_much_is_said(index):
    from hierindex.server import Limits, ServerConfig

    with asking(index, ServerConfig(limits=Limits(hits=50))) as client:
        answer = client.post("/v1/search", json={"id": 1, "radius": 1e6})
        assert answer.status_code == 422
        assert "at most 50 in one answer" in answer.json()["detail"]
        assert len(ask(client, id=1, radius=1e6, k=20)[0]) == 20


def test_string_ids_and_no_payload():
    words = np.array(["a", "ä/b", "c d"], dtype=object)
    index = HierIndex.from_vectors(np.eye(3, dtype=np.float32), ids=words)
    with asking(index) as client:
        assert ask(client, id="ä/b", include_self=True, k=1)[0][0]["id"] == "ä/b"
        assert {hit["id"] for hit in ask(client, id="a")[0]} == {"ä/b", "c d"}
        answer = client.post("/v1/search", json={"id": "a", "filter": {"column": "x", "op": "is_null"}})
        assert "no payload columns" in answer.json()["detail"]


def test_info_history_and_no_paths_of_the_server(index, tmp_path):
    index.save(tmp_path / "v.index")
    with asking(index) as client:
        facts = client.get("/v1/info").json()
        assert (facts["points"], facts["dim"], facts["version"]) == (len(index), DIM, 0)
        assert facts["server"]["writable"] is False
        assert str(tmp_path) not in client.get("/v1/info").text
        history = client.get("/v1/history").json()
        assert [(line["version"], line["operation"], line["rows"]) for line in history] == [(0, "create", len(index))]
        assert client.get("/v1/history?limit=0").status_code == 422
        assert client.get("/nothing/here").json()["status"] == 404
