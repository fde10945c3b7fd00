"""Every system of the search benchmark finds what it should, kept and loaded again; and the ann-benchmarks module."""

import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from benchmarks.searching.catalogue import SYSTEMS
from benchmarks.searching.data import DataSet
from benchmarks.searching.judge import recall_of
from benchmarks.searching.shelf import Shelf
from benchmarks.searching.truth import exact, unit_rows
from hierindex import BuildConfig, HierIndex
from hierindex.learning.config import HeadConfig, LearnConfig

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = {"hnswlib": "hnswlib", "usearch": "usearch", "ScaNN": "scann"}
RIVALS = [name for name in SYSTEMS if name != "hierindex"]


@pytest.fixture(scope="module", params=["l2", "cosine"])
def data(request):
    rng = np.random.default_rng(0)
    base, queries = (rng.normal(size=(m, 16)).astype(np.float32) for m in (2_000, 50))
    if request.param == "cosine":
        base, queries = unit_rows(base), unit_rows(queries)
    reach, truth = exact(base, queries, 10)
    return DataSet("made", request.param, base, queries, truth, reach, {})


@pytest.fixture
def quick_build(monkeypatch):
    """Ours, learning next to nothing."""
    config = BuildConfig(learn=LearnConfig(head=HeadConfig(steps=20)))
    slow = HierIndex.from_vectors
    monkeypatch.setattr(HierIndex, "from_vectors", lambda x, **more: slow(x, **more, config=config))


def recall(system, data, setting, threads=1):
    system.use(setting, threads)
    return recall_of(system.many(data.queries, 10), data, 10)


@pytest.mark.parametrize("name", RIVALS)
@pytest.mark.filterwarnings("default")  # what other packages warn of is theirs
def test_a_rival_finds_more_with_more_effort_and_the_same_after_loading(name, data, tmp_path):
    if name in PACKAGE:
        pytest.importorskip(PACKAGE[name])
    kind = SYSTEMS[name]
    builds = kind.builds(*data.base.shape, data.metric)
    params = builds[0]
    system = kind.build(data.base, data.metric, params, 1)
    for line in system.settings():
        least, most = (recall(system, data, setting) for setting in (line[0], line[-1]))
        assert most >= least
    best = system.settings()[0][-1]
    reached = recall(system, data, best)
    assert reached > 0.9
    alone = np.concatenate([system.one(data.queries[i : i + 1], 10) for i in range(len(data.queries))])
    assert alone.shape == (50, 10)
    assert recall_of(alone, data, 10) == pytest.approx(reached, abs=0.01)
    assert recall(system, data, best, threads=2) == pytest.approx(reached, abs=0.01)
    if kind.kept:
        system.save(tmp_path / "kept.index")
        again = kind.load(tmp_path / "kept.index", data.base, data.metric, params)
        assert recall(again, data, best) == reached
        first = [s.settings()[0][0] for s in (system, again)]
        assert recall(again, data, first[0]) == recall(system, data, first[1])


@pytest.mark.usefixtures("quick_build")
def test_ours_is_asked_for_recall_and_nothing_else():
    rng = np.random.default_rng(0)
    base, queries = (rng.normal(size=(m, 8)).astype(np.float32) for m in (300, 50))
    reach, truth = exact(base, queries, 10)
    small = DataSet("made", "l2", base, queries, truth, reach, {})
    system = SYSTEMS["hierindex"].build(base, "l2", {}, 1)
    assert recall(system, small, {"recall": 0.95}) >= 0.9
    assert np.array_equal(system.one(queries[:1], 10), system.many(queries[:1], 10))
    assert set(system.facts()) == {"seconds", "search", "leaves"}
    profile = system.profile(queries[:5], 10, 0.9)
    assert profile["scanned"] == len(base)  # a small set is compared whole
    assert all(us >= 0 for us in profile["us"].values())


