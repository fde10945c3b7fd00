"""Saved, opened, changed, opened again; in this process and in others."""

import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from hierindex import BuildConfig, HierIndex
from hierindex.errors import ConflictError, DuplicateIdError, InputError, NoEncoderError, StorageError, UnknownIdError
from hierindex.index.config import IndexConfig
from hierindex.storage import Store


def answers(index, queries, k=5):
    hits = index.search(queries, k=k, recall=0.9)
    return hits.ids.tolist(), hits.distances.tolist(), hits.leaves.tolist()


def elsewhere(code, *words):
    """What a new process prints."""
    done = subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=True)
    return done.stdout


SEARCH_ELSEWHERE = """
import json, sys
import numpy as np
from hierindex import HierIndex
index = HierIndex.open(sys.argv[1])
hits = index.search(np.load(sys.argv[2]), k=5, recall=0.9)
print(json.dumps([hits.ids.tolist(), hits.distances.tolist(), hits.leaves.tolist()]))
print(index.tree.linkage.tolist() == json.load(open(sys.argv[3])))
print("torch" in sys.modules)
"""


@pytest.mark.parametrize("flat_below", [20_000, 0], ids=["small", "large"])
def test_a_new_process_gives_the_same_answers_and_never_loads_torch(flat_below, vectors, quick, tmp_path):
    config = BuildConfig(learn=quick.learn, index=IndexConfig(flat_below=flat_below))
    index = HierIndex.from_vectors(vectors[:250], metric="l2", config=config, path=tmp_path / "v.index")
    index.add(vectors[250:280], ids=np.arange(900, 930))
    index.delete([3, 4, 905])
    np.save(tmp_path / "q.npy", vectors[280:])
    (tmp_path / "tree.json").write_text(json.dumps(index.tree.linkage.tolist()))
    out = elsewhere(SEARCH_ELSEWHERE, tmp_path / "v.index", tmp_path / "q.npy", tmp_path / "tree.json").splitlines()
    assert json.loads(out[0]) == json.loads(json.dumps(answers(index, vectors[280:])))
    assert out[1:] == ["True", "False"]


def test_images_are_encoded_alike_after_opening(image_index, digits, tmp_path):
    image_index_copy = HierIndex(image_index._view)
    image_index_copy.save(tmp_path / "i.index")
    opened = HierIndex.open(tmp_path / "i.index")
    np.testing.assert_array_equal(opened.encode(digits), image_index.encode(digits))
    assert answers(opened, digits[100:]) == answers(image_index, digits[100:])
    assert opened.training == image_index.training
    assert opened.info()["tree"] == image_index.info()["tree"]


def test_every_change_is_a_version_that_can_be_opened(vectors, quick, tmp_path):
    index = HierIndex.from_vectors(vectors[:100], config=quick, path=tmp_path / "v.index")
    states = {index.version: answers(index, vectors[200:])}
    index.add(vectors[100:150])
    states[index.version] = answers(index, vectors[200:])
    index.delete(range(50))
    states[index.version] = answers(index, vectors[200:])
    assert sorted(states) == [0, 1, 2]
    for version, wanted in states.items():
        old = HierIndex.open(tmp_path / "v.index", version=version)
        assert (old.version, answers(old, vectors[200:])) == (version, wanted)


def test_a_reader_sees_changes_when_it_refreshes(vectors, quick, tmp_path):
    writer = HierIndex.from_vectors(vectors[:100], config=quick, path=tmp_path / "v.index")
    reader = HierIndex.open(tmp_path / "v.index")
    assert not reader.refresh()
    writer.add(vectors[100:110])
    assert len(reader) == 100
    assert reader.refresh()
    assert answers(reader, vectors[200:]) == answers(writer, vectors[200:])


