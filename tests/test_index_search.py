"""Searching: the leaves give what flat FAISS gives, k results come back whenever k rows match."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from index_cases import add, build, mixture, slow_distances

from hierindex.errors import InputError
from hierindex.index import exact, updates
from hierindex.index.config import LeafScan
from hierindex.index.exact import exact_rows, in_order, joined, ranked
from hierindex.index.explain import NoWatch
from hierindex.index.native import Selector, nearest_among, scan_rows
from hierindex.index.points import OperatingPoint, OperatingPoints
from hierindex.index.search import Plan, allow, exactly, through_leaves
from hierindex.index.sieve import Sieve
from hierindex.vectors import Metric

METRICS = list(Metric)
SCANS = [LeafScan.FLAT, LeafScan.PQ]


def flat_faiss(rows, queries, k, metric):
    flat = faiss.IndexFlatIP(rows.shape[1]) if metric.by_product else faiss.IndexFlatL2(rows.shape[1])
    flat.add(rows)
    raw, ids = flat.search(queries, k)
    return ids, metric.distances(raw)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("scan", SCANS)
@pytest.mark.parametrize("d", [2, 7, 16, 100])
def test_all_leaves_give_what_flat_faiss_gives(metric, scan, d):
    snapshot = build(mixture(600, d), metric, flat_below=0, n_leaves=20, leaf_scan=scan)
    queries = metric.prepare(mixture(40, d, seed=1))
    turned = snapshot.packed.turned(queries)
    lists, _ = snapshot.packed.router.route(turned, len(snapshot.nodes.leaves))
    by_centroid = slow_distances(
        turned, snapshot.packed.turned(snapshot.nodes.leaf_centroids), Metric.IP if metric is Metric.IP else Metric.L2
    )
    gaps = np.diff(np.take_along_axis(by_centroid, lists, axis=1), axis=1)
    assert (gaps >= -1e-4).all()
    candidates = snapshot.packed.lists.scan(turned, lists, 600, None)
    rows, distances = ranked(queries, snapshot.rows, candidates, 10, metric)
    ids, true = flat_faiss(snapshot.rows, queries, 10, metric)
    np.testing.assert_allclose(distances, true, rtol=1e-4, atol=2e-5)
    assert (rows == ids).mean() > 0.99  # near ties may change places
    if scan is LeafScan.FLAT:
        through, _ = snapshot.search(queries, 10, nprobe=len(snapshot.nodes.leaves))
        np.testing.assert_array_equal(through, rows)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("flat_below", [0, 10_000])
def test_recall_one_is_exact_and_sorted(metric, flat_below):
    snapshot = build(mixture(300, 5), metric, flat_below=flat_below, n_leaves=12)
    queries = metric.prepare(mixture(33, 5, seed=2))
    rows, distances = snapshot.search(queries, 300, recall=1.0)
    true = slow_distances(queries, snapshot.rows, metric)
    np.testing.assert_allclose(distances, np.sort(true, axis=1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(true, rows, axis=1), distances, rtol=1e-4, atol=1e-5)
    assert (np.sort(rows, axis=1) == np.arange(300)).all()


@pytest.mark.parametrize("metric", [Metric.L2, Metric.COSINE])
@pytest.mark.parametrize("flat_below", [0, 10_000])
def test_a_stored_row_finds_itself_at_zero(metric, flat_below):
    snapshot = build(mixture(500, 16) + 30, metric, flat_below=flat_below, n_leaves=16)
    for batch in (snapshot.rows, snapshot.rows[:1]):
        rows, distances = snapshot.search(batch, 1, recall=0.99)
        assert (rows[:, 0] == np.arange(len(batch))).mean() > 0.98
        assert np.median(distances) < 1e-5


@pytest.fixture
def plain_faiss():
    """FAISS as in builds without AVX-512: matrix products from 20 queries on."""
    before = faiss.cvar.distance_compute_blas_threshold
    faiss.cvar.distance_compute_blas_threshold = 20
    yield
    faiss.cvar.distance_compute_blas_threshold = before


def test_far_from_the_origin_matrix_products_do_not_decide(plain_faiss):
    x = (5_000 + 0.01 * np.random.default_rng(0).normal(size=(400, 8))).astype(np.float32)
    distances = in_order(*exact_rows(x[:64], x, 5, by_product=False), Metric.L2)[1]
    np.testing.assert_allclose(distances, np.sort(slow_distances(x[:64], x, Metric.L2), axis=1)[:, :5], rtol=1e-4)


def test_matrix_products_decide_where_they_can(plain_faiss, monkeypatch):
    x = mixture(500, 8)
    pairs = []
    monkeypatch.setattr(exact, "_by_pairs", lambda queries, *_: pairs.append(len(queries)))
    found = in_order(*exact_rows(x[:64], x, 5, by_product=False), Metric.L2)[0]
    assert not pairs
    truth = np.argsort(slow_distances(x[:64], x, Metric.L2), axis=1, kind="stable")[:, :5]
    np.testing.assert_array_equal(found, truth)


@pytest.mark.parametrize("by_product", [False, True])
@pytest.mark.parametrize("dim", [1, 3, 8, 31, 128, 1_000])
def test_one_query_is_compared_row_by_row(dim, by_product):
    """`OneScan` compares once only: what FAISS says of one query's rows is, bit for bit, what it says of each pair."""
    x = np.random.default_rng(dim).normal(size=(277, dim)).astype(np.float32)
    for query in x[:20, None] + np.float32(0.3):
        ids, values = scan_rows(query, x, 9, by_product)
        again = nearest_among(query, x, ids, 9, by_product)
        np.testing.assert_array_equal(ids, again[0])
        np.testing.assert_array_equal(values, again[1])


