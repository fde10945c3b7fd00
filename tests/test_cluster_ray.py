"""Real workers: a small Ray on this machine, started and ended here."""

import logging
import os
import signal
import threading
import time
import warnings
from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
import pytest
from cluster_cases import any_tree, cloud, same, saved

from hierindex import HierIndex
from hierindex.cluster import ClusterConfig, ClusterIndex, building
from hierindex.cluster.pieces import Reading
from hierindex.errors import DuplicateIdError, InputError, StorageError, UnknownIdError
from hierindex.index.config import IndexConfig

ray = pytest.importorskip("ray", reason="needs the extra 'cluster'")

# Ray's own: it leaves sockets and pipes of its processes to the garbage collector
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray.*"),
]

TWO = ClusterConfig(workers=2, replicas=2, cpus=0.1, timeout=60)


@pytest.fixture(scope="module", autouse=True)
def cluster():
    before = os.environ.get("RAY_AUTH_MODE")
    os.environ["RAY_AUTH_MODE"] = "disabled"  # this machine only; with a token Ray would write one into the home folder
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ray.init(
            num_cpus=2,
            include_dashboard=False,
            object_store_memory=128 * 2**20,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"env_vars": {"OMP_NUM_THREADS": "1"}},
        )
    yield
    ray.shutdown()
    if before is None:
        del os.environ["RAY_AUTH_MODE"]


@pytest.fixture
def index(tmp_path, quick):
    return saved(tmp_path / "index", cloud(2_000, 24, 0), quick, payload=prices(2_000))


def prices(n):
    return {"price": np.arange(n) % 100}


def answers_alike(path, cluster, queries, options=None):
    local = HierIndex.open(path, storage_options=options)
    assert local.version == cluster.version
    cheap = pc.field("price") < 30
    near, found = (each.search(queries, radius=4.0, filter=cheap) for each in (local, cluster))
    assert np.array_equal(near.lims, found.lims)
    assert same(near, found)
    assert same(local.diverse(queries[:3], 9, exclude=[1]), cluster.diverse(queries[:3], 9, exclude=[1]))
    assert cluster.payload([5]).equals(local.payload([5]))
    return all(
        same(local.search(queries, k, **how), cluster.search(queries, k, **how))
        for k, how in ((10, {}), (3, {"recall": 0.8}), (10, {"recall": 1.0}), (10, {"filter": cheap, "nprobe": 5}))
    )


def waited(condition):
    for _ in range(3_000):
        if condition():
            return True
        time.sleep(0.1)
    return False


def test_workers_answer_as_one_machine_and_follow_every_change(index, tmp_path):
    path, queries = tmp_path / "index", cloud(40, 24, 7)
    with ClusterIndex.open(path, cluster=TWO) as cluster:
        assert answers_alike(path, cluster, queries)
        assert cluster.add(cloud(50, 24, 3), payload=prices(50)).tolist() == list(range(2_000, 2_050))
        assert answers_alike(path, cluster, queries)
        assert cluster.delete([3, 2_001, 40], token="once") == 3
        assert cluster.delete([3, 2_001, 40], token="once") == 0
        assert answers_alike(path, cluster, queries)
        cluster.upsert(cloud(3, 24, 8), [7, 2_010, 9_000], payload=prices(3))
        assert cluster.update_payload([8, 2_011], prices(2)) == 2
        assert answers_alike(path, cluster, queries)
        assert len(cluster) == 2_048
        version = cluster.version
        with pytest.raises(DuplicateIdError, match=r"such as \[9000\]"):
            cluster.add(cloud(1, 24, 3), ids=[9_000])
        with pytest.raises(UnknownIdError, match="12345"):
            cluster.delete([12_345])
        with pytest.raises(InputError, match="24 dimensions"):
            cluster.search(cloud(2, 23, 0))
        assert cluster.version == version == HierIndex.open(path).version
        other = HierIndex.open(path)
        other.add(cloud(20, 24, 4), payload=prices(20))
        assert cluster.refresh()
        assert not cluster.refresh()
        assert answers_alike(path, cluster, queries)
        cluster.rebalance()
        assert answers_alike(path, cluster, queries)
        told = cluster.workers()
        assert [worker["leaves"] for worker in told] == [40, 40]


def test_late_rows_move_to_the_workers_when_there_are_many(tmp_path, quick):
    path, queries = tmp_path / "index", cloud(40, 24, 7)
    saved(path, cloud(2_000, 24, 0), quick, payload=prices(2_000), tail_rows=100)
    with ClusterIndex.open(path, cluster=replace(TWO, replicas=1, borders=0.0)) as cluster:
        cluster.add(cloud(90, 24, 3), payload=prices(90))
        assert sum(worker["rows"] for worker in cluster.workers()) == 2_000
        cluster.add(cloud(90, 24, 4), payload=prices(90))
        assert sum(worker["rows"] for worker in cluster.workers()) == 2_180
        assert answers_alike(path, cluster, queries)


