"""The map of the tree: where nodes stand, what is told of them, and that it is told piece by piece."""

import numpy as np
import pytest
from fastapi.testclient import TestClient

from hierindex import HierIndex
from hierindex.decode import tree_points
from hierindex.decode.arcs import arc_points
from hierindex.errors import InputError, UnknownIdError
from hierindex.server.app import create_app
from hierindex.tree import Tree


@pytest.fixture(scope="module")
def index(vectors, quick):
    names = [f"point {i}/é" for i in range(len(vectors))]
    grown = HierIndex.from_vectors(vectors, ids=names, payload={"title": [n.upper() for n in names]}, config=quick)
    grown.delete(names[::7])
    return grown


@pytest.fixture(scope="module")
def atlas(index):
    return index.atlas


@pytest.fixture(scope="module")
def client(index):
    with TestClient(create_app(index)) as client:
        yield client


def everything(atlas):
    return atlas.below(depth=64, limit=1_000)


def test_places_are_the_means_of_points_even_on_the_circle():
    # the oracle adds the points up; the closed form knows only where they begin and end
    rng = np.random.default_rng(0)
    for n in (1, 2, 3, 17, 400):
        tree = Tree.from_merges(_random_merges(n, rng), np.sort(rng.uniform(size=n - 1)))
        angle = np.empty(n)
        angle[tree.order] = 2 * np.pi * (np.arange(n) + 0.5) / n
        ideal = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        places = arc_points(tree.spans, n)
        np.testing.assert_allclose(places[n:], tree_points(tree, ideal.astype(np.float32))[n:], atol=1e-6)
        np.testing.assert_allclose(places[:n], ideal, atol=1e-12)


def test_near_the_boundary_places_keep_their_depth():
    # k of n points: 1 - |z| is about k pi / (sqrt(3) n) (the kernel's first term), far below what float32 could tell
    n, k = 10**7, np.array([10, 1_000, 100_000])
    depth = 1 - np.linalg.norm(arc_points(np.stack([k * 0, k], axis=1), n), axis=1)
    np.testing.assert_allclose(depth, np.pi * np.sqrt((k**2 - 1) / 3) / n, rtol=0.02)


def test_spans_that_are_none_are_refused():
    with pytest.raises(InputError, match=r"spans should be \(m, 2\) numbers from 0 to n = 3"):
        arc_points(np.array([[0, 4]]), 3)


def test_members_come_in_the_order_of_the_full_tree(index, atlas):
    root = atlas.spot().node
    order = index.ids[index.tree.order]
    places = atlas.members(root, limit=500)
    assert [place.id for place in places] == order.tolist()
    np.testing.assert_allclose([place.turn for place in places], (np.arange(len(order)) + 0.5) / len(order))
    assert [place.id for place in atlas.members(root, offset=40, limit=90)] == order[40:130].tolist()
    assert atlas.members(root, offset=10_000) == []
    for spot in everything(atlas):
        assert {place.id for place in atlas.members(spot.node, limit=500)} == set(index.members(spot.node).tolist())


def test_every_spot_is_the_branch_that_browse_shows_on_its_own_arc(index, atlas):
    order = index.ids[index.tree.order].tolist()
    spots = everything(atlas)
    assert len(spots) == 2 * atlas.leaves - 1
    for spot in spots:
        branch = index.browse(spot.node, examples=24)
        assert (spot.parent, spot.children, spot.depth, spot.height, spot.count) == (
            branch.parent, branch.children, branch.depth, branch.height, branch.count,
        )  # fmt: skip
        start, stop = np.round(np.array(spot.arc) * len(order)).astype(int)
        assert set(order[start:stop]) == set(index.members(spot.node).tolist())


def test_typical_points_are_those_of_browse_where_few_leaves_lie_below(index, atlas):
    few = [spot for spot in everything(atlas) if len(index.members(spot.node)) and spot.depth >= 3]
    assert few
    for spot in few:
        asked = atlas.spot(spot.node, examples=5).examples.tolist()
        assert asked == index.browse(spot.node, examples=5).examples.tolist()


