"""Folders and lists of files: what is found, in which order, and how a bad file is named or left out."""

import numpy as np
import pytest
from PIL import Image
from source_samples import encoded, picture, random_images, write_folder

from hierindex.errors import EmptyInputError, ImageError, InputError
from hierindex.learning.sources import base, open_images

IMAGES = random_images(6, 24, 20, 3)


@pytest.fixture(params=["held", "lazy"])
def budget(request, monkeypatch):
    if request.param == "lazy":
        monkeypatch.setattr(base, "BUDGET", 1)
    return request.param


def test_a_folder_is_read_in_sorted_order_and_only_images_count(tmp_path):
    for name in ("b/2.png", "b/10.PNG", "c.png", "a/deep/er/1.bmp", "z.jpeg", ".hidden.png", ".cache/1.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(IMAGES[0]))
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "empty.png").mkdir()
    assert open_images(tmp_path).names == ["a/deep/er/1.bmp", "b/10.PNG", "b/2.png", "c.png", "z.jpeg"]


def test_links_to_folders_are_followed_but_not_in_circles(tmp_path):
    write_folder(tmp_path / "real", IMAGES[:2])
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "linked").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "a" / "back").symlink_to(tmp_path / "real")
    assert open_images(tmp_path / "set").names == ["linked/a/000.png", "linked/b/001.png"]


def test_a_folder_without_images_says_what_it_looked_for(tmp_path):
    with pytest.raises(EmptyInputError, match=r"should hold images.*ends in one of \.png, \.jpg, \.jpeg, \.tif"):
        open_images(tmp_path)
    (tmp_path / "train.parquet").write_bytes(b"")
    with pytest.raises(EmptyInputError, match=r"it holds 1 Parquet file.*give those as a list"):
        open_images(tmp_path)


def test_a_path_that_is_not_there(tmp_path):
    for name in ("nowhere", "nowhere.png", "nowhere.parquet"):
        with pytest.raises(InputError, match=f"found nothing at .*{name}; check the path"):
            open_images(tmp_path / name)


def test_one_file_is_a_set_of_one(tmp_path):
    path = write_folder(tmp_path, IMAGES[:1])[0]
    np.testing.assert_array_equal(open_images(path).read(np.array([0])), IMAGES[:1])


def test_lists_hold_one_kind_of_thing(tmp_path):
    path = write_folder(tmp_path, IMAGES[:1])[0]
    with pytest.raises(EmptyInputError, match="at least one image; found an empty list"):
        open_images([])
    with pytest.raises(InputError, match=r"all paths or all images; found both .*000.png.* and a Image"):
        open_images([path, picture(IMAGES[0])])
    with pytest.raises(InputError, match=r"all images or all Parquet files; found both .*000\.png and .*x\.parquet"):
        open_images([path, tmp_path / "x.parquet"])


def test_a_file_given_twice_is_read_twice_but_names_nothing(tmp_path):
    path = write_folder(tmp_path, IMAGES[:1])[0]
    source = open_images([path, path])
    assert len(source) == 2
    assert source.names is None  # ids have to be unique


def test_mixed_sizes_name_two_images_and_the_remedy(tmp_path):
    paths = write_folder(tmp_path, IMAGES)
    paths[3].write_bytes(encoded(random_images(1, 15, 30, 3)[0]))
    words = r"one size; found a/000\.png of 20x24 and b/003\.png of 30x15 pixels; pass image_size=.*image_size=15"
    with pytest.raises(ImageError, match=words):
        open_images(tmp_path)
    source = open_images(tmp_path, image_size=15)
    assert source.shape == (15, 15, 3)
    assert len(source) == 6
    with pytest.raises(ImageError, match=words):  # an image of another size is not unreadable
        open_images(tmp_path, on_error="skip")


def test_grey_among_colour_names_two_images_and_the_remedy(tmp_path):
    paths = write_folder(tmp_path, IMAGES)
    grey = random_images(1, 24, 20, 1)[0]
    paths[4].write_bytes(encoded(grey))
    with pytest.raises(
        ImageError, match=r"found a/000\.png \(RGB\) and b/004\.png \(grey\); pass mode='RGB' or mode='L'"
    ):
        open_images(tmp_path)
    colour = open_images(tmp_path, mode="RGB")
    assert colour.shape == (24, 20, 3)
    np.testing.assert_array_equal(colour.read(np.array([4, 0])), [np.repeat(grey, 3, axis=2), IMAGES[0]])
    assert open_images(tmp_path, mode="L").shape == (24, 20, 1)


