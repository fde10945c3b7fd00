"""Rows that are mapped from a file: the same answers as from memory, one file for all, and none of it copied."""

import errno
import json
import os
import shutil
import subprocess
import sys
import threading

import numpy as np
import pyarrow.compute as pc
import pytest

from hierindex import BuildConfig, HierIndex
from hierindex.errors import InputError, StorageError
from hierindex.index import exact, ranges
from hierindex.index import rows as columns
from hierindex.index.config import IndexConfig
from hierindex.index.explain import NoWatch
from hierindex.index.known import checks
from hierindex.index.mapped import MappedRows, RowFile
from hierindex.index.rows import Column
from hierindex.storage import mapped
from hierindex.vectors import Metric

KINDS = [("l2", 0), ("cosine", 20_000)]
WIDTH = 512  # bytes of a row
FIRST, LATER = {"number": np.arange(260)}, {"number": np.arange(300)}
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="private mappings are of Linux and macOS")


@pytest.fixture(scope="module")
def wide(vectors):
    """128 dimensions, so that leaves are coded: 300 rows, 40 of which are left to be added."""
    noise = np.random.default_rng(1).normal(scale=0.1, size=(300, 128)).astype(np.float32)
    return np.tile(vectors, 13)[:, :128] + noise


@pytest.fixture(scope="module")
def saved(wide, quick, tmp_path_factory):
    """A folder with an index for each metric and size, not to be changed."""
    folder = tmp_path_factory.mktemp("saved")
    for metric, flat_below in KINDS:
        config = BuildConfig(learn=quick.learn, index=IndexConfig(flat_below=flat_below, n_leaves=12, tail_rows=8))
        path = folder / f"{metric}-{flat_below}"
        HierIndex.from_vectors(wide[:260], metric=metric, payload=FIRST, config=config, path=path)
    return folder


@pytest.fixture
def index_path(saved, tmp_path):
    """A copy of one of them."""
    return shutil.copytree(saved / "l2-0", tmp_path / "one.index")


def everything(index, queries):
    """All that can be read from an index, as plain values."""
    few, odd = queries[:3], pc.bit_wise_and(pc.field("number"), 3) == 1
    radius = float(np.median(index.search(queries, k=5, recall=1).distances))
    found = [
        index.search(queries, k=5, recall=0.9),
        *(index.search(query, k=4, recall=0.9) for query in few),
        *(index.search(query, k=4, recall=1) for query in few),
        index.search(queries, k=3, nprobe=2),
        index.search(queries, k=5, recall=0.9, filter=odd),
        index.search(queries, k=5, recall=1, filter=odd),
        index.diverse(queries, k=4, per_branch=1),
    ]
    near = [index.search(queries, radius=radius), index.search(few, radius=radius, filter=odd)]
    return {
        "hits": [(hits.ids.tobytes(), hits.distances.tobytes(), hits.leaves.tobytes()) for hits in found],
        "near": [(hits.lims.tobytes(), hits.ids.tobytes(), hits.distances.tobytes()) for hits in near],
        "ids": index.ids.tolist(),
        "vectors": index.vectors().tobytes(),
        "payload": index.payload().to_pylist(),
        "tree": index.tree.linkage.tobytes(),
        "labels": index.labels(7).tobytes(),
        "typical": index.browse(examples=4).examples.tolist(),
        "info": {name: part for name, part in index.info().items() if name not in ("memory", "saved", "built")},
    }


CHANGES = {
    "add": lambda index, rows: index.add(rows[260:290], payload={"number": np.arange(260, 290)}),
    "upsert": lambda index, rows: index.upsert(rows[40:60] + 1, ids=np.arange(50, 70), payload={"number": [7] * 20}),
    "payload": lambda index, _: index.update_payload([1, 2], {"number": [100, 101]}),
    "delete a few": lambda index, _: index.delete([3, 55, 200]),
    "grow": lambda index, rows: [index.add(rows * s, ids=np.arange(300) + 1_000 * s, payload=LATER) for s in (2, 3)],
    "maintain": lambda index, _: index.maintain(leaves=4),
    "compact": lambda index, _: index.compact(),
    "delete most": lambda index, _: index.delete(index.ids[20:]),
}


@pytest.mark.parametrize(("metric", "flat_below"), KINDS)
def test_answers_are_those_of_the_rows_in_memory_whatever_is_changed(metric, flat_below, saved, wide, tmp_path):
    """One index is changed with its rows in memory, a copy of it with mapped rows; then each is opened as the other."""
    pairs = {}
    for rows in ("memory", "mapped"):
        path = shutil.copytree(saved / f"{metric}-{flat_below}", tmp_path / rows)
        pairs[rows] = HierIndex.open(path, rows=rows)
    queries = wide[280:]
    assert everything(pairs["mapped"], queries) == everything(pairs["memory"], queries)
    for name, change in CHANGES.items():
        for index in pairs.values():
            change(index, wide)
        told = everything(pairs["memory"], queries)
        assert everything(pairs["mapped"], queries) == told, name
        assert everything(HierIndex.open(tmp_path / "mapped", rows="mapped"), queries) == told, name
    assert everything(HierIndex.open(tmp_path / "mapped"), queries) == told


