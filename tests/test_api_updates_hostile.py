"""A whole index with every kind of file cut short, turned over, missing, or put in by somebody who means ill.

Whatever is done to the files, `HierIndex.open` gives the index that was saved or a `HierIndexError`: no other answer,
no crash, no hang, no code run. (`test_storage_hostile` does this below the API, field by field.)
"""

import json
import pickle
import random
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from storage_cases import Bomb, resealed
from updates_cases import DIM, payload_of, seed_index, vector_of
from updates_crash import state_of

from hierindex import HierIndex
from hierindex.errors import CorruptIndexError, HierIndexError
from hierindex.storage import Store, commit
from hierindex.storage.files import listed

QUERIES = np.random.default_rng(5).normal(size=(4, DIM)).astype(np.float32)


def what(index):
    """All that an index answers."""
    hits = index.search(QUERIES, k=5, nprobe=2)
    return state_of(index), hits.ids.tolist(), hits.distances.tolist(), index.labels(4).tolist(), index.version


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """An index with several parts and generations, a summed-up log, and a commit after that."""
    path = tmp_path_factory.mktemp("saved") / "v.index"
    patch = pytest.MonkeyPatch()
    patch.setattr(commit.checkpoint, "__defaults__", (3,))
    index = seed_index(flat=False)
    index.save(path)
    for number in range(4):
        ids = [50 + number, number]
        rows = np.stack([vector_of(i, number + 1) for i in ids])
        index.upsert(rows, ids, payload=[payload_of(i, number + 1) for i in ids])
    patch.undo()
    names = [file.name for file in listed(path)]
    assert any("checkpoint.parquet" in name for name in names)
    return path, what(HierIndex.open(path))


@pytest.fixture
def copy(saved, tmp_path):
    shutil.copytree(saved[0], tmp_path / "v.index")
    return tmp_path / "v.index", saved[1]


def kinds(path):
    """One file of each kind that the newest version needs, by kind."""
    names = [file.name for file in listed(path)]
    log = sorted(name for name in names if name.endswith(".json") and "_delta_log" in name)
    newest = json.loads((path / log[-1]).read_text().splitlines()[0])["commitInfo"]["hierindex"]
    live = {part.path.name for part in Store.open(path)._log.parts}
    return {
        "part": next(name for name in names if Path(name).name in live),
        "tree": f"tree/{newest['tree']:06d}.parquet",
        "spec": "model/000001/spec.json",
        "weights": "model/000001/weights.safetensors",
        "commit": log[-1],
        "summary": next(name for name in names if "checkpoint.parquet" in name),
        "hint": "points/_delta_log/_last_checkpoint",
        "removed": f"removed/{newest['removed']:06d}.parquet",
    }


KINDS = ["part", "tree", "spec", "weights", "commit", "summary", "hint", "removed"]


def opens_as_it_was_or_not_at_all(path, wanted):
    """Whether it opened."""
    try:
        found = what(HierIndex.open(path))
    except HierIndexError:
        return False
    assert found == wanted
    return True


