"""Pictures: the right one, small, and never a file from outside the folder or one that bursts the memory."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from server_cases import asking

from hierindex import HierIndex
from hierindex.errors import ImageError
from hierindex.server import Limits, ServerConfig
from hierindex.server.pictures import decoded, opened
from hierindex.server.problems import Problem

EYE = np.eye(4, dtype=np.float32)


def picture(colour, size=(200, 100), form="PNG", mode="RGB"):
    out = io.BytesIO()
    Image.new(mode, size, colour).save(out, form)
    return out.getvalue()


def shown(answer):
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(answer.content))


def bomb(width, height):
    """A PNG of some hundred bytes that says it has so many pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1_000))
        + chunk(b"IEND", b"")
    )


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "photos"
    (folder / "cats").mkdir(parents=True)
    (folder / "cats" / "a b.png").write_bytes(picture("red"))
    (folder / "big.jpg").write_bytes(picture("blue", (400, 300), "JPEG"))
    (tmp_path / "secret.png").write_bytes(picture("green"))
    (folder / "text.png").write_text("no picture")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    os.mkfifo(folder / "pipe.png")
    return folder


def words_index(*words):
    return HierIndex.from_vectors(EYE[: len(words)], ids=np.array(words, dtype=object))


def test_a_thumbnail_is_the_picture_made_smaller(folder):
    with asking(words_index("cats/a b.png", "big.jpg"), ServerConfig(images=folder)) as client:
        assert client.get("/v1/info").json()["server"]["images"] is True
        small = client.get("/v1/images/cats/a b.png?size=50")
        assert (small.headers["content-type"], shown(small).size) == ("image/png", (50, 25))
        assert shown(small).convert("RGB").getpixel((10, 10)) == (255, 0, 0)
        assert client.get("/v1/images/cats%2Fa%20b.png?size=50").content == small.content
        large = client.get("/v1/images/big.jpg?size=1000")
        assert (large.headers["content-type"], shown(large).size) == ("image/jpeg", (400, 300))  # never enlarged
        for size in ("15", "1025", "x", "1e3"):
            assert client.get(f"/v1/images/big.jpg?size={size}").status_code == 422


def test_a_picture_that_was_seen_is_not_sent_again_and_one_that_changed_is(folder):
    with asking(words_index("big.jpg", "none"), ServerConfig(images=folder)) as client:
        first = client.get("/v1/images/big.jpg")
        seen = {"If-None-Match": first.headers["etag"]}
        again = client.get("/v1/images/big.jpg", headers=seen)
        assert (again.status_code, again.content) == (304, b"")
        (folder / "big.jpg").write_bytes(picture("yellow", (40, 30)))
        assert shown(client.get("/v1/images/big.jpg", headers=seen)).size == (40, 30)


def test_nothing_outside_the_folder_and_nothing_that_is_no_point(folder, tmp_path):
    outside = [
        "../secret.png",
        "cats/../../secret.png",
        str(tmp_path / "secret.png"),
        "link.png",
        "pipe.png",
        "cats",
        "text.png",
        "nul\0.png",
        "a" * 500,
    ]
    for name in outside:
        with asking(words_index(name, "big.jpg"), ServerConfig(images=folder)) as client:
            answer = client.get("/v1/images/" + "".join(f"%{byte:02x}" for byte in name.encode()))
            assert answer.status_code == 404, name
            assert "should have an image; found none" in answer.json()["detail"]
            assert str(folder) not in answer.text
            # a file that is in the folder, but no point
            assert "ids should be in the index" in client.get("/v1/images/cats/a b.png").json()["detail"]


def test_numbers_find_their_file_and_columns_their_path_or_bytes(folder):
    (folder / "2.png").write_bytes(picture("white", (64, 64)))
    with asking(HierIndex.from_vectors(EYE), ServerConfig(images=folder)) as client:
        assert shown(client.get("/v1/images/2")).size == (64, 64)
        assert client.get("/v1/images/3").status_code == 404
        assert client.get("/v1/images/two").status_code == 404
        assert client.get("/v1/images/99999999999999999999999").status_code == 404
    columns = {
        "path": ["cats/a b.png", "../secret.png", None, "none.png"],
        "raw": [picture("red", (9, 9)), b"no picture", None, picture("red", (9, 9), "JPEG")],
        "both": [{"bytes": picture("red", (7, 7)), "path": None}, {"bytes": None, "path": "big.jpg"}, None, None],
    }
    index = HierIndex.from_vectors(EYE, payload=columns)
    for column, good in {"path": [0], "raw": [0, 3], "both": [0, 1]}.items():
        with asking(index, ServerConfig(images=folder, image_column=column)) as client:
            found = [client.get(f"/v1/images/{i}").status_code for i in range(4)]
            assert found == [200 if i in good else 404 for i in range(4)], column
    with asking(index, ServerConfig(image_column="nix")) as client:
        assert "found no 'nix'" in client.get("/v1/images/1").json()["detail"]