def test_what_is_left_out_hangs_below_what_is_there_and_the_largest_come_first(atlas):
    spots = atlas.below(depth=64, limit=9)
    there = {spot.node for spot in spots}
    assert len(spots) == 9
    for spot in spots:
        assert spot.parent is None or spot.parent in there
        assert not spot.children or len(there & set(spot.children)) in (0, 2)
    closed = [spot.count for spot in spots if spot.children and not there & set(spot.children)]
    opened = [spot.count for spot in spots if there & set(spot.children)]
    assert min(opened) >= max(closed)
    assert {spot.depth for spot in atlas.below(depth=1, limit=500)} == {0, 1}
    below = atlas.below(spots[1].node, depth=2, limit=500)
    assert below[0].node == spots[1].node
    assert max(spot.depth for spot in below) == spots[1].depth + 2


def test_the_cut_and_the_way_above_agree_with_the_index(index, atlas):
    for width in (1, 3, atlas.leaves):
        cut = atlas.cut(width)
        assert len(cut) == width
        assert sorted(i for node in cut for i in index.members(node)) == sorted(index.ids)
    place = atlas.find([index.ids[3]])[0]
    assert [spot.node for spot in atlas.above([place.leaf])] == index.path(index.ids[3])
    assert place in atlas.members(place.leaf, limit=500)


def test_what_an_atlas_cannot_show_is_refused(atlas):
    with pytest.raises(InputError, match="node should be one of"):
        atlas.spot(10_000)
    with pytest.raises(InputError, match="examples should be an integer from 0 to 24; found 25"):
        atlas.spot(examples=25)
    with pytest.raises(InputError, match="depth should be an integer of at least 0; found -1"):
        atlas.below(depth=-1, limit=3)
    with pytest.raises(InputError, match="offset should be an integer of at least 0; found -3"):
        atlas.members(0, offset=-3)
    with pytest.raises(UnknownIdError, match="ids should be in the index"):
        atlas.find(["nobody"])
    with pytest.raises(InputError, match=r"label should be a payload column of the index, one of \['title'\]"):
        atlas.labels(["x"], "price")


def test_an_index_whose_points_are_all_deleted_still_has_a_map(vectors, quick):
    index = HierIndex.from_vectors(vectors[:30], config=quick)
    index.delete(index.ids)
    root, *below = index.atlas.below(depth=3, limit=50)
    assert root.count == 0
    assert root.examples.tolist() == []
    assert all(spot.arc == (0.0, 0.0) for spot in below)


def test_the_routes_tell_what_the_atlas_knows(client, atlas, index):
    nodes = client.get("/v1/tree", params={"depth": 64, "limit": 1_000, "examples": 2, "label": "title"}).json()
    assert (nodes["points"], nodes["leaves"], nodes["version"]) == (len(index), atlas.leaves, None)
    for told, spot in zip(nodes["nodes"], atlas.below(depth=64, limit=1_000, examples=2), strict=True):
        assert (told["id"], told["count"], tuple(told["place"]), tuple(told["arc"])) == (
            spot.node, spot.count, spot.place, spot.arc,
        )  # fmt: skip
        assert [item["id"] for item in told["examples"]] == spot.examples.tolist()
        assert all(item["label"] == item["id"].upper() for item in told["examples"])
    cut = client.get("/v1/tree/cut", params={"n_clusters": 5}).json()["nodes"]
    assert [node["id"] for node in cut] == atlas.cut(5)
    id_ = index.ids[11]
    path = client.get(f"/v1/tree/path/{id_}").json()
    assert [node["id"] for node in path["nodes"]] == index.path(id_)
    members = client.get(f"/v1/tree/{cut[2]['id']}/members", params={"offset": 1, "limit": 3, "label": "title"}).json()
    assert members["count"] == cut[2]["count"]
    assert [one["id"] for one in members["members"]] == [p.id for p in atlas.members(cut[2]["id"], offset=1, limit=3)]
    one = client.get(f"/v1/tree/{cut[0]['id']}", params={"examples": 4}).json()["nodes"]
    assert [(node["id"], len(node["examples"])) for node in one] == [(cut[0]["id"], 4)]