def test_equal_distances_go_by_row():
    q = np.array([[1, 0]], np.float32)
    rows = np.array([[1, 0], [0, 1], [1 + 1e-6, 0], [1 + 1e-6, 1e-4]], np.float32)  # products above 1: all at 0
    ids, distances = ranked(q, rows, np.array([[3, 2, 1, 0, -1]]), 5, Metric.COSINE)
    assert ids.tolist() == [[0, 2, 3, 1, -1]]
    assert distances.tolist() == [[0, 0, 0, 1, np.inf]]


def test_candidates_are_joined_with_the_missing_behind():
    both = joined(np.array([[4, -1], [5, 6]]), np.array([[7, 8], [9, -1]]))
    assert both.tolist() == [[4, 7, 8, -1], [5, 6, 9, -1]]


def test_an_answer_does_not_depend_on_the_batch():
    snapshot = build(mixture(900, 16), flat_below=0, n_leaves=30)
    queries = mixture(64, 16, seed=3)
    rows, distances = snapshot.search(queries, 10, recall=0.9)
    for q in range(0, 64, 7):
        one_rows, one_distances = snapshot.search(queries[q : q + 1], 10, recall=0.9)
        np.testing.assert_array_equal(one_rows[0], rows[q])
        np.testing.assert_array_equal(one_distances[0], distances[q])


@pytest.mark.parametrize("flat_below", [0, 10_000])
@pytest.mark.parametrize("scan", SCANS)
def test_k_results_come_back_whenever_k_rows_match(flat_below, scan):
    n, k = 800, 10
    snapshot = build(mixture(n, 16), flat_below=flat_below, n_leaves=25, leaf_scan=scan)
    queries, rng = mixture(24, 16, seed=4), np.random.default_rng(5)
    true = slow_distances(queries, snapshot.rows, Metric.L2)
    for share in (0.004, 0.015, 0.05, 0.3, 0.9):
        mask = rng.random(n) < share
        rows, distances = snapshot.search(queries, k, recall=0.95, mask=mask)
        expected = min(k, int(mask.sum()))
        assert ((rows >= 0).sum(axis=1) == expected).all()
        assert mask[rows[rows >= 0]].all()
        assert np.isinf(distances[rows < 0]).all()
        best = np.sort(np.where(mask, true, np.inf), axis=1)[:, :expected]
        assert (np.isclose(distances[:, :expected], best, rtol=1e-4)).mean() > 0.85