@pytest.mark.parametrize("kind", KINDS)
def test_cut_at_every_fiftieth(kind, copy):
    path, wanted = copy
    name = kinds(path)[kind]
    whole = (path / name).read_bytes()
    opened = 0
    for cut in range(50):
        (path / name).write_bytes(whole[: len(whole) * cut // 50])
        opened += opens_as_it_was_or_not_at_all(path, wanted)
    (path / name).unlink()
    if kind == "commit":
        assert HierIndex.open(path).version == wanted[-1] - 1  # a commit that is not there never was
    else:
        opened += opens_as_it_was_or_not_at_all(path, wanted)
    assert opened == 0 or kind in ("summary", "hint")  # these two say again what other files say


@pytest.mark.parametrize("kind", KINDS)
def test_bits_turned_over(kind, copy):
    path, wanted = copy
    name = kinds(path)[kind]
    whole, rng = (path / name).read_bytes(), random.Random(kind)
    for _ in range(30):
        broken = bytearray(whole)
        for _ in range(rng.choice([1, 1, 8])):
            broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
        (path / name).write_bytes(broken)
        opens_as_it_was_or_not_at_all(path, wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_files_full_of_something_else(kind, copy):
    path, wanted = copy
    name = kinds(path)[kind]
    for content in (b"\0" * 4096, b"PAR1" * 300, b"{}", b"[" * 100_000, random.Random(0).randbytes(5_000)):
        (path / name).write_bytes(content)
        assert not opens_as_it_was_or_not_at_all(path, wanted) or kind in ("summary", "hint")


def test_generations_and_parts_in_each_others_places(copy):
    path, wanted = copy
    parts = [file.name for file in listed(path) if "part-" in file.name]
    trees, lists = (
        [file.name for file in listed(path) if file.name.startswith(kind)] for kind in ("tree/", "removed/")
    )
    for names in (parts, trees, lists):
        named = {kinds(path)["tree"], kinds(path)["removed"]}
        live = {f"points/{part.path.name}" for part in Store.open(path)._log.parts} | named
        for one, two in ((a, b) for a in names for b in names if a in live and a != b):
            whole = (path / one).read_bytes()
            (path / one).write_bytes((path / two).read_bytes())
            same = (path / one).read_bytes() == whole
            assert opens_as_it_was_or_not_at_all(path, wanted) == same
            (path / one).write_bytes(whole)


def test_a_pickle_in_the_place_of_the_weights(copy, tmp_path):
    path, _ = copy
    resealed(path, lambda _: None, pickle.dumps(Bomb(tmp_path / "ran")))
    with pytest.raises(CorruptIndexError, match=r"weights\.safetensors should be as hierindex wrote it"):
        HierIndex.open(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda body: body["spec"].update(decode="nonsense"), "the stored model's description is damaged"),
        (lambda body: body["spec"].pop("on_disk"), "the stored model's description is damaged"),
        (lambda body: body.update(spec=[]), r"spec\.json|description is damaged"),
        (lambda body: body.update(generation=2), "generation 2 under the name of 1"),
    ],
)
def test_descriptions_that_describe_no_model(change, match, copy):
    path, _ = copy
    resealed(path, change)
    with pytest.raises(CorruptIndexError, match=match):
        HierIndex.open(path)


def test_heads_of_other_dimensions(copy):
    from safetensors.numpy import load, save

    path, _ = copy
    arrays = dict(load((path / "model/000001/weights.safetensors").read_bytes()))
    for wrong in (
        {**arrays, "head.mean": np.zeros(DIM + 1, np.float32)},
        {name: array for name, array in arrays.items() if not name.startswith("disk.")},
        {**arrays, "head.mean": np.full(DIM, np.nan, np.float32)},
    ):
        resealed(path, lambda _: None, save(wrong))
        with pytest.raises(CorruptIndexError, match=r"head|description is damaged"):
            HierIndex.open(path)


@pytest.mark.parametrize("rows", [2**62, 10**15, -1])
def test_sizes_that_nothing_has(rows, copy):
    path, _ = copy
    entry = path / kinds(path)["commit"]
    lines = [json.loads(line) for line in entry.read_text().splitlines()]
    for line in lines:
        if "add" in line:
            line["add"]["stats"] = json.dumps(json.loads(line["add"]["stats"]) | {"numRecords": rows})
        if "commitInfo" in line:
            line["commitInfo"]["hierindex"]["rows"] = 20 + rows
    entry.write_text("\n".join(json.dumps(line) for line in lines))
    with pytest.raises(HierIndexError, match="points"):
        HierIndex.open(path)


def test_a_stored_state_that_means_nothing(copy):
    path, _ = copy
    store = Store.open(path)
    tree = store.load().tree
    for about in ({}, tree.about | {"metric": "nonsense"}, tree.about | {"config": {"n_leaves": -3}}, {"state": 7}):
        store = Store.open(path)
        store.commit(tree=type(tree)(tree.nodes, about))
        with pytest.raises(CorruptIndexError, match=r"description is damaged|stored state"):
            HierIndex.open(path)


def test_a_version_before_the_damage_still_opens(copy):
    path, _ = copy
    newest = Store.open(path).version
    (path / kinds(path)["commit"]).write_bytes(b'{"commitInfo":{"timest')
    with pytest.raises(CorruptIndexError, match=r"_delta_log.*open an older version"):
        HierIndex.open(path)
    assert HierIndex.open(path, version=newest - 1).version == newest - 1


def test_a_table_that_is_none_of_ours(copy):
    path, _ = copy
    shutil.rmtree(path / "points")
    DeltaTable.create(path / "points", pa.schema([("x", pa.int64())]))
    with pytest.raises(CorruptIndexError, match=r"application transaction 'hierindex\.tree'"):
        HierIndex.open(path)
