"""Going on to a newer version: what came since is read and nothing else, and the answers are those of a fresh open."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
from updates_cases import DIM, payload_of, seed_index, vector_of

from hierindex import BuildConfig, HierIndex
from hierindex.api import persist
from hierindex.index.config import IndexConfig
from hierindex.learning.config import HeadConfig, LearnConfig

QUERIES = np.random.default_rng(5).normal(size=(6, DIM)).astype(np.float32)


def put(index, ids, revision, how="add"):
    """Points of these ids."""
    rows = np.stack([vector_of(i, revision) for i in ids])
    payload = [payload_of(i, revision) for i in ids]
    if how == "add":
        index.add(rows, ids=ids, payload=payload)
    else:
        index.upsert(rows, ids, payload=payload)


CHANGES = {
    "added": lambda index: put(index, [200, 201], 1),
    "many added, leaves split": lambda index: put(index, range(200, 260), 1),
    "deleted": lambda index: index.delete([3, 17]),
    "upserted": lambda index: put(index, [3, 200], 1, "upsert"),
    "upserted twice": lambda index: [put(index, [3], revision, "upsert") for revision in (1, 2)],
    "added and deleted again": lambda index: [put(index, [200, 201], 1), index.delete([200])],
    "deleted and added again": lambda index: [index.delete([3]), put(index, [3], 2)],
    "payload set": lambda index: index.update_payload([300], {"note": ["new"]}),
    "a part worn out": lambda index: [put(index, [200, 201, 202], 1), index.delete([200]), index.delete([201])],
    "upkeep": lambda index: [put(index, range(200, 250), 1), index.maintain()],
    "upkeep after deletes": lambda index: [index.delete([1, 2]), put(index, range(200, 230), 1), index.maintain()],
}


def what(index):
    """All that an index answers."""
    hits = [index.search(QUERIES, k=5, **how) for how in ({"recall": 1.0}, {"recall": 0.9}, {"nprobe": 2})]
    labels = dict(zip(index.ids.tolist(), index.labels(4).tolist(), strict=True))
    return (
        index.version,
        [(h.ids.tolist(), h.distances.tolist(), h.leaves.tolist()) for h in hits],
        index.payload().to_pylist(),
        index.vectors().tolist(),
        labels,
        index._view.snapshot.table.next_seq,
    )


@contextmanager
def only_news():
    """Meanwhile reading everything fails."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(persist, "newest", lambda *_, **__: pytest.fail("all was read anew"))
        yield


def saved(path, flat=False, n=100):
    """An index of n points, saved."""
    index = HierIndex(seed_index(flat, n)._view)
    index.save(path)
    return index


@pytest.mark.parametrize("flat", [False, True], ids=["leaves", "flat"])
@pytest.mark.parametrize("change", list(CHANGES))
def test_a_reader_that_goes_on_answers_as_one_that_opens(change, flat, tmp_path):
    writer = saved(tmp_path / "i", flat)
    put(writer, [300, 301], 0)
    reader = HierIndex.open(tmp_path / "i")
    CHANGES[change](writer)
    with only_news():
        assert reader.refresh()
    assert what(reader) == what(HierIndex.open(tmp_path / "i"))
    reader.add(QUERIES[:1], payload=[payload_of(0, 9)])  # and the other way round
    with only_news():
        assert writer.refresh()
    assert what(writer) == what(HierIndex.open(tmp_path / "i"))


def test_coded_rows_are_coded_alike(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 8)).astype(np.float32)
    config = BuildConfig(
        learn=LearnConfig(head=HeadConfig(steps=2)),
        index=IndexConfig(flat_below=0, leaf_scan="pq", tail_rows=8, n_leaves=8, tune_queries=20),
    )
    writer = HierIndex.from_vectors(x[:500], metric="l2", config=config, path=tmp_path / "i")
    reader = HierIndex.open(tmp_path / "i")
    for at in range(500, 600, 20):
        writer.add(x[at : at + 20])
        writer.delete(np.arange(at - 500, at - 498))
        with only_news():
            reader.refresh()
    fresh = HierIndex.open(tmp_path / "i")
    for how in ({"recall": 1.0}, {"recall": 0.9}, {"nprobe": 3}):
        mine, its = (index.search(x[:30], k=5, **how) for index in (reader, fresh))
        assert mine.ids.tolist() == its.ids.tolist()
        np.testing.assert_array_equal(mine.distances, its.distances)


@pytest.mark.parametrize(
    "change",
    [
        lambda index: index.compact(),
        lambda index: index.delete(list(range(20))),
        lambda index: put(index, range(400, 620), 1),
        lambda index: index.save(index._store.path, overwrite=True),
    ],
    ids=["compacted", "much deleted", "much added", "replaced"],
)
def test_where_most_is_new_all_is_read(change, tmp_path, monkeypatch):
    writer = saved(tmp_path / "i")
    put(writer, [300, 301], 0)
    reader, read, newest = HierIndex.open(tmp_path / "i"), [], persist.newest
    monkeypatch.setattr(persist, "newest", lambda *some, **named: read.append(1) or newest(*some, **named))
    change(writer)
    assert reader.refresh()
    assert read
    assert what(reader) == what(HierIndex.open(tmp_path / "i"))


def test_readers_keep_what_they_hold_while_others_go_on(tmp_path):
    writer = saved(tmp_path / "i")
    reader = HierIndex.open(tmp_path / "i")
    before, held = what(reader), reader.pinned()
    for change in ("many added, leaves split", "deleted"):
        CHANGES[change](writer)
        with only_news():
            reader.refresh()
    assert held.search(QUERIES, k=5, recall=1.0).ids.tolist() == before[1][0][0]
    assert held.ids.tolist() == list(range(100))


def test_a_vacuumed_version_goes_on_as_well(tmp_path):
    writer = saved(tmp_path / "i")
    reader = HierIndex.open(tmp_path / "i")
    for at in range(3):
        put(writer, [200 + at], 1)
        writer.delete([at])
    writer.compact()
    writer.vacuum(retain=1)
    assert reader.refresh()
    assert what(reader) == what(HierIndex.open(tmp_path / "i"))


def test_a_seq_never_comes_twice_though_its_row_is_gone(tmp_path):
    """What upkeep says of a removed row must not be taken for one that came later."""
    writer = saved(tmp_path / "i", n=60)
    writer.maintain()
    writer.delete(list(range(30, 60)))
    top = writer._view.snapshot.table.next_seq
    for _ in range(2):
        other = HierIndex.open(tmp_path / "i")
        assert other._view.snapshot.table.next_seq >= top
        put(other, [top + 500], 1)
        assert what(other) == what(HierIndex.open(tmp_path / "i"))
        top += 1
