"""What a search answers, for images and for vectors, beside plain NumPy."""

import numpy as np
import pyarrow.compute as pc
import pytest
from PIL import Image

from hierindex import BuildConfig, HierIndex
from hierindex.errors import InputError
from hierindex.index.config import IndexConfig
from hierindex.vectors import Metric


def by_hand(metric, q, x, k):
    """The k nearest rows of each query and their distances, in float64."""
    q, x = q.astype(np.float64), x.astype(np.float64)
    if metric == "l2":
        distance = np.linalg.norm(q[:, None] - x[None], axis=2)
    else:
        if metric == "cosine":
            q, x = (a / np.linalg.norm(a, axis=1, keepdims=True) for a in (q, x))
        distance = (metric == "cosine") - q @ x.T
    order = np.argsort(distance, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(distance, order, axis=1)


@pytest.mark.parametrize("metric", ["cosine", "l2", "ip"])
@pytest.mark.parametrize("flat_below", [20_000, 0])
def test_full_recall_is_what_numpy_finds(metric, flat_below, vectors, quick):
    config = BuildConfig(learn=quick.learn, index=IndexConfig(flat_below=flat_below))
    index = HierIndex.from_vectors(vectors[:250], metric=metric, config=config)
    hits = index.search(vectors[250:], k=7, recall=1.0)
    ids, distances = by_hand(metric, vectors[250:], vectors[:250], 7)
    np.testing.assert_array_equal(hits.ids, ids)
    np.testing.assert_allclose(hits.distances, distances, atol=1e-5)


def test_probing_every_leaf_of_a_small_set_is_the_same_as_comparing_all(vectors, quick):
    index = HierIndex.from_vectors(vectors, metric="l2", config=quick)
    leaves = len(index.leaf_sizes())
    assert leaves > 4
    whole, routed = index.search(vectors + 0.1, k=5, recall=1.0), index.search(vectors + 0.1, k=5, nprobe=leaves)
    np.testing.assert_array_equal(routed.ids, whole.ids)
    one = index.search(vectors + 0.1, k=5, nprobe=1)
    assert (one.ids != whole.ids).any()  # nprobe is heard on small sets too


def test_an_image_finds_itself_in_whatever_form_it_comes(image_index, digits, tmp_path):
    file = tmp_path / "query.png"
    Image.fromarray(digits[17, ..., 0]).save(file)
    forms = [digits[17], digits[17, ..., 0], digits[17][None], file, str(file), [file], Image.open(file)]
    for form in [*forms, digits[17].astype(np.float32) / 255, image_index.vectors([17])]:
        hits = image_index.search(form, k=2)
        assert hits.ids[0, 0] == 17
        assert hits.distances[0, 0] < 1e-5


def test_distances_are_cosine_distances_of_the_encodings(image_index, digits):
    hits = image_index.search(digits[100:], k=5)
    q = image_index.encode(digits[100:])
    for row, ids, distances in zip(q, hits.ids, hits.distances, strict=True):
        np.testing.assert_allclose(1 - image_index.vectors(ids) @ row, distances, atol=1e-5)
    assert (np.diff(hits.distances, axis=1) >= 0).all()


def test_hits_stand_in_the_leaf_at_the_end_of_their_path(image_index, digits):
    hits = image_index.search(digits[100:110], k=3)
    for ids, leaves in zip(hits.ids, hits.leaves, strict=True):
        assert [image_index.path(int(i))[-1] for i in ids] == leaves.tolist()


def test_fewer_points_than_asked_for_leave_gaps(vectors, quick):
    numbers = HierIndex.from_vectors(vectors[:3], config=quick).search(vectors[0], k=5)
    assert numbers.found.tolist() == [3]
    assert numbers.ids[0, 3:].tolist() == [-1, -1]
    assert np.isinf(numbers.distances[0, 3:]).all()
    words = HierIndex.from_vectors(vectors[:3], ids=["a", "b", "c"], config=quick).search(vectors[0], k=4)
    assert words.ids[0, 0] == "a"
    assert words.ids[0, 3] is None


@pytest.mark.parametrize("flat_below", [20_000, 0])
def test_filters_give_k_matching_results(flat_below, vectors, quick):
    config = BuildConfig(learn=quick.learn, index=IndexConfig(flat_below=flat_below))
    payload = {"group": (np.arange(300) % 30).tolist(), "name": [f"n{i}" for i in range(300)]}
    index = HierIndex.from_vectors(vectors, metric="l2", payload=payload, config=config)
    hits = index.search(vectors[:5], k=10, filter=pc.field("group") == 7)
    assert (hits.found == 10).all()
    assert (hits.ids % 30 == 7).all()
    matching = np.flatnonzero(np.arange(300) % 30 == 7)
    same = index.search(vectors[:5], k=10, filter=np.isin(index.ids, matching))
    np.testing.assert_array_equal(same.ids, hits.ids)
    want, _ = by_hand("l2", vectors[:5], vectors[matching], 10)
    np.testing.assert_array_equal(hits.ids, matching[want])
    nothing = index.search(vectors[0], k=2, filter=pc.field("name") == "none")
    assert nothing.found.tolist() == [0]


def test_explain_says_what_was_scanned(vectors, quick):
    flat = HierIndex.from_vectors(vectors, config=quick).explain(vectors[0])
    assert flat.exact
    assert flat.scanned == 300
    config = BuildConfig(learn=quick.learn, index=IndexConfig(flat_below=0))
    index = HierIndex.from_vectors(vectors, metric="l2", config=config)
    told = index.explain(vectors[0], k=1, recall=0.5)
    assert not told.exact
    assert set(told.leaves) <= set(range(len(index.browse().ball) * 10_000))
    assert 0 < told.scanned < 300
    assert index.path(0)[-1] in told.leaves


def test_info_says_how_it_searches(vectors, quick):
    info = HierIndex.from_vectors(vectors, config=quick).info()
    assert info["search"]["mode"].startswith("flat: 300 points")
    assert info["leaves"]["number"] == len(HierIndex.from_vectors(vectors, config=quick).leaf_sizes())
    config = BuildConfig(learn=quick.learn, index=IndexConfig(flat_below=0))
    assert HierIndex.from_vectors(vectors, config=config).info()["search"]["mode"].startswith("through leaves")


def test_flat_faiss_is_never_beaten_in_recall_only_matched(vectors, quick):
    index = HierIndex.from_vectors(vectors, metric="l2", config=quick)
    measured = index.compare_with_flat(vectors[:20] + 0.01, k=5)
    assert [m.asked for m in measured] == [0.9, 0.95, 0.99, 1.0]
    assert all(m.recall == 1 for m in measured)
    assert all(m.recall == 1 for m in index.compare_with_flat(k=5, limit=20))


def test_metric_of_images_is_cosine(image_index):
    assert image_index.metric is Metric.COSINE
    np.testing.assert_allclose(np.linalg.norm(image_index.vectors(), axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("metric", ["cosine", "l2", "ip"])
def test_a_radius_finds_all_within_it(metric, vectors, quick):
    names = [f"p{i}" for i in range(250)]
    index = HierIndex.from_vectors(vectors[:250], metric=metric, ids=names, config=quick)
    order, distances = by_hand(metric, vectors[250:], vectors[:250], 250)
    radius = float(distances[:, 8].mean() + distances[:, 9].mean()) / 2
    near = index.search(vectors[250:], radius=radius)
    assert len(near) == 50
    assert near.found.tolist() == (distances <= radius).sum(axis=1).tolist()
    for found, rows, expected in zip(near, order, distances, strict=True):
        assert [hit.id for hit in found] == [names[row] for row in rows[expected <= radius]]
        np.testing.assert_allclose([hit.distance for hit in found], expected[expected <= radius], atol=1e-5)
        assert all(index.path(hit.id)[-1] == hit.leaf for hit in found)
    few = index.search(vectors[250:], k=5, radius=radius, recall=1.0)
    for first, all_of_them in zip(few, near, strict=True):
        assert first == all_of_them[:5]
    assert max(few.found) == 5


def test_a_radius_and_a_filter(vectors, quick):
    index = HierIndex.from_vectors(vectors, metric="l2", payload={"odd": np.arange(300) % 2}, config=quick)
    odd = index.search(vectors[:9], radius=1.0, filter=pc.field("odd") == 1)
    assert len(odd.ids) > 9
    for found, everything in zip(odd, index.search(vectors[:9], radius=1.0), strict=True):
        assert found == [hit for hit in everything if hit.id % 2]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"radius": float("nan")}, "radius should be a finite number"),
        ({"radius": -1.0, "k": 3}, "radius should be 0 or above"),
        ({"radius": 1.0, "nprobe": 3}, "nprobe should come with k"),
        ({"radius": 1.0, "num_threads": 0}, "num_threads should be an integer of at least 1"),
        ({"num_threads": 1.5}, "num_threads should be an integer of at least 1"),
        ({"radius": 1.0, "k": 0}, "k should be an integer of at least 1"),
    ],
)
def test_questions_by_radius_that_make_no_sense(how, message, vectors, quick):
    index = HierIndex.from_vectors(vectors[:30], config=quick)
    with pytest.raises(InputError, match=message):
        index.search(vectors[:2], **how)


def test_memory_is_counted_by_part(vectors, quick):
    wide = np.tile(vectors, 2)  # 20 dimensions: coded
    config = BuildConfig(learn=quick.learn, index=IndexConfig(flat_below=0, n_leaves=10))
    index = HierIndex.from_vectors(wide, payload={"number": np.arange(300)}, config=config)
    memory = index.info()["memory"]
    codes = index._view.snapshot.packed.codes.values.shape[1]
    assert memory["rows"] == 80
    assert memory["codes"] == 2 * codes
    assert memory["ids"] == 8 + 8 + 4
    assert memory["payload"] == 8
    assert memory["columns"] == 24
    assert memory["all"] == pytest.approx(sum(value for name, value in memory.items() if name != "all"), abs=0.5)
    small = HierIndex.from_vectors(vectors, config=quick).info()["memory"]
    assert (small["rows"], small["codes"], small["ids"], small["payload"]) == (40, 0, 8, 0)