def test_what_another_process_wrote_is_mapped_after_a_refresh_and_so_is_an_older_version(index_path, wide):
    reader, writer = HierIndex.open(index_path, rows="mapped"), HierIndex.open(index_path)
    before = everything(reader, wide[280:])
    for name in ("add", "delete a few"):
        CHANGES[name](writer, wide)
        assert reader.refresh()
        assert everything(reader, wide[280:]) == everything(writer, wide[280:])
    assert reader.info()["memory"]["mapped"] > 0
    assert everything(HierIndex.open(index_path, version=0, rows="mapped"), wide[280:]) == before


def test_an_index_that_is_saved_elsewhere_stays_mapped(index_path, wide, tmp_path):
    index = HierIndex.open(index_path, rows="mapped")
    CHANGES["delete a few"](index, wide)
    index.save(tmp_path / "other.index")
    shutil.rmtree(index_path)  # a mapped file lives until nobody needs it
    other = HierIndex.open(tmp_path / "other.index")
    CHANGES["add"](other, wide)
    assert index.refresh()
    assert everything(index, wide[280:]) == everything(other, wide[280:])
    assert index.info()["memory"]["mapped"] == pytest.approx(WIDTH * 260 / 287, abs=0.1)


def test_memory_is_told_apart_from_what_is_mapped(index_path, wide):
    held, index = HierIndex.open(index_path).info()["memory"], HierIndex.open(index_path, rows="mapped")
    memory = index.info()["memory"]
    assert (held["rows"], held["mapped"]) == (WIDTH, 0)
    assert (memory["rows"], memory["mapped"]) == (0, WIDTH)
    assert memory["all"] == pytest.approx(held["all"] - WIDTH, abs=0.5)
    CHANGES["add"](index, wide)
    memory = index.info()["memory"]
    assert (memory["rows"], memory["mapped"]) == pytest.approx((WIDTH * 30 / 290, WIDTH * 260 / 290), abs=0.1)


# ---- the file


def states(folder):
    """What tells files that were written anew from those that were not."""
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_the_file_is_used_again_and_made_longer_by_what_came(index_path, wide):
    HierIndex.open(index_path, rows="mapped")
    first = states(index_path / "rows")
    assert sorted(first) == ["000001.f32", "000001.json"]
    index = HierIndex.open(index_path, rows="mapped")
    assert states(index_path / "rows") == first
    bytes_before = (index_path / "rows" / "000001.f32").read_bytes()
    CHANGES["add"](index, wide)  # into this process's own pages
    assert (index_path / "rows" / "000001.f32").read_bytes() == bytes_before
    told = everything(index, wide[280:])
    later = HierIndex.open(index_path, rows="mapped")
    second = states(index_path / "rows")
    assert second["000001.f32"][0] == first["000001.f32"][0]
    assert second["000001.json"] != first["000001.json"]
    assert (index_path / "rows" / "000001.f32").read_bytes()[: 260 * WIDTH] == bytes_before[: 260 * WIDTH]
    assert everything(later, wide[280:]) == told == everything(index, wide[280:])


def test_a_file_that_is_not_of_these_rows_is_written_anew(index_path, wide):
    told = everything(HierIndex.open(index_path), wide[280:])
    rows = index_path / "rows"

    def shorter():
        os.truncate(next(rows.glob("*.f32")), 100 * WIDTH)

    def of_other_parts():
        file = next(rows.glob("*.json"))
        file.write_text(file.read_text().replace("part-", "past-"))

    def not_json():
        next(rows.glob("*.json")).write_text("{")

    def without_rows():
        next(rows.glob("*.f32")).unlink()

    def of_another_width():
        file = next(rows.glob("*.json"))
        sealed = json.loads(file.read_text())
        sealed["body"]["dim"] = 10
        file.write_text(json.dumps(sealed))

    for damage in (shorter, of_other_parts, not_json, without_rows, of_another_width):
        HierIndex.open(index_path, rows="mapped")
        before = {path.name for path in rows.iterdir()}
        damage()
        assert everything(HierIndex.open(index_path, rows="mapped"), wide[280:]) == told, damage.__name__
        after = {path.name for path in rows.iterdir()}
        assert len(after) == 2, damage.__name__
        assert not after & before, damage.__name__