def test_without_pictures(folder):
    with asking(HierIndex.from_vectors(EYE)) as client:
        assert client.get("/v1/info").json()["server"]["images"] is False
        assert client.get("/v1/images/1").status_code == 404


def test_a_bomb_is_refused_by_its_header(folder):
    (folder / "bomb.png").write_bytes(bomb(10_000, 9_000))
    (folder / "worse.png").write_bytes(bomb(60_000, 60_000))
    with asking(words_index("bomb.png", "worse.png"), ServerConfig(images=folder)) as client:
        answer = client.get("/v1/images/bomb.png")
        assert answer.status_code == 413
        assert "at most 50,000,000 pixels; found 10,000 x 9,000" in answer.json()["detail"]
        assert client.get("/v1/images/worse.png").status_code == 413
    with asking(
        words_index("big.jpg", "none"), ServerConfig(images=folder, limits=Limits(image_pixels=119_999))
    ) as client:
        assert client.get("/v1/images/big.jpg").status_code == 413
    with asking(
        words_index("big.jpg", "none"), ServerConfig(images=folder, limits=Limits(image_pixels=120_000))
    ) as client:
        assert client.get("/v1/images/big.jpg").status_code == 200


def test_a_bomb_in_a_query_is_refused_too(image_index):
    with asking(image_index) as client:
        assert client.post("/v1/search/image", files={"image": bomb(60_000, 60_000)}).status_code == 413


def test_a_field_that_nothing_would_come_of_is_refused(image_index):
    """``-F k=2`` looks as if it asked for two, and ten would come back."""
    with asking(image_index, ServerConfig()) as client:
        files = {"image": picture("red", (8, 8))}
        answer = client.post("/v1/search/image", files=files, data={"k": "2", "recall": "1"})
        assert answer.status_code == 422
        assert "found k, recall too" in answer.json()["detail"]
        assert 'such as request={"k": 5}' in answer.json()["detail"]
        few = client.post("/v1/search/image", files=files, data={"request": '{"k": 2}'})
        assert len(few.json()["results"][0]) == 2


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_every_format_and_what_is_left_of_it_when_it_is_cut(form):
    data = picture("red", (64, 48), form)
    assert opened(data, 10_000).size == (64, 48)
    for at in (0, 1, 10):
        with pytest.raises(ImageError, match="an image should be a whole file"):
            opened(data[:at], 10_000)
    assert outcome(data[: len(data) // 2]) in ("refused", (64, 48))  # some formats know their first rows


def outcome(data):
    """The size of an image, or that it was refused in one of the two ways that a caller hears of."""
    try:
        return opened(data, 10_000).size
    except (ImageError, Problem):
        return "refused"


def test_random_bytes_behind_a_true_beginning_are_refused_or_read_and_nothing_else():
    rng, seen = np.random.default_rng(0), set()
    for form in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"):
        data = picture("red", (64, 48), form)
        for _ in range(40):
            hurt = bytearray(data)
            for at in rng.integers(4, len(data), 6):
                hurt[at] = rng.integers(256)
            seen.add(outcome(bytes(hurt)) == "refused")
    assert seen == {True, False}


def test_pictures_stand_upright_and_other_formats_are_not_opened():
    turned = Image.new("RGB", (30, 10))
    exif = turned.getexif()
    exif[0x0112] = 6
    out = io.BytesIO()
    turned.save(out, "JPEG", exif=exif)
    assert opened(out.getvalue(), 10_000).size == (10, 30)
    out = io.BytesIO()
    turned.save(out, "PPM")
    with pytest.raises(ImageError, match="bytes of no such format"):
        opened(out.getvalue(), 10_000)
    with pytest.raises(ImageError, match="should be base64"):
        decoded("é", 10_000)
