"""How one image becomes pixels: orientation, transparency, palettes, depth, resizing."""

import io

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps
from source_samples import encoded, picture, random_images

from hierindex.errors import ImageError
from hierindex.learning.sources import base, open_images

COLOUR = random_images(1, 10, 14, 3)[0]
GREY = random_images(1, 10, 14, 1)[0]


def decoded(image, kind, **options):
    """What is read of an image saved in that format."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    source = open_images([file.getvalue()])
    return source.read(np.array([0]))[0]


def turned(orientation):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("budget", [1 << 30, 1], ids=["held", "lazy"])
def test_exif_orientation_is_applied(kind, orientation, budget, tmp_path, monkeypatch):
    monkeypatch.setattr(base, "BUDGET", budget)
    # eight ways to hold the camera, written out by NumPy
    x = COLOUR
    upright = [
        x,
        x[:, ::-1],
        x[::-1, ::-1],
        x[::-1],
        x.transpose(1, 0, 2),
        np.rot90(x, 3),
        np.rot90(x, 2).transpose(1, 0, 2),
        np.rot90(x),
    ]
    path = tmp_path / "photo"
    picture(x).save(path, kind, exif=turned(orientation), **({"lossless": True} if kind == "WEBP" else {}))
    source = open_images(path)
    assert source.shape == upright[orientation - 1].shape
    np.testing.assert_array_equal(source.read(np.array([0]))[0], upright[orientation - 1])


@pytest.mark.parametrize(
    "exif",
    [b"Exif\0\0garbage", b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x99\0\0\0\0\0\0"],
    ids=["junk", "153"],
)
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_broken_exif_does_not_make_an_image_unreadable(exif, kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    np.testing.assert_array_equal(decoded(picture(COLOUR), kind, exif=exif, **options), COLOUR)


def test_a_turned_photo_has_the_size_of_the_upright_one(tmp_path):
    picture(COLOUR).save(tmp_path / "0.jpg", exif=turned(6))
    picture(np.rot90(COLOUR)).save(tmp_path / "1.jpg")
    assert open_images(tmp_path).shape == (14, 10, 3)


DEEP = GREY[..., 0].astype(np.uint16) * 257
BLACK_AND_WHITE = np.where(GREY > 127, 255, 0)
GREYS = {
    "1": (Image.fromarray(GREY[..., 0] > 127), "PNG", BLACK_AND_WHITE),
    "L": (picture(GREY), "PNG", GREY),
    "LA": (picture(GREY).convert("LA"), "PNG", GREY),
    "I;16": (Image.fromarray(DEEP), "PNG", GREY),
    "I": (Image.fromarray(DEEP.astype(np.int32)), "TIFF", GREY),
    "F": (Image.fromarray(GREY[..., 0].astype(np.float32)), "TIFF", GREY),
    "F in 0..1": (Image.fromarray(GREY[..., 0].astype(np.float32) / 255), "TIFF", GREY),
}


@pytest.mark.parametrize("mode", GREYS)
def test_kinds_of_grey_are_one_channel(mode):
    image, kind, wanted = GREYS[mode]
    assert image.mode == mode.partition(" ")[0]
    np.testing.assert_array_equal(open_images([image]).read(np.array([0]))[0], wanted)
    np.testing.assert_array_equal(decoded(image, kind), wanted)
    np.testing.assert_array_equal(open_images([image], mode="RGB").read(np.array([0]))[0], np.repeat(wanted, 3, axis=2))


def test_16_bits_become_the_nearest_of_8():
    deep = np.arange(0, 65536, 7, np.uint16)[None]
    got = decoded(Image.fromarray(deep), "PNG")[..., 0].astype(int)
    assert np.abs(got * 257 - deep).max() <= 128


def test_exif_behind_the_pixels_of_a_png_is_not_heeded():
    """Its header cannot tell; what matters is that size and pixels agree."""
    file = io.BytesIO()
    picture(COLOUR).save(file, "PNG", exif=turned(6))
    data = file.getvalue()
    start = data.index(b"eXIf") - 4
    stop = start + 12 + int.from_bytes(data[start : start + 4])
    late = data[:start] + data[stop:-12] + data[start:stop] + data[-12:]
    assert Image.open(io.BytesIO(late)).getexif()[ExifTags.Base.Orientation] == 6
    np.testing.assert_array_equal(open_images([late]).read(np.array([0]))[0], COLOUR)


def test_grey_beyond_16_bits_is_not_guessed():
    image = Image.fromarray(np.array([[0, 1 << 20]], np.int32))
    with pytest.raises(ImageError, match="image 0 is not: grey values from 0 to 1048576, but 0 to 65535 can be read"):
        open_images([image])
    normalised = Image.fromarray(np.array([[-1.0, 2.0]], np.float32))
    with pytest.raises(ImageError, match=r"image 0 is not: grey values should be .*found float32 from -1 to 2"):
        open_images([normalised])


def test_palettes_are_colour():
    image = picture(COLOUR).quantize(16)
    np.testing.assert_array_equal(decoded(image, "PNG"), np.asarray(image.convert("RGB")))
    np.testing.assert_array_equal(decoded(image, "GIF"), np.asarray(image.convert("RGB")))


def test_cmyk_is_colour():
    flat = Image.new("CMYK", (8, 6), (0, 255, 255, 0))  # no cyan: red
    np.testing.assert_array_equal(decoded(flat, "TIFF"), np.broadcast_to([255, 0, 0], (6, 8, 3)).astype(np.uint8))


def test_transparent_is_white_and_opaque_is_unchanged():
    alpha = np.full((10, 14, 1), 255, np.uint8)
    alpha[:, 7:] = 0
    white = np.where(alpha == 255, COLOUR, 255)
    np.testing.assert_array_equal(decoded(Image.fromarray(np.concatenate([COLOUR, alpha], 2)), "PNG"), white)
    pale = Image.merge("LA", [picture(GREY), picture(alpha)])
    np.testing.assert_array_equal(decoded(pale, "PNG"), np.where(alpha == 255, GREY, 255))
    key = tuple(COLOUR[3, 4].tolist())  # one colour declared transparent
    wanted = np.where((key == COLOUR).all(axis=2, keepdims=True), 255, COLOUR)
    np.testing.assert_array_equal(decoded(picture(COLOUR), "PNG", transparency=key), wanted)


def test_half_transparent_is_half_white():
    half = Image.new("RGBA", (6, 6), (0, 100, 200, 128))
    wanted = np.array([0, 100, 200]) * 128 / 255 + 255 * 127 / 255
    assert np.abs(decoded(half, "PNG") - wanted).max() <= 1


def test_the_first_frame_of_an_animation_counts():
    frames = [picture(random_images(1, 10, 14, 3, seed)[0]) for seed in range(3)]
    np.testing.assert_array_equal(
        decoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True), np.asarray(frames[0])
    )


@pytest.mark.parametrize(("h", "w"), [(20, 32), (32, 20), (20, 20), (33, 47)])
@pytest.mark.parametrize("size", [8, 20, 50])
def test_image_size_scales_the_shorter_side_and_crops_the_centre(h, w, size):
    """Against a picture that is linear in x and y: resampling a linear ramp leaves it one."""
    y, x = np.mgrid[0:h, 0:w] + 0.5
    ramp = np.stack([x * 5, y * 5, x + y], axis=-1).astype(np.uint8)
    got = open_images([encoded(ramp)], image_size=size).read(np.array([0]))[0].astype(float)
    step = min(h, w) / size
    place = (np.arange(size) + 0.5) * step
    inner = slice(2 + int(2 / step), -2 - int(2 / step))  # away from where the kernel meets the border
    np.testing.assert_allclose(
        got[inner, inner, 0], np.tile((place + (w - min(h, w)) / 2) * 5, (size, 1))[inner, inner], atol=3.5
    )
    np.testing.assert_allclose(
        got[inner, inner, 1], np.tile((place + (h - min(h, w)) / 2) * 5, (size, 1)).T[inner, inner], atol=3.5
    )


def test_shrinking_is_antialiased():
    checks = np.indices((64, 64)).sum(axis=0) % 2 * 255
    small = open_images([encoded(checks.astype(np.uint8)[..., None])], image_size=8).read(np.array([0]))
    assert np.abs(small.astype(int) - 127).max() <= 2  # picking single pixels would give black or white


def test_the_callers_pictures_are_left_as_they_are():
    image = picture(COLOUR).convert("RGBA")
    image.getexif()[ExifTags.Base.Orientation] = 6
    before = image.copy()
    open_images([image], image_size=5, mode="L").read(np.array([0]))
    assert image.mode == "RGBA"
    assert image.size == (14, 10)
    np.testing.assert_array_equal(np.asarray(image), np.asarray(before))
    assert image.getexif()[ExifTags.Base.Orientation] == 6
    assert ImageOps.exif_transpose(image).size == (10, 14)