def test_matching_rows_far_from_the_query_are_found_too():
    x = np.concatenate([mixture(600, 8), mixture(30, 8) + 50])
    snapshot = build(x, flat_below=0, n_leaves=25)
    mask = np.arange(len(x)) >= 600
    rows, _ = snapshot.search(x[:5], 10, recall=0.8, mask=mask)
    assert (rows >= 600).all()


def test_nothing_matches():
    snapshot = build(mixture(50, 4))
    rows, distances = snapshot.search(snapshot.rows[:3], 2, mask=np.zeros(50, bool))
    assert (rows == -1).all()
    assert np.isinf(distances).all()


@pytest.mark.parametrize("flat_below", [0, 100])
@pytest.mark.parametrize("n", [1, 2, 15, 40])
def test_fewer_rows_than_k(n, flat_below):
    snapshot = build(mixture(n, 3), flat_below=flat_below)
    rows, distances = snapshot.search(snapshot.rows[:1], 60)
    assert (rows[0, :n] >= 0).all()
    assert (np.diff(distances[0, :n]) >= 0).all()
    assert (rows[0, n:] == -1).all()
    assert np.isinf(distances[0, n:]).all()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("scan", SCANS)
def test_zero_vectors(metric, scan):
    x = mixture(200, 16)
    x[::10] = 0
    snapshot = build(x, metric, flat_below=0, n_leaves=9, leaf_scan=scan)
    queries = np.concatenate([np.zeros((1, 16), np.float32), metric.prepare(x[1:3])])
    _, distances = snapshot.search(queries, 200, recall=1.0)
    true = np.sort(slow_distances(queries, snapshot.rows, metric), axis=1)
    np.testing.assert_allclose(distances, true, rtol=1e-4, atol=1e-5)
    assert (snapshot.search(queries, 20, recall=0.9)[0] >= 0).all()


@pytest.mark.parametrize("scan", SCANS)
def test_identical_vectors(scan):
    snapshot = build(np.ones((300, 4), np.float32), flat_below=0, n_leaves=17, leaf_scan=scan)
    assert len(snapshot.nodes.leaves) == 1
    rows, distances = snapshot.search(snapshot.rows[:2], 300)
    np.testing.assert_array_equal(rows, np.tile(np.arange(300), (2, 1)))  # equal distances: by row
    assert (distances == 0).all()


@pytest.mark.parametrize("metric", METRICS)
def test_the_promise_holds_on_queries_never_seen(metric):
    snapshot = build(mixture(6_000, 24, spread=0.8), metric, flat_below=0, n_leaves=80)
    queries = metric.prepare(mixture(2_000, 24, seed=8, spread=0.8))
    truth = np.argsort(slow_distances(queries, snapshot.rows, metric), axis=1, kind="stable")
    for k in (1, 5, 10):
        for asked in (0.8, 0.9, 0.99):
            rows, _ = snapshot.search(queries, k, recall=asked)
            found = np.mean([len(np.intersect1d(a, b)) / k for a, b in zip(rows, truth[:, :k], strict=True)])
            assert found > asked - 0.02, (k, asked, found)


def test_less_recall_looks_at_less():
    snapshot = build(mixture(4_000, 16, spread=0.8), flat_below=0, n_leaves=60)
    query = mixture(1, 16, seed=5)
    low, high, exact = (snapshot.explain(query, 10, recall) for recall in (0.8, 0.99, 1.0))
    assert low.scanned < high.scanned < exact.scanned == 4_000
    assert exact.exact
    assert set(low.leaves) <= set(high.leaves) <= set(snapshot.nodes.leaves.tolist())
    assert sum(low.seconds.values()) > 0


