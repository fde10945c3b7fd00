"""The law of sources: whatever form the images come in, the same pixels come out."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from source_samples import Things, every_form, picture, random_images

from hierindex.learning.sources import base, open_images

COLOUR = random_images(7, 9, 12, 3)
GREY = random_images(7, 9, 12, 1)


@pytest.fixture(scope="module")
def forms(tmp_path_factory):
    return {c: every_form(images, tmp_path_factory.mktemp(f"channels{c}")) for c, images in ((1, GREY), (3, COLOUR))}


@pytest.mark.parametrize("images", [GREY, COLOUR], ids=["grey", "colour"])
@pytest.mark.parametrize("budget", [1 << 30, 1], ids=["held", "lazy"])
def test_every_form_of_the_same_images_reads_back_the_same_pixels(forms, images, budget, monkeypatch):
    monkeypatch.setattr(base, "BUDGET", budget)
    rows = np.array([6, 0, 3, 3])
    for name, form in forms[images.shape[-1]].items():
        source = open_images(form)
        assert len(source) == 7, name
        assert source.shape == images.shape[1:], name
        got = source.read(rows)
        assert got.dtype == np.uint8, name
        assert got.flags.c_contiguous, name
        np.testing.assert_array_equal(got, images[rows], err_msg=name)
        np.testing.assert_array_equal(source.read(np.arange(7)), images, err_msg=name)
        assert source.read(np.array([], np.int64)).shape == (0, *images.shape[1:]), name
        np.testing.assert_array_equal(source.kept, np.arange(7), err_msg=name)
        assert source.skipped == (), name


@given(
    st.integers(1, 3),
    st.integers(5, 20),
    st.integers(5, 20),
    st.integers(1, 4),
    st.integers(0, 99),
    st.sampled_from(
        [lambda x: x, lambda x: x / 255, lambda x: torch.from_numpy(x), lambda x: (x / 255).astype(np.float32)]
    ),
)
def test_an_array_is_the_same_with_channels_first_or_last(n, h, w, c, seed, form):
    images = random_images(n, h, w, c, seed)
    first = np.ascontiguousarray(np.moveaxis(images, -1, 1))
    for x in (images, first, images[:, ::-1][:, ::-1]):
        source = open_images(form(np.ascontiguousarray(x)))
        assert source.shape == (h, w, c)
        np.testing.assert_array_equal(source.read(np.arange(n)), images)


@given(st.integers(5, 16), st.integers(17, 30), st.integers(17, 30))
def test_more_than_four_channels_are_told_where_the_sides_are_larger(c, h, w):
    images = random_images(2, h, w, c)
    for x in (images, np.moveaxis(images, -1, 1)):
        np.testing.assert_array_equal(open_images(x).read(np.arange(2)), images)


def test_what_is_read_is_the_readers_own():
    images = COLOUR.copy()
    source = open_images(images)
    source.read(np.array([2]))[...] = 0
    source.read(np.arange(7))[...] = 0
    np.testing.assert_array_equal(images, COLOUR)
    np.testing.assert_array_equal(source.read(np.arange(7)), COLOUR)


def test_a_uint8_array_is_not_copied():
    images = COLOUR.copy()
    assert np.shares_memory(open_images(images).pixels, images)
    assert np.shares_memory(open_images(np.moveaxis(images, -1, 1)).pixels, images)


def test_only_what_exceeds_the_budget_is_decoded_at_each_read(monkeypatch):
    data = Things([picture(x) for x in COLOUR])
    monkeypatch.setattr(base, "BUDGET", COLOUR.size)
    held = open_images(data)
    assert data.asked == 7
    held.read(np.arange(7))
    assert data.asked == 7
    monkeypatch.setattr(base, "BUDGET", COLOUR.size - 1)
    lazy = open_images(data)
    assert data.asked == 14
    lazy.read(np.array([1, 2]))
    assert data.asked == 16


def test_parquet_rows_are_read_again_when_the_cache_is_small(forms, monkeypatch):
    monkeypatch.setattr(base, "BUDGET", 1)
    monkeypatch.setattr("hierindex.learning.sources.parquet._CACHE", 1)
    rows = np.array([6, 0, 5, 1, 1, 2])
    for name in ("Parquet", "Parquets", "Parquet, Hugging Face"):
        np.testing.assert_array_equal(open_images(forms[3][name]).read(rows), COLOUR[rows], err_msg=name)


def test_many_images_are_decoded_in_blocks_and_stay_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr("hierindex.learning.sources.items._BLOCK", 5)
    monkeypatch.setattr("hierindex.learning.sources.items._SHARE", 2)
    monkeypatch.setattr("hierindex.learning.sources.items._WORKERS", 3)
    images = random_images(23, 6, 6, 3)
    np.testing.assert_array_equal(open_images(every_form(images, tmp_path)["folder"]).read(np.arange(23)), images)


def test_names_are_what_the_caller_knows_the_images_by(forms):
    names = {name: open_images(form).names for name, form in forms[3].items()}
    assert names["folder"] == [
        "a/000.png",
        "a/001.png",
        "a/002.png",
        "b/003.png",
        "b/004.png",
        "b/005.png",
        "b/006.png",
    ]
    assert names["files as text"] == forms[3]["files as text"]
    assert names["Parquet, Hugging Face"] == [f"{i}.png" for i in range(7)]
    assert names["Parquet"] is None
    assert names["Parquets"] is None  # one of the two has no paths
    assert names["array"] is names["pictures"] is names["data set of tuples"] is None