def test_a_route_is_all_that_lies_above_what_a_search_saw(client, index):
    hits = index.search(index.vectors(index.ids[:1]), k=6)
    ids, leaves = hits.ids[0].tolist(), hits.leaves[0].tolist()
    route = client.get("/v1/tree/route", params={"node": leaves[:2], "id": ids}).json()
    assert {node["id"] for node in route["nodes"]} == {node for id_ in ids for node in index.path(id_)}
    assert [(place["id"], place["leaf"]) for place in route["places"]] == list(zip(ids, leaves, strict=True))


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/v1/tree?limit=1001", 422, "less than or equal to 1000"),
        ("/v1/tree?node=99999", 422, "node should be one of"),
        ("/v1/tree?label=price", 422, "label should be a payload column"),
        ("/v1/tree/cut?n_clusters=900", 422, "the number of leaves; found 900"),
        ("/v1/tree/cut?n_clusters=0", 422, "greater than or equal to 1"),
        ("/v1/tree/path/nobody", 404, "ids should be in the index"),
        ("/v1/tree/0/members?limit=501", 422, "less than or equal to 500"),
        ("/v1/tree/route?" + "node=0&" * 1_001, 422, "at most 1000 items"),
        ("/v1/tree/xyz", 422, "valid integer"),
    ],
)
def test_refusals_are_problems(client, path, status, words):
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.text


def test_integer_ids_in_an_address(vectors, quick):
    large = 2**62 + 1
    index = HierIndex.from_vectors(vectors[:40], ids=np.arange(40) + large, config=quick)
    with TestClient(create_app(index)) as client:
        assert client.get(f"/v1/tree/path/{large + 3}").json()["point"]["id"] == large + 3
        for wrong in ("seven", "9" * 30, "-1", "٣"):
            answer = client.get(f"/v1/tree/path/{wrong}")
            assert (answer.status_code, "ids should be in the index" in answer.text) == (404, True)


def test_a_change_shows_in_the_next_answer(vectors, quick, tmp_path):
    index = HierIndex.from_vectors(vectors[:60], config=quick, path=tmp_path / "a.index")
    with TestClient(create_app(index)) as client:
        before = client.get("/v1/tree", params={"limit": 1}).json()
        added = index.add(vectors[60:70])
        after = client.get("/v1/tree", params={"limit": 1}).json()
        assert (before["version"], after["version"]) == (0, 1)
        assert (before["points"], after["points"]) == (60, 70)
        assert client.get(f"/v1/tree/path/{added[0]}").json()["nodes"][-1]["id"] == index.path(int(added[0]))[-1]


def _random_merges(n, rng):
    there, merges = list(range(n)), []
    for node in range(n, 2 * n - 1):
        pair = [there.pop(rng.integers(len(there))) for _ in range(2)]
        merges.append(pair)
        there.append(node)
    return np.array(merges, np.int64).reshape(-1, 2)


def test_a_huge_leaf_is_not_decoded_to_be_looked_at(vectors, quick, monkeypatch):
    index = HierIndex.from_vectors(vectors, config=quick)
    monkeypatch.setattr("hierindex.api.atlas._DECODED", 12)
    huge = [spot for spot in everything(index.atlas) if not spot.children and spot.count > 12]
    assert huge
    for spot in huge:
        assert [p.id for p in index.atlas.members(spot.node, limit=500)] == index.members(spot.node).tolist()


def test_after_upkeep_the_map_is_of_the_tree_that_is_there(vectors, quick):
    index = HierIndex.from_vectors(vectors, config=quick)
    index.delete(index.ids[: len(index) * 3 // 4])
    index.maintain()
    atlas, retired = index.atlas, np.flatnonzero(index._view.snapshot.nodes.retired)
    assert len(retired)
    with pytest.raises(InputError, match=f"node should be in the tree; found {retired[0]}"):
        atlas.spot(int(retired[0]))
    spots = everything(atlas)
    assert not {spot.node for spot in spots} & set(retired.tolist())
    assert sum(spot.count for spot in spots if not spot.children) == len(index)
    assert [p.id for p in atlas.members(spots[0].node, limit=500)] == index.ids[index.tree.order].tolist()
