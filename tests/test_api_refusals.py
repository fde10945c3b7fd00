"""Bad input, as a user of the library meets it: what was asked, what was found, what to do."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch
from PIL import Image

from hierindex import BuildConfig, HierIndex, HierIndexError
from hierindex.errors import (
    DuplicateIdError,
    EmptyInputError,
    ImageError,
    InputError,
    NoEncoderError,
    NotAnIndexError,
    StorageError,
)

IMAGES = np.random.default_rng(0).integers(0, 255, (12, 8, 8, 3), dtype=np.uint8)


def refused(error, words, images, **named):
    """Building must raise this, and be one of ours."""
    with pytest.raises(error, match=words) as caught:
        HierIndex.build(images, progress=False, **named)
    assert isinstance(caught.value, HierIndexError)


def test_images_that_are_no_images():
    refused(InputError, "NaN", np.full((4, 8, 8, 3), np.nan))
    refused(InputError, "shape", np.zeros((4, 8)))
    refused(InputError, "complex", np.zeros((4, 8, 8), np.complex64))
    refused(InputError, "range|between|in 0", np.full((4, 8, 8, 3), -3.0))
    refused(EmptyInputError, "images", np.zeros((0, 8, 8, 3), np.uint8))
    refused(EmptyInputError, "images", [])
    refused(InputError, "at least 2.*found 1", IMAGES[:1])


def test_images_that_do_not_fit_together():
    small = [Image.new("RGB", (8, 8)), Image.new("RGB", (9, 8)), Image.new("RGB", (8, 8))]
    refused(ImageError, "image_size=", small)
    mixed = [Image.new("RGB", (8, 8)), Image.new("L", (8, 8))]
    refused(ImageError, "mode=", mixed)


def test_an_unreadable_file_is_named_and_skipped_only_if_asked(photos, quick):
    (photos / "odd" / "001.png").write_bytes(b"this is no picture")
    refused(ImageError, r"odd/001\.png", photos, config=quick)
    skip = BuildConfig(learn=quick.learn, on_error="skip")
    index = HierIndex.build(photos, config=skip, ids=range(100, 140), payload={"n": range(40)}, progress=False)
    assert len(index) == 39
    assert any("001.png" in name for name in index.info()["learned"]["skipped"])
    gone = 100 + sorted(str(p.relative_to(photos)) for p in photos.rglob("*.png")).index("odd/001.png")
    assert gone not in index.ids
    assert (index.ids - 100 == index.payload()["n"].to_numpy()).all()  # ids and payload left out the same image


def test_folders_without_images(tmp_path):
    refused(EmptyInputError, r"\.png", tmp_path)
    refused(InputError, "nothing|no such|exist", tmp_path / "no-such-folder")


def test_ids_and_payload_that_do_not_fit(vectors, quick):
    for ids, error, words in (
        ([1, 2, 2], DuplicateIdError, r"\[2\]"),
        ([1, 2], InputError, "ids should be 3"),
        ([0.5, 1.5, 2.5], InputError, "all integers or all non-empty strings"),
    ):
        with pytest.raises(error, match=words):
            HierIndex.from_vectors(vectors[:3], ids=ids, config=quick)
    for payload, words in (
        ({"a": [1, 2]}, "payload should have 3 rows"),
        (7, "found int"),
        ({"a": object()}, "payload"),
    ):
        with pytest.raises(InputError, match=words):
            HierIndex.from_vectors(vectors[:3], payload=payload, config=quick)


def test_vectors_that_are_no_vectors(vectors, quick):
    with pytest.raises(InputError, match=r"NaN or infinity in 1 row\(s\): \[0\]"):
        HierIndex.from_vectors([[np.nan, 1.0], [1.0, 2.0]])
    with pytest.raises(EmptyInputError, match="at least one vector"):
        HierIndex.from_vectors(np.zeros((0, 3)))
    with pytest.raises(EmptyInputError, match="at least 2 vectors; found 1"):
        HierIndex.from_vectors(vectors[0])
    with pytest.raises(InputError, match="'cosine', 'l2', 'ip'; found 'hamming'"):
        HierIndex.from_vectors(vectors, metric="hamming")


@pytest.fixture(scope="module")
def index(vectors, quick):
    return HierIndex.from_vectors(vectors[:60], payload={"a": range(60)}, config=quick)


def test_searches_that_cannot_be(index, vectors):
    with pytest.raises(InputError, match="k should be an integer of at least 1; found 0"):
        index.search(vectors[0], k=0)
    with pytest.raises(InputError, match=r"recall should be above 0 and at most 1; found 1\.5"):
        index.search(vectors[0], recall=1.5)
    with pytest.raises(InputError, match="nprobe should be at least 1"):
        index.search(vectors[0], nprobe=0)
    with pytest.raises(InputError, match="query should have 10 dimensions, as the index has; found 3"):
        index.search([1.0, 2.0, 3.0])
    with pytest.raises(InputError, match="NaN"):
        index.search(np.full(10, np.nan))
    with pytest.raises(InputError, match=r"columns \['a'\]"):
        index.search(vectors[0], filter=pc.field("b") > 1)
    with pytest.raises(InputError, match=r"boolean array \(60,\)"):
        index.search(vectors[0], filter=np.ones(3, bool))
    with pytest.raises(InputError, match="one vector or image to explain; found 2"):
        index.explain(vectors[:2])


def test_images_need_an_encoder(index, tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    for image in (tmp_path / "a.png", str(tmp_path / "a.png"), Image.new("L", (8, 8)), [tmp_path / "a.png"]):
        with pytest.raises(NoEncoderError, match="built from vectors and holds no encoder"):
            index.search(image)


def test_additions_that_do_not_fit_change_nothing(vectors, quick):
    index = HierIndex.from_vectors(vectors[:60], payload={"a": range(60)}, config=quick)
    before = index.search(vectors[60:70], k=3)
    for points, named, error, words in (
        (vectors[60:62], {"ids": [59, 60], "payload": {"a": [1, 2]}}, DuplicateIdError, r"\[59\]"),
        (vectors[60:62], {"ids": ["a", "b"], "payload": {"a": [1, 2]}}, InputError, "integers"),
        (vectors[60:62], {"payload": {"b": [1, 2]}}, InputError, "columns"),
        (vectors[60:62], {}, InputError, "payload"),
        (vectors[60:62, :4], {"payload": {"a": [1, 2]}}, InputError, "10 dimensions"),
        (np.full((2, 10), np.inf), {"payload": {"a": [1, 2]}}, InputError, "infinity"),
    ):
        with pytest.raises(error, match=words):
            index.add(points, **named)
    after = index.search(vectors[60:70], k=3)
    assert len(index) == 60
    np.testing.assert_array_equal(after.ids, before.ids)


def test_string_ids_are_needed_where_the_index_has_them(vectors, quick):
    index = HierIndex.from_vectors(vectors[:3], ids=["a", "b", "c"], config=quick)
    with pytest.raises(InputError, match="those of this index are strings"):
        index.add(vectors[3:5])


def test_paths_that_are_no_index(tmp_path, vectors, quick):
    with pytest.raises(NotAnIndexError, match="found nothing there"):
        HierIndex.open(tmp_path / "none")
    (tmp_path / "file").write_text("hello")
    with pytest.raises(NotAnIndexError, match="found a file"):
        HierIndex.open(tmp_path / "file")
    (tmp_path / "folder").mkdir()
    with pytest.raises(NotAnIndexError, match="folder"):
        HierIndex.open(tmp_path / "folder")
    with pytest.raises(StorageError, match="should be free"):
        HierIndex.from_vectors(vectors[:9], config=quick, path=tmp_path / "file")
    with pytest.raises(InputError, match="refresh should come after save or open"):
        HierIndex.from_vectors(vectors[:9], config=quick).refresh()


def test_a_query_image_of_another_size_is_refused_or_resized(image_index, tmp_path):
    with pytest.raises(InputError, match=r"\(8, 8, 1\)"):
        image_index.search(np.zeros((9, 9), np.uint8))
    Image.new("L", (30, 20), 200).save(tmp_path / "large.png")
    assert image_index.search(tmp_path / "large.png", k=1).found.tolist() == [1]


def test_a_network_that_is_no_encoder(digits, quick):
    with pytest.raises(InputError, match=r"module|encoder"):
        HierIndex.build(digits[:20], encoder=torch.nn.Conv2d(1, 1, 99), config=quick, progress=False)


def test_an_index_that_was_emptied_still_answers(vectors, quick):
    index = HierIndex.from_vectors(vectors[:20], config=quick)
    index.delete(index.ids)
    assert len(index) == 0
    assert index.search(vectors[0], k=2).found.tolist() == [0]
    with pytest.raises(EmptyInputError, match="at least one point; found none"):
        _ = index.tree
    index.add(vectors[20:30], ids=range(50, 60))
    assert index.search(vectors[25], k=1).ids.tolist() == [[55]]
    assert index.tree.n == 10


def test_tables_of_every_kind_are_payload(vectors, quick):
    columns = {"a": [1, 2, 3]}
    for payload in (columns, pa.table(columns), pa.record_batch(columns), pa.table(columns).to_pylist()):
        assert HierIndex.from_vectors(vectors[:3], payload=payload, config=quick).payload().to_pydict() == columns