def test_the_second_of_two_writers_is_told_and_loses_nothing(vectors, quick, tmp_path):
    one = HierIndex.from_vectors(vectors[:100], config=quick, path=tmp_path / "v.index")
    two = HierIndex.open(tmp_path / "v.index")
    one.add(vectors[100:110], ids=range(100, 110))
    with pytest.raises(ConflictError, match="refresh"):
        two.delete([5])
    assert len(two) == 100
    two.add(vectors[110:120], ids=range(200, 210))  # new ids are new to the newest version too: it goes on by itself
    assert len(two) == len(HierIndex.open(tmp_path / "v.index")) == 120


def test_a_commit_that_fails_leaves_the_index_as_it_was(vectors, quick, tmp_path, monkeypatch):
    index = HierIndex.from_vectors(vectors[:100], metric="l2", config=quick, path=tmp_path / "v.index")
    before = answers(index, vectors[200:])

    def full(*_args, **_words):
        raise StorageError("no space left on the disk")

    with monkeypatch.context() as broken:
        broken.setattr(Store, "commit", full)
        with pytest.raises(StorageError, match="no space left"):
            index.add(vectors[200:210])
        with pytest.raises(StorageError, match="no space left"):
            index.delete([1])
    assert (len(index), index.version) == (100, 0)
    assert answers(index, vectors[200:]) == before
    index.add(vectors[200:210])
    assert index.search(vectors[205], k=1).ids.tolist() == [[105]]
    assert answers(HierIndex.open(tmp_path / "v.index"), vectors[200:]) == answers(index, vectors[200:])


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chosen=st.lists(st.integers(0, 199), min_size=1, max_size=30, unique=True), flat_below=st.sampled_from([20_000, 0])
)
def test_adding_and_deleting_the_same_points_is_the_identity(chosen, flat_below, vectors, quick):
    config = BuildConfig(learn=quick.learn, index=IndexConfig(flat_below=flat_below))
    key = ("identity", flat_below)
    if key not in CACHE:
        CACHE[key] = HierIndex.from_vectors(vectors[:100], metric="l2", config=config)._view
    index = HierIndex(CACHE[key])
    before, linkage = answers(index, vectors[200:]), index.tree.linkage
    index.add(vectors[chosen] + 0.01, ids=np.array(chosen) + 1_000)
    assert index.search(vectors[chosen[0]] + 0.01, k=1).ids.tolist() == [[1_000 + chosen[0]]]
    index.delete(np.array(chosen) + 1_000)
    assert answers(index, vectors[200:]) == before
    np.testing.assert_allclose(index.tree.linkage, linkage)


CACHE: dict = {}


def test_added_images_are_found_at_once_and_after_opening(digits, quick, tmp_path):
    index = HierIndex.build(digits[:60], config=quick, path=tmp_path / "d.index", progress=False)
    assert index.add(digits[60:70]).tolist() == list(range(60, 70))
    for state in (index, HierIndex.open(tmp_path / "d.index")):
        assert state.search(digits[60:70], k=1).ids[:, 0].tolist() == list(range(60, 70))


def test_images_that_are_not_square_and_single_ones_are_added(quick, tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (40, 12, 20, 3), dtype=np.uint8)
    index = HierIndex.build(images[:30], config=quick, progress=False)
    assert index.add(images[30:38]).tolist() == list(range(30, 38))
    assert index.add(images[38]).tolist() == [38]
    Image.fromarray(images[39]).save(tmp_path / "last.png")
    assert index.add(tmp_path / "last.png").tolist() == [39]  # numbers go on where the others are numbers
    assert index.search(images, k=1).ids[:, 0].tolist() == list(range(40))
    with pytest.raises(InputError, match=r"\(12, 20, 3\)"):
        index.add(images[:2, :, :12])


def test_file_names_are_ids(photos, quick, tmp_path, digits):
    index = HierIndex.build(photos, config=quick, path=tmp_path / "p.index", progress=False)
    assert sorted(index.ids)[:2] == ["even/000.png", "even/002.png"]
    assert index.search(photos / "odd" / "013.png", k=1).ids.tolist() == [["odd/013.png"]]
    with pytest.raises(DuplicateIdError, match=r"odd/013\.png"):
        index.add([photos / "odd" / "013.png"], ids=["odd/013.png"])
    np.testing.assert_array_equal(index.add(digits[50:52], ids=["x", "y"]), ["x", "y"])
    assert HierIndex.open(tmp_path / "p.index").search(digits[51], k=1).ids.tolist() == [["y"]]