def test_an_unfinished_file_is_removed_and_foreign_ones_stay(index_path):
    rows = index_path / "rows"
    rows.mkdir()
    for name in ("000007.f32.tmp", "000003.json.tmp", "notes.txt"):
        (rows / name).write_text("half")
    HierIndex.open(index_path, rows="mapped")
    assert sorted(path.name for path in rows.iterdir()) == ["000008.f32", "000008.json", "notes.txt"]


def test_of_many_that_open_at_once_one_writes_the_file(index_path, wide, monkeypatch):
    told, written, real = everything(HierIndex.open(index_path), wide[280:]), [], mapped._put
    monkeypatch.setattr(mapped, "_put", lambda *words: (written.append(words), real(*words)))
    gate, answers = threading.Barrier(4), []

    def open_it():
        gate.wait()
        answers.append(HierIndex.open(index_path, rows="mapped"))

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(written) == 1
    assert [everything(index, wide[280:]) == told for index in answers] == [True] * 4


def test_a_full_disk_is_said_and_leaves_nothing(index_path, wide, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    index = HierIndex.open(index_path, rows="mapped")
    CHANGES["delete a few"](index, wide)
    with monkeypatch.context() as disk:
        disk.setattr(os, "pwrite", full)
        with pytest.raises(StorageError, match=r"rows should be writable.*No space left.*rows_folder="):
            HierIndex.open(index_path, rows="mapped")
    assert sorted(path.name for path in (index_path / "rows").iterdir()) == ["000001.f32", "000001.json"]
    with monkeypatch.context() as disk:
        disk.setattr(os, "ftruncate", full)  # what is added next finds no room in the file
        told = everything(index, wide[280:])
        with pytest.raises(StorageError, match=r"should be writable.*No space left"):
            index.add(np.tile(wide, (20, 1)), ids=np.arange(6_000) + 1_000, payload={"number": np.arange(6_000)})
        assert everything(index, wide[280:]) == told
        assert index.version == 1


def test_a_folder_that_cannot_be_written_is_named(index_path, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"file/rows should be writable, .*name another folder \(rows_folder=\.\.\."):
        HierIndex.open(index_path, rows="mapped", rows_folder=tmp_path / "file" / "rows")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"rows": "disk"}, "rows should be one of 'memory', 'mapped'; found 'disk'"),
        ({"rows_folder": "rows"}, "rows should be 'mapped' where rows_folder is given"),
    ],
)
def test_ways_to_open_that_there_are_not(how, message, index_path):
    with pytest.raises(InputError, match=message):
        HierIndex.open(index_path, **how)


# ---- the column


def test_columns_of_one_file_do_not_see_each_other(tmp_path):
    rows = np.random.default_rng(0).normal(size=(900, 3)).astype(np.float32)
    (tmp_path / "rows.f32").write_bytes(rows.tobytes())
    first, second = (Column.taking(MappedRows.of(RowFile.open(tmp_path / "rows.f32", 900, 3))) for _ in range(2))
    ours, theirs = first.append(rows[:500] + 1), second.append(rows[:40] + 2)
    longer, other = ours.append(np.tile(rows, (9, 1))), first.append(rows[:7] + 3)  # one needs room, one finds it taken
    assert np.array_equal(first.values, rows)
    assert np.array_equal(second.values, rows)
    assert np.array_equal(ours.values, np.concatenate([rows, rows[:500] + 1]))
    assert np.array_equal(theirs.values, np.concatenate([rows, rows[:40] + 2]))
    assert np.array_equal(longer.values, np.concatenate([ours.values, *[rows] * 9]))
    assert np.array_equal(other.values, np.concatenate([rows, rows[:7] + 3]))
    some = np.arange(0, len(longer), 3)
    assert np.array_equal(longer.take(some).values, longer.values[some])
    assert (longer.take(some).held_bytes, longer.held_bytes) == (0, 12 * (500 + 8_100))
    assert (tmp_path / "rows.f32").read_bytes()[: rows.nbytes] == rows.tobytes()
    with pytest.raises(ValueError, match="read-only"):
        first.values[0] = 0


def test_when_many_rows_have_come_they_go_to_a_file_too(tmp_path, monkeypatch):
    rows = np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32)
    (tmp_path / "rows.f32").write_bytes(rows.tobytes())
    monkeypatch.setattr(columns, "_HELD", 12 * 100)
    old = new = Column.taking(MappedRows.of(RowFile.open(tmp_path / "rows.f32", 400, 3)))
    most = 0
    for step in range(200):
        new = new.append(rows[:40] + step)
        most = max(most, new.held_bytes / new.values.nbytes)
    assert most <= 0.75  # room that is there is used first
    assert new.held_bytes < 0.5 * new.values.nbytes
    assert np.array_equal(new.values, np.concatenate([rows, *(rows[:40] + step for step in range(200))]))
    assert np.array_equal(old.values, rows)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.f32"]