BROKEN = {
    "empty": (lambda good: b"", "not an image in a known format"),
    "text": (lambda good: b"this is text", "not an image in a known format"),
    "cut header": (lambda good: good[:20], "not an image in a known format|truncated|Truncated"),
    "cut pixels": (lambda good: good[: len(good) * 2 // 3], "truncated"),
    "changed pixels": (lambda good: good[:200] + bytes(200) + good[400:], "broken|decompress|checksum|corrupt"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_file_is_named(how, tmp_path, budget):
    paths = write_folder(tmp_path, IMAGES)
    spoil, reason = BROKEN[how]
    paths[4].write_bytes(spoil(paths[4].read_bytes()))
    words = rf"every image should be readable; b/004\.png is not: .*({reason}).*pass on_error='skip'"
    if budget == "lazy" and how in ("cut pixels", "changed pixels"):  # the header is fine, so opening succeeds
        source = open_images(tmp_path)
        np.testing.assert_array_equal(source.read(np.array([5, 3])), IMAGES[[5, 3]])
        with pytest.raises(ImageError, match=words):
            source.read(np.array([5, 4]))
    else:
        with pytest.raises(ImageError, match=words):
            open_images(tmp_path)


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_file_is_left_out_on_request(how, tmp_path, budget):
    paths = write_folder(tmp_path, IMAGES)
    spoil, _ = BROKEN[how]
    for i in (0, 4):
        paths[i].write_bytes(spoil(paths[i].read_bytes()))
    source = open_images(tmp_path, on_error="skip")
    assert len(source) == 4
    assert source.names == ["a/001.png", "a/002.png", "b/003.png", "b/005.png"]
    np.testing.assert_array_equal(source.kept, [1, 2, 3, 5])
    np.testing.assert_array_equal(source.read(np.arange(4)), IMAGES[[1, 2, 3, 5]])
    assert [text.partition(":")[0] for text in source.skipped] == ["a/000.png", "b/004.png"]
    assert len(source.skipped[0]) > len("a/000.png: ")


def test_skipped_files_are_listed_in_order_whenever_they_failed(tmp_path):
    paths = write_folder(tmp_path, IMAGES)
    paths[1].write_bytes(paths[1].read_bytes()[:300])  # found out when decoded
    paths[5].write_bytes(b"")  # found out before
    assert [text.partition(":")[0] for text in open_images(tmp_path, on_error="skip").skipped] == [
        "a/001.png",
        "b/005.png",
    ]


def test_only_broken_files_are_nothing_to_work_on(tmp_path, budget):
    for path in write_folder(tmp_path, IMAGES[:2]):
        path.write_bytes(path.read_bytes()[:300])  # the header is fine
    with pytest.raises(EmptyInputError, match=r"found none among 2: a/000\.png: .*; b/001\.png: "):
        open_images(tmp_path, on_error="skip")


def test_a_missing_or_foreign_member_of_a_list_is_named(tmp_path):
    path = write_folder(tmp_path, IMAGES[:1])[0]
    with pytest.raises(ImageError, match=r"gone.png is not: No such file"):
        open_images([path, tmp_path / "gone.png"])
    with pytest.raises(ImageError, match="b is not: Is a directory"):
        open_images([path, tmp_path / "b"])
    assert len(open_images([path, tmp_path / "gone.png"], on_error="skip")) == 1


def test_a_file_that_changes_after_opening_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(base, "BUDGET", 1)
    paths = write_folder(tmp_path, IMAGES)
    source = open_images(tmp_path)
    paths[2].write_bytes(encoded(random_images(1, 9, 9, 3)[0]))
    with pytest.raises(ImageError, match=r"a/002\.png is not: 9x9 pixels where 20x24 were announced"):
        source.read(np.arange(6))


def test_interpreted_formats_are_never_started(tmp_path):
    picture(IMAGES[0]).save(tmp_path / "page.eps")
    (tmp_path / "page.eps").rename(tmp_path / "page.png")
    with pytest.raises(ImageError, match=r"page\.png is not: not an image in a known format"):
        open_images(tmp_path)


@pytest.mark.parametrize("limit", [300, 200])  # Pillow warns up to twice the limit, and raises above it
def test_a_decompression_bomb_is_named(limit, tmp_path, monkeypatch):
    write_folder(tmp_path, IMAGES[:2])  # 480 pixels each
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(ImageError, match=r"a/000\.png is not: .*decompression bomb"):
        open_images(tmp_path)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_decompression_bomb_is_refused_where_the_warning_is_silenced(tmp_path, monkeypatch):
    write_folder(tmp_path, IMAGES[:2])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300)
    with pytest.raises(ImageError, match=r"480 pixels, more than PIL.Image.MAX_IMAGE_PIXELS = 300.*raise that limit"):
        open_images(tmp_path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert len(open_images(tmp_path)) == 2