def test_payload_survives_and_grows(vectors, quick, tmp_path):
    payload = pa.table({"price": [float(i) for i in range(100)], "kind": ["a", "b"] * 50})
    index = HierIndex.from_vectors(vectors[:100], payload=payload, config=quick, path=tmp_path / "v.index")
    index.add(vectors[100:102], payload=[{"price": 0.5, "kind": "c"}, {"price": 7.5, "kind": None}])
    index.delete([0])
    opened = HierIndex.open(tmp_path / "v.index")
    assert opened.payload().equals(index.payload())
    assert opened.payload()["kind"].to_pylist()[-2:] == ["c", None]
    hits = opened.search(vectors[0], k=3, filter=pc.field("kind") == "c")
    assert hits.ids.tolist() == [[100, -1, -1]]
    table = opened.to_arrow()
    assert table.column_names == ["id", "leaf", "vector", "price", "kind"]
    np.testing.assert_array_equal(np.stack(table["vector"].to_numpy(zero_copy_only=False)), opened.vectors())


def test_unknown_ids_change_nothing(vectors, quick):
    index = HierIndex.from_vectors(vectors[:50], config=quick)
    with pytest.raises(UnknownIdError, match=r"\[77\]"):
        index.delete([1, 77])
    assert len(index) == 50
    with pytest.raises(UnknownIdError, match="nope"):
        index.path("nope")


def test_a_network_of_ones_own_is_asked_for_again(digits, quick, tmp_path):
    def network():
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 12))

    index = HierIndex.build(digits[:60], config=quick, encoder=network(), path=tmp_path / "n.index", progress=False)
    assert index.dim == 12
    wanted = answers(index, digits[60:])
    without = HierIndex.open(tmp_path / "n.index")
    assert answers(without, index.encode(digits[60:])) == wanted
    with pytest.raises(NoEncoderError, match="encoder="):
        without.search(digits[0])
    assert answers(HierIndex.open(tmp_path / "n.index", encoder=network()), digits[60:]) == wanted


def test_overwriting_is_asked_for(vectors, quick, tmp_path):
    HierIndex.from_vectors(vectors[:50], config=quick, path=tmp_path / "v.index")
    other = HierIndex.from_vectors(vectors[:20], config=quick)
    with pytest.raises(StorageError, match="overwrite=True"):
        other.save(tmp_path / "v.index")
    assert len(HierIndex.open(tmp_path / "v.index")) == 50
    other.save(tmp_path / "v.index", overwrite=True)
    assert len(HierIndex.open(tmp_path / "v.index")) == 20
    with pytest.raises(StorageError, match="should be free"):
        HierIndex.from_vectors(vectors[:50], config=quick, path=tmp_path / "v.index")


@pytest.mark.parametrize("first", ["torch", "faiss"])
def test_torch_and_faiss_share_a_process_whichever_comes_first(first, tmp_path, image_index, digits):
    HierIndex(image_index._view).save(tmp_path / "i.index")
    np.save(tmp_path / "q.npy", digits[100:])
    code = f"import {first}, sys, numpy as np\nfrom hierindex import HierIndex\n"
    code += "i = HierIndex.open(sys.argv[1])\nq = np.load(sys.argv[2])\n"
    code += "print(i.search(q, k=3).ids.tolist() == i.search(i.encode(q), k=3, nprobe=100).ids.tolist())"
    assert elsewhere(code, tmp_path / "i.index", tmp_path / "q.npy").strip() == "True"


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, hierindex; print([m for m in ('torch', 'faiss', 'pyarrow', 'scipy') if m in sys.modules])"
    assert elsewhere(code).strip() == "[]"
