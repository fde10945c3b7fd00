"""Query images: brought to the shape the encoder was trained on, or refused."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from source_samples import every_form, picture, random_images, write_folder

from hierindex.errors import EmptyInputError, ImageError, InputError
from hierindex.learning.sources import as_images, open_images

IMAGES = random_images(7, 9, 12, 3)


@pytest.mark.parametrize("c", [1, 3])
def test_every_form_of_the_same_images_is_the_same_query(c, tmp_path):
    images = random_images(7, 9, 12, c)
    for name, form in every_form(images, tmp_path).items():
        for shape in (images.shape[1:], None):
            got = as_images(form, shape)
            assert got.dtype == np.uint8, name
            assert got.flags.c_contiguous, name
            np.testing.assert_array_equal(got, images, err_msg=name)


@given(st.integers(6, 9), st.integers(6, 9), st.integers(1, 5), st.integers(0, 99))
def test_a_known_shape_tells_the_axes_of_one_image(h, w, c, seed):
    image = random_images(1, h, w, c, seed)
    forms = [image, image[0], np.moveaxis(image, -1, 1), np.moveaxis(image[0], -1, 0)]
    if c == 1:
        forms += [image[0, ..., 0], image[..., 0]]
    for form in forms:
        np.testing.assert_array_equal(as_images(form, (h, w, c)), image)
        np.testing.assert_array_equal(as_images(torch.from_numpy(form.copy()), (h, w, c)), image)


@pytest.mark.parametrize("one", [lambda x: x, lambda x: np.moveaxis(x, -1, 0), picture])
def test_one_image_is_a_query_of_one(one, tmp_path):
    np.testing.assert_array_equal(as_images(one(IMAGES[0]), (9, 12, 3)), IMAGES[:1])
    path = write_folder(tmp_path, IMAGES[:1])[0]
    np.testing.assert_array_equal(as_images(path, (9, 12, 3)), IMAGES[:1])


def test_without_a_known_shape_only_what_is_certain_is_let_in():
    np.testing.assert_array_equal(as_images(IMAGES[0]), IMAGES[:1])
    np.testing.assert_array_equal(as_images(IMAGES[0, ..., 0]), IMAGES[:1, ..., :1])
    np.testing.assert_array_equal(as_images(IMAGES[..., 0]), IMAGES[..., :1])
    np.testing.assert_array_equal(as_images(IMAGES[:1, ..., 0]), IMAGES[:1, ..., :1])
    with pytest.raises(InputError, match=r"may be 3 grey images or one of 3 channels; give images\[:, None\]"):
        as_images(IMAGES[:3, ..., 0])
    with pytest.raises(InputError, match=r"\(n, h, w\), .*found shape \(4,\)"):
        as_images(np.zeros(4))


def test_files_and_pictures_are_brought_to_the_shape_as_in_training(tmp_path):
    write_folder(tmp_path, IMAGES)
    trained = open_images(tmp_path, image_size=6, mode="L")
    wanted = trained.read(np.arange(7))
    np.testing.assert_array_equal(as_images(tmp_path, trained.shape), wanted)
    np.testing.assert_array_equal(as_images([picture(x) for x in IMAGES], trained.shape), wanted)
    assert as_images(tmp_path, (4, 20, 3)).shape == (7, 4, 20, 3)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (
            IMAGES[:, :8],
            r"shape \(9, 12, 3\) \(h, w, c\).*found shape \(7, 8, 12, 3\); resize them, or give PIL images",
        ),
        (IMAGES[..., 0], r"found shape \(7, 9, 12\)"),
        (IMAGES[None], r"found shape \(1, 7, 9, 12, 3\)"),
        ([IMAGES[0], IMAGES[1, :8]], r"image 1 should have shape \(9, 12, 3\).*found \(8, 12, 3\); resize it, or give"),
        ([IMAGES[0, ..., 0]], r"image 0 should have shape \(9, 12, 3\).*found \(9, 12, 1\)"),
    ],
)
def test_arrays_of_another_shape_are_refused(x, words):
    with pytest.raises(InputError, match=words):
        as_images(x, (9, 12, 3))


def test_axes_that_cannot_be_told_apart_are_refused():
    with pytest.raises(InputError, match=r"can be read in two ways for images of \(3, 3, 3\); give a list of PIL"):
        as_images(random_images(2, 3, 3, 3), (3, 3, 3))


def test_a_picture_is_no_two_channel_image():
    with pytest.raises(
        ImageError, match="image 0 is not: a picture is grey or RGB, but 2 channels are wanted; pass an"
    ):
        as_images(picture(IMAGES[0]), (9, 12, 2))
    image = random_images(1, 9, 12, 2)
    np.testing.assert_array_equal(as_images(image, (9, 12, 2)), image)


def test_nothing_and_nonsense_are_refused(tmp_path):
    for nothing in (np.zeros((0, 9, 12, 3)), [], tmp_path):
        with pytest.raises(EmptyInputError, match="should hold"):
            as_images(nothing, (9, 12, 3))
    with pytest.raises(InputError, match="found nothing at"):
        as_images(tmp_path / "gone.png", (9, 12, 3))
    with pytest.raises(InputError, match="found NaN"):
        as_images(np.full((9, 12, 3), np.nan), (9, 12, 3))
    (tmp_path / "cut.png").write_bytes(b"\x89PNG")
    with pytest.raises(ImageError, match=r"cut\.png is not: not an image"):
        as_images(tmp_path / "cut.png", (9, 12, 3))
