"""The same calls on an object store: a stand-in for S3 (moto) in a process of its own, on this machine."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from storage_cases import MODEL, assert_contents, points_of, tree_of
from updates_cases import payload_of, seed_index, vector_of
from updates_crash import state_of

from hierindex import HierIndex
from hierindex.errors import ConflictError, CorruptIndexError, InputError, NotAnIndexError, StorageError
from hierindex.storage import Store, files, place_of

boto3 = pytest.importorskip("boto3", reason="needs moto and obstore, of the extra dev")
pytest.importorskip("moto", reason="needs moto, of the extra dev")
pytest.importorskip("obstore", reason="needs obstore, of the extra cloud")


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    """What deltalake and obstore need to know of the stand-in, with a bucket ``shelf`` in it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    log = (tmp_path_factory.mktemp("moto") / "log").open("w")
    words = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{url}/moto-api/", timeout=5).close()
                break
            except OSError:
                assert server.poll() is None, "the stand-in did not start"
                time.sleep(0.05)
        keys = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "region_name": "us-east-1"}
        client = boto3.client("s3", endpoint_url=url, **keys)
        client.create_bucket(Bucket="shelf")
        client.close()
        yield {
            "AWS_ACCESS_KEY_ID": "k",
            "AWS_SECRET_ACCESS_KEY": "s",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": url,
            "AWS_ALLOW_HTTP": "true",
        }
    finally:
        server.kill()
        server.wait()
        log.close()


def points(ids, revision):
    return np.stack([vector_of(i, revision) for i in ids]), [payload_of(i, revision) for i in ids]


@pytest.mark.parametrize("kind", ["s3", "file"])
def test_the_same_calls_wherever_the_index_lies(kind, options, tmp_path):
    address = "s3://shelf/a/v.index" if kind == "s3" else (tmp_path / "my v.index").as_uri()
    with pytest.raises(NotAnIndexError, match=r"v\.index should be the folder of an index; found nothing there"):
        HierIndex.open(address, storage_options=options)
    index = seed_index()
    index.save(address, storage_options=options)
    x, payload = points(range(20, 30), 1)
    index.add(x, ids=range(20, 30), payload=payload, token="first")
    x, payload = points([3, 40], 2)
    index.upsert(x, [3, 40], payload=payload)
    index.update_payload([5, 6], {"note": ["x", None]})
    index.delete([7, 8])
    wanted = state_of(index)
    reader = HierIndex.open(address, storage_options=options)
    assert (reader.version, state_of(reader)) == (4, wanted)
    assert reader.committed("first") == 1
    assert len(reader.add(x, ids=[90, 91], payload=payload, token="first")) == 0
    assert [v.operation for v in reader.history()] == ["delete", "payload", "update", "add", "create"]
    assert state_of(HierIndex.open(address, version=0, storage_options=options)) == state_of(seed_index())
    compacted = index.compact()
    assert (compacted.version, compacted.parts_after) == (5, 1)
    assert compacted.parts_before > 1
    freed = index.vacuum(retain=1)
    assert freed.files > 5
    assert freed.oldest == 5
    assert reader.refresh()
    assert state_of(reader) == state_of(HierIndex.open(address, storage_options=options)) == wanted
    with pytest.raises(StorageError, match=r"version should be in 5\.\.5"):
        HierIndex.open(address, version=0, storage_options=options)
    names = [file.name for file in files.listed(place_of(address, options))]
    assert sum(name.startswith("points/part-") for name in names) == 1
    assert sum(name.startswith("tree/") for name in names) == 1


def test_two_writers_of_one_object_store(options):
    seed_index().save("s3://shelf/two.index", storage_options=options)
    one, two = (HierIndex.open("s3://shelf/two.index", storage_options=options) for _ in range(2))
    x, payload = points([50, 51], 1)
    one.add(x[:1], ids=[50], payload=payload[:1])
    with pytest.raises(ConflictError, match="another writer committed first"):
        two.delete([3])
    two.add(x[1:], ids=[51], payload=payload[1:])
    assert {50, 51} <= set(HierIndex.open("s3://shelf/two.index", storage_options=options).ids.tolist())
    with pytest.raises(StorageError, match=r"two\.index should be free; found an index; set overwrite=True"):
        seed_index().save("s3://shelf/two.index", storage_options=options)
    seed_index().save("s3://shelf/two.index", storage_options=options, overwrite=True)
    with pytest.raises(ConflictError, match="another writer committed first"):
        two.add(x, ids=[60, 61], payload=payload)  # another index now: its vectors may mean something else
    assert len(HierIndex.open("s3://shelf/two.index", storage_options=options)) == 20