def test_late_rows_are_found_and_folded():
    snapshot = build(mixture(1_000, 16), flat_below=0, n_leaves=20, tail_rows=50)
    base = snapshot.packed.base
    late = add(snapshot, mixture(30, 16, seed=6), np.arange(1_000, 1_030))
    assert late.packed.base == base
    assert (late.search(late.rows[1_000:], 1, recall=0.9)[0][:, 0] == np.arange(1_000, 1_030)).all()
    folded = add(late, mixture(30, 16, seed=7), np.arange(1_030, 1_060))
    assert folded.packed.base == 1_060
    assert (folded.search(folded.rows[1_000:], 1, recall=0.99)[0][:, 0] == np.arange(1_000, 1_060)).mean() > 0.97


def test_a_beam_goes_down_the_levels():
    snapshot = build(mixture(3_000, 16, spread=0.8), flat_below=0, n_leaves=200)
    queries = mixture(50, 16, seed=5, spread=0.8)
    truth = np.argsort(slow_distances(queries, snapshot.rows, Metric.L2), axis=1)[:, :10]
    where = snapshot.packed, Plan(beam=8, nprobe=60, candidates=200), allow(snapshot.ids.alive, 3_000)
    rows, _ = through_leaves(queries, snapshot.rows, 10, Metric.L2, where, NoWatch())
    assert len(snapshot.packed.router.widths) == 2
    assert np.mean([np.isin(a, b).mean() for a, b in zip(rows, truth, strict=True)]) > 0.9


def test_more_neighbours_than_were_tuned():
    snapshot = build(mixture(3_000, 16), flat_below=0, n_leaves=50)
    queries = mixture(20, 16, seed=9)
    rows, _ = snapshot.search(queries, 250, recall=0.9)
    truth = np.argsort(slow_distances(queries, snapshot.rows, Metric.L2), axis=1)[:, :250]
    assert np.mean([np.isin(a, b).mean() for a, b in zip(rows, truth, strict=True)]) > 0.88


def test_tuning_leaves_a_row_out_of_its_own_answer():
    snapshot = build(mixture(3_000, 16, spread=0.8), flat_below=0, n_leaves=50, leaf_scan=LeafScan.FLAT)
    for k in (1, 10, 100):
        point = snapshot.tuned.lookup(k, 0.95)
        assert point.nprobe < 50
        assert snapshot.tuned.lookup(k, 0.8).cost < point.cost


def test_operating_points():
    def at(k, recall, cost):
        return OperatingPoint(k, 4, 3, 2 * k, recall, cost)

    points = OperatingPoints((at(10, 0.8, 1.0), at(10, 0.97, 2.0), at(100, 0.9, 5.0)), 1_000, 30)
    assert points.lookup(7, 0.9) == at(10, 0.97, 2.0)
    assert points.lookup(10, 0.98) is None
    assert points.lookup(250, 0.9) == OperatingPoint(250, 12, 9, 600, 0.9, 15.0)
    assert OperatingPoints((), 5, 2).lookup(1, 0.1) is None
    assert [points.stale(*now) for now in ((1_500, 37), (1_501, 30), (1_000, 38))] == [False, True, True]
    assert OperatingPoints.from_json(json.loads(json.dumps(points.to_json()))) == points


def test_filters_are_expressions_or_arrays():
    table = pa.table({"price": [1.0, None, 3.0, 4.0], "kind": ["a", "b", "a", "b"]})
    snapshot = build(mixture(4, 3), payload=table)
    snapshot = updates.delete(snapshot, np.array([0]))
    mask = snapshot.mask(pc.field("price") > 2)
    assert mask.tolist() == [False, False, True, True]
    rows, _ = snapshot.search(snapshot.rows[:1], 4, mask=snapshot.mask(pc.field("kind") == "a"))
    assert rows[0].tolist() == [2, -1, -1, -1]  # row 0 is gone
    assert snapshot.mask(np.array([True, False, True])).tolist() == [False, True, False, True]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (pc.field("colour") == "red", "over the columns"),
        (pc.field("price") == "red", "pyarrow found"),
        (pc.field("price") + 1, "true-or-false"),
        (np.array([True]), r"boolean array \(4,\)"),
        (np.array([0, 1, 2, 3]), "array of int64"),
    ],
)
def test_filters_that_do_not_fit(wanted, message):
    snapshot = build(mixture(4, 3), payload=pa.table({"price": [1.0, 2.0, 3.0, 4.0]}))
    with pytest.raises(InputError, match=message):
        snapshot.mask(wanted)