def test_workers_read_and_follow_an_index_in_an_object_store(tmp_path, quick):
    boto3 = pytest.importorskip("boto3", reason="needs moto and obstore, of the extra dev")
    moto = pytest.importorskip("moto.server", reason="needs moto, of the extra dev")
    pytest.importorskip("obstore", reason="needs obstore, of the extra cloud")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        keys = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "region_name": "us-east-1"}
        client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", **keys)
        client.create_bucket(Bucket="shelf")
        client.close()
        options = {name.upper(): value for name, value in keys.items() if name != "region_name"} | {
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ALLOW_HTTP": "true",
        }
        index = saved(tmp_path / "index", cloud(1_000, 24, 0), quick, payload=prices(1_000))
        index.save("s3://shelf/one.index", storage_options=options)
        one = replace(TWO, replicas=1)
        with ClusterIndex.open("s3://shelf/one.index", cluster=one, storage_options=options) as cluster:
            queries = cloud(20, 24, 7)
            assert answers_alike("s3://shelf/one.index", cluster, queries, options)
            cluster.add(cloud(5, 24, 3), payload=prices(5))
            assert answers_alike("s3://shelf/one.index", cluster, queries, options)
    finally:
        server.stop()


def test_a_worker_killed_under_load_costs_no_answer(index, tmp_path):
    queries = cloud(30, 24, 7)
    whole = index.search(queries)
    with ClusterIndex.open(tmp_path / "index", cluster=TWO) as cluster:
        wrong, asked, over = [], [], threading.Event()

        def ask():
            while not over.is_set():
                found = cluster.search(queries)
                asked.append(1)
                if not (found.whole and same(whole, found)):
                    wrong.append(found)
                time.sleep(0.05)

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            assert waited(lambda: len(asked) > 4)
            victim = cluster.workers()[1]["pid"]
            os.kill(victim, signal.SIGKILL)
            assert waited(lambda: cluster.recoveries)
            before = len(asked)
            assert waited(lambda: len(asked) > before + 4)
        finally:
            over.set()
            for thread in threads:
                thread.join()
        assert not wrong
        assert [each.worker for each in cluster.recoveries] == [1]
        assert victim not in [worker["pid"] for worker in cluster.workers()]


def test_without_copies_answers_are_partial_until_the_leaves_are_read_again(index, tmp_path):
    queries = cloud(60, 24, 7)
    whole = index.search(queries, recall=1.0)
    with ClusterIndex.open(tmp_path / "index", cluster=replace(TWO, replicas=1)) as cluster:
        os.kill(cluster.workers()[0]["pid"], signal.SIGKILL)
        found = cluster.search(queries, recall=1.0)
        assert found.partial.all()
        assert waited(lambda: cluster.recoveries)
        assert same(whole, cluster.search(queries, recall=1.0))


def test_a_build_on_workers_is_a_whole_index(tmp_path, quick):
    x = cloud(4_000, 16, 0)
    np.save(tmp_path / "x.npy", x)
    config = replace(quick, index=IndexConfig(flat_below=500, n_leaves=40, num_threads=1))
    with any_tree():
        made = building.build(tmp_path / "x.npy", tmp_path / "index", metric="l2", config=config, cluster=TWO)
    index = HierIndex.open(tmp_path / "index")
    assert (made.points, made.version, index.version) == (4_000, 1, 1)
    assert np.array_equal(index.vectors(np.arange(4_000)), x)
    nodes, leaf = index._view.snapshot.nodes, index._view.snapshot.leaf
    assert nodes.leaves.tolist() == list(range(len(nodes.leaves)))
    assert np.array_equal(index._view.counts, nodes.count)
    assert (np.diff(leaf) >= 0).all()  # rows lie by leaf: a worker reads its own only
    queries = cloud(300, 16, 5)
    truth, found = index.search(queries, recall=1.0), index.search(queries, recall=0.9)
    share = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(truth.ids.tolist(), found.ids.tolist(), strict=True)])
    assert 0.87 < share < 1  # as promised, and by looking at a part of the rows
    with pytest.raises(StorageError, match="should be free"):
        building.build(tmp_path / "x.npy", tmp_path / "index", metric="l2", config=config, cluster=TWO)


def test_images_are_encoded_by_the_workers(photos, tmp_path, quick):
    made = building.build(photos, tmp_path / "index", reading=Reading(images=True), config=quick, cluster=TWO)
    index = HierIndex.open(tmp_path / "index")
    assert made.points == len(index) == 40
    some = sorted(index.ids.tolist())[::7]
    np.testing.assert_allclose(index.encode([photos / name for name in some]), index.vectors(some), atol=1e-5)