def test_a_build_is_measured_in_a_process_of_its_own_and_kept(tmp_path):
    """The set is named as a real one, so that the process finds its metric; what lies in its folder is ours."""
    rng = np.random.default_rng(0)
    base, queries = (rng.normal(size=(m, 16)).astype(np.float32) for m in (3_000, 20))
    (tmp_path / "bigann10k").mkdir()
    np.save(tmp_path / "bigann10k" / "base.npy", base)
    reach, truth = exact(base, queries, 10)
    one = DataSet("bigann10k", "l2", base, queries, truth, reach, {})
    name, params = "faiss IVF-Flat", {"nlist": 16}
    facts = Shelf(one, tmp_path, 1).facts(name, params)
    assert facts["seconds"] > 0
    assert facts["resident_bytes"] > 0.5 * base.nbytes
    (kept,) = (tmp_path / "bigann10k" / "builds-3000").glob("*.index")
    before = kept.stat().st_mtime_ns
    shelf = Shelf(one, tmp_path, 1)
    system = shelf.index(name, params)
    assert recall(system, one, {"nprobe": 16}) == 1
    assert shelf.facts(name, params) == facts
    assert kept.stat().st_mtime_ns == before
    assert shelf.index(name, params) is system
    shelf.put_back(name, params)
    assert shelf.index(name, params) is not system
    anew = Shelf(one, tmp_path, 1, frozenset({name}))
    assert anew.facts(name, params) != facts
    after = kept.stat().st_mtime_ns
    assert before < after
    anew.index(name, params)
    assert kept.stat().st_mtime_ns == after  # once for a shelf


# ---- ann-benchmarks


class BaseANN:
    """What that project's base class does, of what its runner calls (github.com/erikbern/ann-benchmarks, f402b2c)."""

    def get_batch_results(self):
        return self.res

    def __str__(self):
        return self.name


@pytest.fixture
def module(monkeypatch):
    """The module where that project would have it."""
    names = ["ann_benchmarks", "ann_benchmarks.algorithms", "ann_benchmarks.algorithms.base"]
    for name in [*names, "ann_benchmarks.algorithms.hierindex"]:
        package = types.ModuleType(name)
        package.__path__ = []
        monkeypatch.setitem(sys.modules, name, package)
    base = types.ModuleType("ann_benchmarks.algorithms.base.module")
    base.BaseANN = BaseANN
    monkeypatch.setitem(sys.modules, base.__name__, base)
    path = ROOT / "benchmarks" / "ann_benchmarks" / "module.py"
    spec = importlib.util.spec_from_file_location("ann_benchmarks.algorithms.hierindex.module", path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.mark.usefixtures("quick_build")
@pytest.mark.parametrize(("metric", "ours"), [("angular", "cosine"), ("euclidean", "l2")])
def test_the_module_does_what_the_runner_of_ann_benchmarks_calls(module, metric, ours):
    rng = np.random.default_rng(0)
    x, queries = (rng.normal(size=(m, 8)).astype(np.float32) for m in (400, 30))
    algorithm = module.HierIndex(metric)
    algorithm.fit(x)
    algorithm.set_query_arguments(0.9)
    assert str(algorithm) == "hierindex(recall=0.9)"
    single = [algorithm.query(v, 10) for v in queries]
    algorithm.batch_query(queries, 10)
    batch = algorithm.get_batch_results()
    a, b = (unit_rows(x), unit_rows(queries)) if ours == "cosine" else (x, queries)
    truth = exact(a, b, 10)[1]
    for found in (single, batch):
        for row, wanted in zip(found, truth, strict=True):
            assert len(row) == len(set(row)) == 10
            assert set(map(int, row)) == set(wanted)  # so few rows are all compared


def test_the_module_refuses_distances_that_it_has_not(module):
    with pytest.raises(NotImplementedError, match=r"\['angular', 'euclidean'\] here; found 'jaccard'"):
        module.HierIndex("jaccard")


def test_the_configuration_names_the_constructor_and_recalls(module):
    text = (ROOT / "benchmarks" / "ann_benchmarks" / "config.yml").read_text()
    (name,) = [line.split(":")[1].strip() for line in text.splitlines() if "constructor:" in line]
    assert hasattr(module, name)
    (line,) = [line for line in text.splitlines() if "query_args:" in line]
    recalls = [float(word) for word in line.split("[[")[1].rstrip("]").split(",")]
    assert recalls == sorted(recalls)
    assert all(0 < each <= 1 for each in recalls)