def test_an_expression_needs_a_payload():
    with pytest.raises(InputError, match="no payload columns"):
        build(mixture(4, 3)).mask(pc.field("price") > 1)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"recall": 0.0}, "recall should be above 0"),
        ({"recall": 1.5}, "recall should be above 0"),
        ({"nprobe": 0}, "at least 1"),
        ({"k": 0}, "at least 1"),
        ({"mask": np.ones(3, bool)}, "mask should be bool"),
    ],
)
def test_wrong_questions(how, message):
    snapshot = build(mixture(10, 3))
    with pytest.raises(InputError, match=message):
        snapshot.search(snapshot.rows[:1], **({"k": 2} | how))


def test_a_selector_counts_and_keeps_its_bits():
    mask = np.random.default_rng(0).random(1_000) < 0.3
    selector = Selector(mask)
    x = mixture(1_000, 4)
    found = exact_rows(x[:30], x, int(mask.sum()), by_product=True, only=selector)[0]
    assert selector.count == mask.sum()
    assert (np.sort(found, axis=1) == np.flatnonzero(mask)).all()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("scan", SCANS)
def test_one_query_alone_gets_what_it_gets_in_a_batch(metric, scan):
    snapshot = build(mixture(3_000, 20, spread=0.8), metric, flat_below=0, n_leaves=70, leaf_scan=scan)
    queries = metric.prepare(mixture(40, 20, seed=4, spread=0.8))
    for how in ({"recall": 0.8}, {"recall": 0.97}, {"nprobe": 3}):
        rows, distances = snapshot.search(queries, 7, **how)
        alone = [snapshot.search(query[None], 7, **how) for query in queries]
        np.testing.assert_array_equal(np.concatenate([found for found, _ in alone]), rows)
        np.testing.assert_allclose(np.concatenate([found for _, found in alone]), distances, rtol=1e-6, atol=1e-6)


def test_of_equal_codes_one_query_alone_finds_those_that_it_finds_in_a_batch():
    """Both scan leaves in one order: codes at the last place among the candidates are often equal, the first wins."""
    rng = np.random.default_rng(0)
    snapshot = build(rng.random((6_000, 8), dtype=np.float32), Metric.L2, flat_below=0, n_leaves=77, leaf_scan="pq")
    queries = rng.random((300, 8), dtype=np.float32)
    for recall in (0.5, 0.8, 0.9):
        rows = snapshot.search(queries, 10, recall)[0]
        alone = [snapshot.search(query[None], 10, recall)[0] for query in queries]
        np.testing.assert_array_equal(np.concatenate(alone), rows)


def test_threads_do_not_share_their_buffers():
    snapshot = build(mixture(4_000, 16, spread=0.8), flat_below=0, n_leaves=60)
    queries = mixture(200, 16, seed=4, spread=0.8)
    expected = [snapshot.search(query[None], 5) for query in queries]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda query: snapshot.search(query[None], 5), np.concatenate([queries] * 5)))
    for got, wanted in zip(found, expected * 5, strict=True):
        np.testing.assert_array_equal(got[0], wanted[0])
        np.testing.assert_array_equal(got[1], wanted[1])


def clustered(x, share):
    side = x @ np.random.default_rng(3).normal(size=x.shape[1])
    return side <= np.quantile(side, share)