# ---- what it takes

MEASURED = """
import sys, tracemalloc
import numpy as np
from hierindex import HierIndex
def held():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon"))
def used(index):
    for recall in (0.9, 1):
        index.search(queries, recall=recall), index.search(queries[0], recall=recall)
    index.search(queries, radius=11.0), index.search(queries, recall=1, filter=np.arange(len(index)) % 10 == 0)
    return index
small, large, asked, rows = sys.argv[1:]
queries = np.load(asked)
used(HierIndex.open(small, rows=rows))  # so that what is imported is not counted
before = held()
index = used(HierIndex.open(large, rows=rows))
print(held() - before)
tracemalloc.start()
used(HierIndex.open(large, rows=rows))
print(tracemalloc.get_traced_memory()[1])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc/self/status is of Linux")
def test_rows_are_never_copied_whole(saved, wide, tmp_path):
    """104,000 rows of 128 dimensions, 51 MiB: neither what stays nor what NumPy held for a moment comes near that."""
    many_times(HierIndex.open(saved / "l2-0"), 400, tmp_path / "large.index")
    np.save(tmp_path / "asked.npy", wide[-5:])
    found = {}
    for rows in ("mapped", "memory"):
        words = [sys.executable, "-c", MEASURED, saved / "l2-0", "large.index", "asked.npy", rows]
        out = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=True, cwd=tmp_path).stdout
        found[rows] = [int(word) / 2**20 for word in out.split()]
    assert min(found["memory"]) > 51  # so both measures see them
    assert max(found["mapped"]) < 40, found


def many_times(index, times, path):
    """Save an index with each point so many times, moved a little; nothing of the learning is done again."""
    from hierindex.api import persist
    from hierindex.storage import Points, Store, TreeFile

    contents = persist.contents_of(index._view)
    old, n = contents.points, times * len(contents.points)
    rows = np.tile(old.rows, (times, 1))
    rows += 0.1 * np.random.default_rng(0).standard_normal(rows.shape, dtype=np.float32)
    about = contents.tree.about | {"state": contents.tree.about["state"] | {"packed_seq": n}}
    points = Points(np.arange(n), np.arange(n), np.tile(old.leaf, times), rows)
    Store.create(path, points, TreeFile(contents.tree.nodes, about), contents.model)
    persist.keep_codes(Store.open(path), HierIndex.open(path)._view.snapshot)


# ---- where no more than a part may be copied


@pytest.mark.parametrize("metric", ["l2", "ip"])
def test_rows_that_a_filter_lets_through_are_copied_a_few_at_a_time(metric, wide, monkeypatch):
    """Any number at once gives the same answers, ties included."""
    rows = np.concatenate([wide, wide[:50]])
    queries, allowed = wide[:30] + np.float32(0.01), np.arange(350) % 5 < 2
    kind = Metric.parse(metric)
    searched = ranges.Searched(rows, kind, allowed)
    radius = {"l2": 12.0, "ip": -40.0}[metric]
    found = []
    for at_once in (2**30, 7 * WIDTH):
        monkeypatch.setattr(exact, "_GATHER_MOST", at_once)
        monkeypatch.setattr(ranges, "_GATHER_MOST", at_once)
        some = exact.exact_rows_where(queries, rows, 9, kind.by_product, allowed)
        near = ranges.near_pairs(queries, radius, searched, NoWatch())
        order = np.lexsort((near[1], near[0]))
        found.append([*exact.in_order(*some, kind), *(values[order] for values in near)])
    assert len(found[0][2]) > 100
    for whole, parts in zip(*found, strict=True):
        assert np.array_equal(whole, parts)


@pytest.mark.parametrize("dim", [7, 8])
def test_checksums_of_some_rows_are_those_of_all(dim):
    rows = np.random.default_rng(0).normal(size=(3_000, dim)).astype(np.float32)
    some = np.arange(0, 3_000, 2)
    assert np.array_equal(checks(rows)[some], checks(rows, some))
    assert len(np.unique(checks(rows))) == 3_000


def test_vectors_may_be_the_name_of_a_file(wide, quick, tmp_path):
    np.save(tmp_path / "x.npy", wide)
    index = HierIndex.from_vectors(tmp_path / "x.npy", metric="l2", config=quick)
    assert np.array_equal(index.vectors(), wide)
    np.savez(tmp_path / "x.npz", wide=wide)
    (tmp_path / "text.npy").write_text("no array")
    for name, found in {"x.npz": "holds several", "text.npy": "text.npy: ", "none.npy": "No such file"}.items():
        with pytest.raises(InputError, match=rf"vectors should be .*{found}"):
            HierIndex.from_vectors(str(tmp_path / name))