def test_a_number_taken_by_another_writer_is_left_to_it(options, monkeypatch):
    place = place_of("s3://shelf/numbers.index", options)
    store = Store.create(place, points_of(9), tree_of(4), MODEL)
    blind = iter([[]])  # it looked before the other one wrote
    monkeypatch.setattr(files, "_names", lambda folder: next(blind, ["000001.parquet"]))
    store.commit(tree=tree_of(4, seed=3))
    monkeypatch.undo()
    assert Store.open(place).history()[0].tree == 2
    assert_contents(Store.open(place, 0).load(), points_of(9), tree_of(4))
    with pytest.raises(FileExistsError, match=r"000001\.parquet exists already"):
        (place / "tree" / "000001.parquet").create(b"another")


def test_options_may_come_from_the_environment(options, monkeypatch):
    seed_index().save("s3://shelf/env.index", storage_options=options)
    for name, value in options.items():
        monkeypatch.setenv(name, value)
    assert len(HierIndex.open("s3://shelf/env.index")) == 20


def test_addresses_and_stores_that_are_not_there(options):
    with pytest.raises(InputError, match=r"path should be the address of an object store.*found 'nowhere://x'"):
        HierIndex.open("nowhere://x")
    with pytest.raises(InputError, match="with options that it knows"):
        HierIndex.open("s3://shelf/v", storage_options={"NONSENSE": "1"})
    with pytest.raises(StorageError, match="no-such-bucket"):
        HierIndex.open("s3://no-such-bucket/v.index", storage_options=options)
    with pytest.raises(StorageError, match="no-such-bucket"):
        seed_index().save("s3://no-such-bucket/v.index", storage_options=options)


def test_a_damaged_object_is_named(options):
    place = place_of("s3://shelf/damaged.index", options)
    seed_index().save("s3://shelf/damaged.index", storage_options=options)
    part = next(file for file in place.listed() if "part-" in file.name)
    at = place / "points" / Path(part.name).name
    whole = at.read_bytes()
    at.remove()
    with pytest.raises(CorruptIndexError, match=r"s3://shelf/damaged\.index/points/part-.*no such file"):
        HierIndex.open("s3://shelf/damaged.index", storage_options=options)
    at.create(whole[:-9])
    with pytest.raises(CorruptIndexError, match="bytes where the log says"):
        HierIndex.open("s3://shelf/damaged.index", storage_options=options)


def test_the_package_does_without_obstore_on_a_disk(tmp_path):
    seed_index().save(tmp_path / "v.index")
    code = "import sys; sys.modules['obstore'] = None\nfrom hierindex import HierIndex\n"
    code += "print(len(HierIndex.open(sys.argv[1])))\n"
    code += "try: HierIndex.open('s3://b/v')\nexcept ImportError as e: print(e)"
    words = [sys.executable, "-c", code, str(tmp_path / "v.index")]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONWARNINGS": ""})
    assert done.stdout.splitlines()[0] == "20"
    assert "pip install 'hierindex[cloud]'" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="private mappings are of Linux and macOS")
def test_rows_of_an_index_in_a_store_are_mapped_from_a_folder_here(options, tmp_path):
    seed_index(flat=False).save("s3://shelf/mapped.index", storage_options=options)
    with pytest.raises(InputError, match=r"rows_folder should name a folder on this machine, for s3://shelf/mapped"):
        HierIndex.open("s3://shelf/mapped.index", storage_options=options, rows="mapped")
    how = {"storage_options": options, "rows": "mapped", "rows_folder": tmp_path / "rows"}
    held, mapped = (HierIndex.open("s3://shelf/mapped.index", **each) for each in ({"storage_options": options}, how))
    x, payload = points(range(20, 30), 1)
    held.add(x, ids=range(20, 30), payload=payload)
    assert mapped.refresh()
    assert state_of(mapped) == state_of(held) == state_of(HierIndex.open("s3://shelf/mapped.index", **how))
    assert sorted(path.name for path in (tmp_path / "rows").iterdir()) == ["000001.f32", "000001.json"]
