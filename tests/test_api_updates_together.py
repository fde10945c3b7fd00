"""Many readers beside a writer, many writers beside each other, in threads and in processes: batches are whole."""

import multiprocessing
import sys
import threading
from collections import Counter
from datetime import timedelta

import numpy as np
import pytest
from updates_cases import DIM, payload_of, seed_index

from hierindex import HierIndex
from hierindex.api.brisk import brisk
from hierindex.errors import ConflictError, DuplicateIdError, InputError

SIZE = 7  # points in a batch


def batch(number):
    """A batch that lies apart from all others: rows, ids and payload, by which each of its points is known."""
    rows = np.random.default_rng(number).normal(scale=0.01, size=(SIZE, DIM))
    rows[:, number % DIM] += 100 * (1 + number // DIM)
    ids = 1_000 + number * SIZE + np.arange(SIZE)
    return rows.astype(np.float32), ids, [payload_of(number, 1) | {"rev": 1_000 + number}] * SIZE


def look(index, number):
    """See that every batch is there whole or not at all; how many there are."""
    seen = Counter(rev for rev in index.payload()["rev"].to_pylist() if rev)
    assert set(seen.values()) <= {SIZE}, "half a batch in the payload"
    rows, ids, _ = batch(number)
    hits = index.search(rows[:1], k=SIZE + 1).ids[0]
    assert len(set(hits.tolist()) & set(ids.tolist())) in (0, SIZE), "half a batch in a search"
    return len(seen)


def write(index, numbers, *, tidy=False):
    for number in numbers:
        rows, ids, payload = batch(number)
        index.add(rows, ids=ids, payload=payload)
        if tidy and number % 4 == 3:
            index.compact()
            index.vacuum(retain=1)


@pytest.mark.parametrize("flat", [True, False])
def test_threads_that_read_beside_one_that_writes(flat, tmp_path):
    index = seed_index(flat)
    index.save(tmp_path / "v.index")
    done, faults, looks = threading.Event(), [], []

    def read(seed):
        rng, most = np.random.default_rng(seed), 0
        try:
            while not done.is_set():
                found = look(index, int(rng.integers(12)))
                assert found >= most, "a batch went away"
                most = found
                looks.append(found)
        except AssertionError as error:
            faults.append(error)

    readers = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for reader in readers:
        reader.start()
    write(index, range(12), tidy=True)
    done.set()
    for reader in readers:
        reader.join()
    assert not faults
    assert len(set(looks)) > 3  # they did see it grow
    assert look(index, 0) == 12


def read_on(path, seed, told):
    """A process that opens, refreshes and looks, until it has seen all twelve batches."""
    rng = np.random.default_rng(seed)
    index, most, looks = HierIndex.open(path), 0, 0
    while most < 12:
        index = HierIndex.open(path) if rng.random() < 0.3 else index
        index.refresh()
        found = look(index, int(rng.integers(12)))
        assert found >= most
        most, looks = found, looks + 1
    told.put(looks)


def context():
    """Processes that begin with what is needed imported, and nothing of it running."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(["updates_crash", "hierindex.storage", "hierindex.api.writer"])
    return found


def test_processes_that_read_beside_one_that_writes(tmp_path):
    index = seed_index()
    index.save(tmp_path / "v.index")
    told = context().Queue()
    readers = [context().Process(target=read_on, args=(str(tmp_path / "v.index"), seed, told)) for seed in range(2)]
    for reader in readers:
        reader.start()
    write(index, range(12), tidy=True)
    for reader in readers:
        reader.join(timeout=100)
    assert [reader.exitcode for reader in readers] == [0, 0]


def write_on(path, numbers):
    """A process that adds its batches to whatever the index has become."""
    write(HierIndex.open(path), numbers)


def test_two_processes_that_write_lose_nothing_and_wait_for_each_other(tmp_path):
    seed_index().save(tmp_path / "v.index")
    writers = [
        context().Process(target=write_on, args=(str(tmp_path / "v.index"), range(first, 24, 2))) for first in (0, 1)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=100)
    assert [writer.exitcode for writer in writers] == [0, 0]
    index = HierIndex.open(tmp_path / "v.index")
    assert look(index, 0) == 24
    assert index.version == 24


def test_searches_beside_a_writer_get_their_turn_soon(tmp_path, monkeypatch):
    before, seen = sys.getswitchinterval(), []
    index = seed_index()
    index.save(tmp_path / "v.index")
    commit = index._store.commit
    monkeypatch.setattr(index._store, "commit", lambda *a, **w: seen.append(sys.getswitchinterval()) or commit(*a, **w))
    write(index, [0])
    with brisk(), brisk():
        pass
    assert seen[0] < 0.001
    assert sys.getswitchinterval() == before
    with pytest.raises(DuplicateIdError, match="ids should be new"):
        write(index, [0])
    assert sys.getswitchinterval() == before


def test_numbers_given_out_twice_are_given_out_anew(tmp_path):
    one = seed_index()
    one.save(tmp_path / "v.index")
    two = HierIndex.open(tmp_path / "v.index")
    rows, _, payload = batch(0)
    assert one.add(rows, payload=payload).tolist() == list(range(20, 27))
    assert two.add(rows, payload=payload).tolist() == list(range(27, 34))
    assert two.version == 2


def test_what_may_undo_the_work_of_another_writer_asks_first(tmp_path):
    one = seed_index()
    one.save(tmp_path / "v.index")
    two = HierIndex.open(tmp_path / "v.index")
    rows, ids, payload = batch(0)
    one.upsert(rows[:1], [3], payload=payload[:1])
    for change in (
        lambda: two.upsert(rows[1:2], [3], payload=payload[:1]),
        lambda: two.delete([3]),
        lambda: two.update_payload([3], {"note": ["mine"]}),
    ):
        with pytest.raises(ConflictError, match="another writer committed first"):
            change()
        assert two.version == 0
    with pytest.raises(DuplicateIdError, match="ids should be new"):
        two.add(rows[:1], ids=[3], payload=payload[:1])
    one.add(rows, ids=ids, payload=payload)
    with pytest.raises(DuplicateIdError, match="ids should be new"):  # seen when it went on to the newest version
        two.add(rows, ids=ids, payload=payload)
    assert two.version == 2


def test_tokens(tmp_path):
    index = seed_index()
    rows, ids, payload = batch(0)
    with pytest.raises(InputError, match="tokens should come after save or open"):
        index.add(rows, ids=ids, payload=payload, token="a")
    index.save(tmp_path / "v.index")
    other = HierIndex.open(tmp_path / "v.index")
    with pytest.raises(InputError, match="token should be text that is not empty; found ''"):
        index.add(rows, ids=ids, payload=payload, token="")
    assert index.committed("a") is None
    assert index.add(rows, ids=ids, payload=payload, token="a").tolist() == ids.tolist()
    assert other.add(rows, ids=ids, payload=payload, token="a").tolist() == []  # it goes on, and finds the token
    assert other.version == index.committed("a") == 1
    assert index.upsert(rows, ids, payload=payload, token="b").tolist() == ids.tolist()
    assert index.upsert(rows, ids, payload=payload, token="b").tolist() == []
    assert index.update_payload(ids[:2], {"note": ["x", "y"]}, token="c") == 2
    assert index.update_payload(ids[:2], {"note": ["x", "y"]}, token="c") == 0
    assert index.delete(ids[:2], token="d") == 2
    assert index.delete(ids[:2], token="d") == 0
    assert [index.committed(token) for token in "abcd"] == [1, 2, 3, 4]
    index.compact()
    index.vacuum(retain=1)
    assert [HierIndex.open(tmp_path / "v.index").committed(token) for token in "abcd"] == [1, 2, 3, 4]
    seed_index().save(tmp_path / "v.index", overwrite=True)
    again = HierIndex.open(tmp_path / "v.index")
    assert again.committed("a") is None  # another index, another encoder: its tokens are its own
    assert len(again.add(rows, ids=ids, payload=payload, token="a")) == SIZE


def test_refusals_change_nothing(tmp_path):
    index = seed_index()
    index.save(tmp_path / "v.index")
    rows, ids, payload = batch(0)
    for match, change in (
        ("missing should be 'error' or 'ignore'; found 'skip'", lambda: index.delete([1], missing="skip")),
        ("ids should be integers", lambda: index.delete(["1"], missing="ignore")),
        (r"payload should have columns of the index, \['rev', 'note'\]", lambda: index.update_payload([1], {"x": [1]})),
        ("payload should have the types of the index", lambda: index.update_payload([1], {"rev": ["no number"]})),
        ("payload should have 2 rows", lambda: index.update_payload([1, 2], {"note": ["a"]})),
        ("found None", lambda: index.update_payload([1], None)),
        ("found more than once", lambda: index.upsert(rows, [1] * SIZE, payload=payload)),
        ("payload should have the columns of the index", lambda: index.upsert(rows, ids)),
        ("retain should be an integer of at least 1; found 0", lambda: index.vacuum(retain=0)),
        ("retain should be a time of at least 0", lambda: index.vacuum(retain=timedelta(seconds=-1))),
    ):
        with pytest.raises(InputError, match=match):
            change()
    assert (index.version, len(index)) == (0, 20)
    assert index.delete([], missing="ignore") == index.delete([999], missing="ignore") == 0
    assert index.update_payload([], {"note": []}) == 0
    assert index.version == 0
