"""Arrays of images: what is let in, how values and axes are read, and what is refused in which words."""

import numpy as np
import pytest
import torch
from source_samples import random_images

from hierindex.errors import EmptyInputError, ImageError, InputError
from hierindex.learning.sources import open_images
from hierindex.learning.sources.scale import to_uint8


def everything(source):
    return source.read(np.arange(len(source)))


@pytest.mark.parametrize(
    ("shape", "error", "words"),
    [
        ((0, 8, 8, 3), EmptyInputError, r"at least one image.*found shape \(0, 8, 8, 3\)"),
        ((4, 0, 8), EmptyInputError, r"one pixel; found shape \(4, 0, 8\)"),
        ((8,), InputError, r"\(n, h, w\), .* found shape \(8,\); give a single image as images\[None\]"),
        ((8, 8), InputError, r"found shape \(8, 8\); give a single image as images\[None\]"),
        ((2, 2, 8, 8, 3), InputError, r"found shape \(2, 2, 8, 8, 3\)"),
        ((8, 8, 3), InputError, r"looks like one image \(h, w, c\); give a single image as images\[None\]"),
        ((5, 3, 32, 3), InputError, r"one small axis.*both are at most 4; pad or resize.*list of PIL images"),
        ((5, 8, 8, 9), InputError, r"both are at most 16; pad or resize"),
        ((5, 32, 32, 32), InputError, r"at most 16 channels.*give \(n, h, w, c\)"),
    ],
)
def test_shapes_that_are_no_set_of_images(shape, error, words):
    with pytest.raises(error, match=words):
        open_images(np.zeros(shape, np.uint8))
    with pytest.raises(error, match=words):
        open_images(torch.zeros(shape))


@pytest.mark.parametrize(
    ("dtype", "words"),
    [
        ("U3", r"grey levels.*found dtype <U3; convert them, or give file paths"),
        (complex, "found dtype complex128"),
        (object, "found dtype object"),
        ("M8[s]", r"found dtype datetime64\[s\]"),
    ],
)
def test_dtypes_that_hold_no_grey_levels(dtype, words):
    with pytest.raises(InputError, match=words):
        open_images(np.zeros((2, 8, 8), dtype))


def test_a_complex_tensor_is_refused():
    with pytest.raises(InputError, match="found dtype complex64"):
        open_images(torch.zeros((2, 8, 8), dtype=torch.complex64))


@pytest.mark.parametrize(
    ("low", "high", "dtype", "words"),
    [
        (-1, 1, np.float32, r"found float32 from -1 to 1; scale them to \[0, 1\] first \(undo a normalisation\)"),
        (0, 256, np.float64, "found float64 from 0 to 256"),
        (0, 1.5, np.float32, "whole numbers.*found float32 with fractions from 0 to 1.5; divide them"),
        (0.5, 213, np.float32, "found float32 with fractions from 0.5 to 213"),
        (-1, 7, np.int64, "found int64 from -1 to 7"),
        (0, 256, np.uint16, "found uint16 from 0 to 256"),
    ],
)
def test_ranges_that_would_have_to_be_guessed(low, high, dtype, words):
    images = np.full((3, 8, 9), low, dtype)
    images[2, 7, 8] = high
    with pytest.raises(InputError, match=words):
        open_images(images)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_not_finite_images_are_named(bad, dtype):
    images = np.zeros((9, 8, 8, 3), dtype)
    images[[2, 7], 1, 1, 1] = bad
    with pytest.raises(InputError, match=r"NaN or infinity in image\(s\) \[2, 7\]; mend"):
        open_images(images)


def test_floats_in_the_unit_range_are_rounded_to_the_nearest_level():
    x = np.linspace(0, 1, 1_001)
    assert np.abs(to_uint8(x, "x") - x * 255).max() <= 0.5 + 1e-4
    np.testing.assert_array_equal(to_uint8(np.array([-1e-6, 1 + 1e-6]), "x"), [0, 255])  # resampling slips


def test_truth_values_are_black_and_white():
    assert np.unique(everything(open_images(np.eye(8, dtype=bool)[None]))).tolist() == [0, 255]


def test_half_precision_tensors_of_either_kind_are_read():
    images = random_images(2, 8, 8, 3)
    half = torch.from_numpy(images).half() / 255
    np.testing.assert_array_equal(everything(open_images(half)), images)
    brain = everything(open_images(half.bfloat16()))  # 8 bits of mantissa: half a level off at most, then rounded
    assert np.abs(brain.astype(int) - images).max() <= 1


def test_conversion_in_blocks_equals_conversion_at_once(monkeypatch):
    images = random_images(11, 6, 7, 3)
    monkeypatch.setattr("hierindex.learning.sources.scale._BLOCK", 100)
    for x in (images / 255, images.astype(np.float32)):
        np.testing.assert_array_equal(everything(open_images(x)), images)
    fractions = images.astype(np.float32)
    fractions[10, 0, 0, 0] = 3.5
    with pytest.raises(InputError, match="fractions"):
        open_images(fractions)


def test_mode_converts_arrays():
    grey = random_images(3, 8, 9, 1)
    colour = everything(open_images(grey, mode="RGB"))
    np.testing.assert_array_equal(colour, np.repeat(grey, 3, axis=3))
    np.testing.assert_array_equal(everything(open_images(colour, mode="L")), grey)
    clear = np.concatenate([colour, np.full((3, 8, 9, 1), 0, np.uint8)], axis=3)
    assert everything(open_images(clear, mode="RGB")).min() == 255  # fully transparent is white
    assert open_images(clear).shape == (8, 9, 4)
    with pytest.raises(ImageError, match=r"mode='L' should be given for grey, RGB or RGBA.*2 channels; leave mode out"):
        open_images(random_images(3, 8, 9, 2), mode="L")


@pytest.mark.parametrize("c", [1, 2, 3, 5])
def test_image_size_takes_the_centre_square_of_arrays_with_any_channels(c):
    images = random_images(2, 20, 32, c)
    np.testing.assert_array_equal(everything(open_images(images, image_size=20)), images[:, :, 6:26])
    flat = np.full((2, 20, 32, c), 9, np.uint8)
    np.testing.assert_array_equal(everything(open_images(flat, image_size=7)), flat[:, :7, :7])


@pytest.mark.parametrize("size", [0, -3, 2.0, "32", True])
def test_image_size_is_a_positive_integer(size):
    with pytest.raises(InputError, match="image_size should be an integer of at least 1; found"):
        open_images(random_images(2, 8, 8, 3), image_size=size)


@pytest.mark.parametrize("word", ["ignore", "SKIP", None, 3, ["skip"]])
def test_on_error_has_two_values(word):
    with pytest.raises(InputError, match="on_error should be 'raise' or 'skip'; found"):
        open_images(random_images(2, 8, 8, 3), on_error=word)


@pytest.mark.parametrize("mode", ["rgb", "RGBA", 1, ["L"]])
def test_mode_has_two_values(mode):
    with pytest.raises(InputError, match=r"mode should be 'L' \(grey\), 'RGB' or None.*found"):
        open_images(random_images(2, 8, 8, 3), mode=mode)


@pytest.mark.parametrize("thing", [7, None, {"image": 1}, (x for x in "ab"), {1, 2}, object()])
def test_things_that_are_no_images_at_all(thing):
    with pytest.raises(InputError, match=r"images should be an array, a folder, .*found .*; make a list"):
        open_images(thing)