@pytest.mark.parametrize("metric", METRICS)
def test_the_promise_holds_with_filters(metric):
    snapshot = build(mixture(6_000, 24, spread=0.8), metric, flat_below=0, n_leaves=80)
    queries = metric.prepare(mixture(200, 24, seed=8, spread=0.8))
    true = slow_distances(queries, snapshot.rows, metric)
    uniform = np.random.default_rng(0).random(6_000)
    for share in (0.6, 0.3, 0.1):
        for mask in (uniform < share, clustered(snapshot.rows, share)):
            truth = np.argsort(np.where(mask, true, np.inf), axis=1, kind="stable")[:, :10]
            for asked in (0.8, 0.95):
                rows, _ = snapshot.search(queries, 10, recall=asked, mask=mask)
                found = np.mean([np.isin(a, b).mean() for a, b in zip(rows, truth, strict=True)])
                assert found > asked - 0.05, (share, asked, found)


def test_a_narrower_filter_scans_more_leaves_and_a_very_narrow_one_none(monkeypatch):
    snapshot = build(mixture(6_000, 24, spread=0.8), flat_below=0, n_leaves=80)
    queries, uniform = mixture(50, 24, seed=8, spread=0.8), np.random.default_rng(0).random(6_000)
    turned = snapshot.packed.turned(queries)

    def lists(mask, recall=0.9):
        leaves = Sieve.over(snapshot.packed, 10, snapshot.packed.matching(mask), snapshot.tuned, recall).leaves(turned)
        assert (np.diff((leaves >= 0).astype(int), axis=1) <= 0).all()  # -1 only at the ends
        return leaves

    counts = [int((lists(uniform < share) >= 0).sum()) for share in (0.3, 0.06)]
    assert counts[0] < counts[1] < 50 * 80
    one_leaf = snapshot.leaf == snapshot.nodes.leaves[7]
    assert set(np.unique(lists(one_leaf)).tolist()) <= {-1, 7}
    monkeypatch.setattr("hierindex.index.snapshot.through_leaves", None)
    assert (snapshot.search(queries, 5, mask=uniform < 0.01)[0] >= 0).all()  # fewer rows than leaves would cost


def test_searches_in_many_threads_see_one_snapshot_each_while_rows_come():
    state = [build(mixture(2_000, 16, spread=0.8), flat_below=0, n_leaves=40, tail_rows=100)]
    queries, uniform = mixture(20, 16, seed=4, spread=0.8), np.random.default_rng(0).random(3_000)
    failures, done = [], threading.Event()

    def ask(number):
        while not done.is_set():
            snapshot = state[0]
            mask = uniform[: len(snapshot.table)] < 0.3
            batch = [snapshot.search(queries, 5, num_threads=1 + number % 2) for _ in range(2)]
            within = [snapshot.within(queries[:8], 2.0, num_threads=1 + number % 2) for _ in range(2)]
            sifted = [snapshot.search(queries, 5, mask=mask) for _ in range(2)]
            single = np.concatenate([snapshot.search(query[None], 5)[0] for query in queries])
            same = all((a == b).all() for pair in (batch, sifted) for a, b in zip(*pair, strict=True))
            if not (same and (within[0].rows == within[1].rows).all() and (single == batch[0][0]).all()):
                failures.append(len(snapshot))
            if max(values.max() for values in (batch[0][0], within[0].rows)) >= len(snapshot):
                failures.append(len(snapshot))

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask, number) for number in range(4)]
        try:
            for step in range(4):
                first = 2_000 + 40 * step
                state[0] = add(state[0], mixture(40, 16, seed=10 + step), np.arange(first, first + 40))
        finally:
            done.set()
        for each in asking:
            each.result()
    assert not failures


def test_threads_are_the_ones_asked_for(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "hierindex.index.snapshot.exactly",
        lambda queries, *rest: seen.append(faiss.omp_get_max_threads()) or exactly(queries, *rest),
    )
    snapshot, before = build(mixture(100, 4), num_threads=3), faiss.omp_get_max_threads()
    snapshot.search(snapshot.rows, 2)
    snapshot.search(snapshot.rows, 2, num_threads=2)
    assert seen == [3, 2]
    assert faiss.omp_get_max_threads() == before
