"""Lists of pictures and arrays, and data sets: what an item may be, and how a bad one is named."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from source_samples import Things, encoded, picture, random_images
from torch.utils.data import IterableDataset, Subset, TensorDataset

from hierindex.errors import EmptyInputError, ImageError, InputError
from hierindex.learning.sources import base, open_images

IMAGES = random_images(5, 8, 9, 3)
PICTURES = [picture(x) for x in IMAGES]


@pytest.fixture(params=["held", "lazy"])
def budget(request, monkeypatch):
    if request.param == "lazy":
        monkeypatch.setattr(base, "BUDGET", 1)


def everything(source):
    return source.read(np.arange(len(source)))


def test_torch_data_sets_compose(budget):
    tensors = torch.from_numpy(IMAGES).permute(0, 3, 1, 2)
    data = Subset(TensorDataset(tensors, torch.arange(5)), [4, 2])
    np.testing.assert_array_equal(everything(open_images(data)), IMAGES[[4, 2]])


def test_a_data_set_that_can_only_be_iterated_over_is_refused():
    class Stream(IterableDataset):
        def __iter__(self):
            return iter(PICTURES)

    with pytest.raises(InputError, match=r"map-style data set with len.*found Stream; make a list"):
        open_images(Stream())


@pytest.mark.parametrize(
    ("item", "found"),
    [("a.png", "str"), (None, "NoneType"), ({"label": 3}, "dict"), ([[1, 2], [3, 4]], "list"), ((), "tuple")],
)
def test_an_item_that_is_no_image_is_named(item, found):
    with pytest.raises(InputError, match=rf"image 1 should be a PIL image, an array.*found {found}$"):
        open_images(Things([PICTURES[0], item]))


@pytest.mark.parametrize(
    ("array", "error", "words"),
    [
        (np.zeros(5), InputError, r"image 1 should be \(h, w\), \(h, w, c\) or \(c, h, w\); found shape \(5,\)"),
        (np.zeros((1, 8, 9, 3)), InputError, r"image 1 should be .*found shape \(1, 8, 9, 3\)"),
        (np.zeros((3, 9, 3)), InputError, "image 1 should have one small axis.*both are at most 4"),
        (np.zeros((0, 9, 3)), EmptyInputError, "image 1 should hold"),
        (np.array([["a"]]), InputError, "image 1 should hold grey levels.*found dtype <U1"),
        (np.full((8, 9, 3), np.nan), InputError, "image 1 should be finite; found NaN"),
        (np.full((8, 9, 3), 300), InputError, "image 1 should be uint8.*found int64 from 300 to 300"),
    ],
)
def test_an_array_that_is_no_image_is_named(array, error, words):
    with pytest.raises(error, match=words):
        open_images([IMAGES[0], array])


def test_mixed_sizes_and_channels_are_named(budget):
    with pytest.raises(ImageError, match="found image 0 of 9x8 and image 2 of 5x6 pixels; pass image_size"):
        open_images([*PICTURES[:2], random_images(1, 6, 5, 3)[0]])
    with pytest.raises(ImageError, match=r"found image 0 \(RGB\) and image 1 \(grey\); pass mode"):
        open_images([PICTURES[0], PICTURES[0].convert("L")])
    with pytest.raises(ImageError, match=r"found image 0 \(RGB\) and image 1 \(2 channels\)"):
        open_images([PICTURES[0], random_images(1, 8, 9, 2)[0]])
    mixed = [PICTURES[0], PICTURES[1].convert("L"), np.asarray(PICTURES[2].resize((30, 20))), encoded(IMAGES[3])]
    assert everything(open_images(mixed, mode="RGB", image_size=6)).shape == (4, 6, 6, 3)
    assert everything(open_images(mixed, mode="L", image_size=6)).shape == (4, 6, 6, 1)


def test_arrays_of_two_channels_stay_so(budget):
    images = random_images(3, 8, 9, 2)
    np.testing.assert_array_equal(everything(open_images(list(images))), images)


def test_float_arrays_must_agree_on_what_white_is(budget):
    bright, dark, black = (
        IMAGES[0].astype(np.float32),
        np.full((8, 9, 3), 0.4, np.float32),
        np.zeros((8, 9, 3), np.float32),
    )
    np.testing.assert_array_equal(everything(open_images([black, bright, black])), [black, IMAGES[0], black])
    np.testing.assert_array_equal(everything(open_images([black, dark]))[1], np.full((8, 9, 3), 102))
    for images in ([dark, bright], [bright, dark]):
        first = "01" if images[0] is dark else "10"
        with pytest.raises(
            InputError, match=rf"image {first[0]} in 0\.\.1 and image {first[1]} in 0\.\.255; give uint8, or divide"
        ):
            open_images(images)


def test_what_a_data_set_raises_is_told(budget):
    data = Things([*PICTURES[:2], RuntimeError("disk on fire"), *PICTURES[3:]])
    with pytest.raises(ImageError, match="image 2 is not: RuntimeError: disk on fire; mend or remove it, or pass"):
        open_images(data)
    source = open_images(data, on_error="skip")
    np.testing.assert_array_equal(everything(source), IMAGES[[0, 1, 3, 4]])
    np.testing.assert_array_equal(source.kept, [0, 1, 3, 4])
    assert source.skipped == ("image 2: RuntimeError: disk on fire",)
    with pytest.raises(EmptyInputError, match="found none among 1: image 0: ValueError: no"):
        open_images(Things([ValueError("no")]), on_error="skip")


def test_a_first_item_that_cannot_be_read_does_not_decide_the_shape(budget):
    source = open_images(Things([OSError("gone"), *PICTURES]), on_error="skip")
    np.testing.assert_array_equal(everything(source), IMAGES)


def test_truncated_pictures_and_bytes_are_named(budget):
    cut = encoded(IMAGES[0])[:150]
    for bad in (Image.open(io.BytesIO(cut)), cut):
        with pytest.raises(ImageError, match=r"image 1 is not: .*truncated"):
            open_images([PICTURES[0], bad])
    with pytest.raises(ImageError, match="image 0 is not: not an image in a known format"):
        open_images([b""])


def test_an_empty_data_set_is_nothing_to_work_on():
    with pytest.raises(EmptyInputError, match="at least one image; found an empty Things"):
        open_images(Things([]))


def test_one_picture_or_the_bytes_of_one_is_a_set_of_one():
    for form in (PICTURES[0], encoded(IMAGES[0])):
        np.testing.assert_array_equal(everything(open_images(form)), IMAGES[:1])
