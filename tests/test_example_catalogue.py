"""The catalogue example: on digits from end to end, and its parts beside what they should be."""

import re

import numpy as np
import pytest
from PIL import Image

from examples.catalogue import Items, altered, digits, duplicates, sheet
from examples.catalogue import __main__ as program
from hierindex import HierIndex
from hierindex.learning.config import HeadConfig, LearnConfig


def test_from_pictures_to_a_catalogue(tmp_path, capsys, monkeypatch):
    short = HeadConfig(steps=20)
    monkeypatch.setattr(program, "LearnConfig", lambda training: LearnConfig(training=training, head=short))
    program.main(["--data", str(tmp_path / "none.parquet"), "--out", str(tmp_path), "--limit", "250", "--epochs", "2"])
    out = capsys.readouterr().out
    counts = [int(word) for word in re.search(r"branches.png \[(.*)\]", out)[1].split(", ")]
    assert (len(counts), sum(counts)) == (12, 200)
    for name, rows in (("similar", 6), ("branches", 12), ("samples", 4)):
        with Image.open(tmp_path / f"{name}.png") as page:
            assert page.height == rows * 52 + 4
    found, groups = map(int, re.search(r"(\d+) of 20 uploaded copies .* (\d+) groups", out).groups())
    assert found >= groups / 2 >= 1
    assert "200 items\n" in out  # what was uploaded twice is out again, and nothing else
    assert "100% of them find themselves first" in out
    index = HierIndex.open(tmp_path / "catalogue.index")
    assert len(index) == 250
    kinds = dict(zip(index.ids.tolist(), index.payload()["kind"].to_pylist(), strict=True))
    named = re.search(r"most like (\S+) among '(\d)': \[(.*)\]", out)
    assert {kinds[name] for name in re.findall(r"item-\d+", named[3])} == {named[2]} == {kinds[named[1]]}


def test_duplicates_hang_together(quick):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 6)).astype(np.float32) * 10
    x[[1, 2]] = x[0] + [[0.4], [0.8]] * np.eye(6, dtype=np.float32)[:1]  # 2 is near to 1 only: a chain
    x[7] = x[30]
    index = HierIndex.from_vectors(x, metric="l2", ids=[f"item-{at}" for at in range(40)], config=quick)
    assert duplicates(index, 0.5) == [["item-0", "item-1", "item-2"], ["item-7", "item-30"]]
    assert duplicates(index, 0.0) == [["item-7", "item-30"]]


def test_an_altered_picture_is_another_and_nearly_the_same():
    images = digits(20).images
    again = altered(images)
    assert (again.shape, again.dtype) == (images.shape, np.uint8)
    assert (again != images).any(axis=(1, 2, 3)).all()
    assert np.abs(again.astype(int) - images).mean() < 12


def test_items_are_found_by_name():
    items = Items(np.arange(4, dtype=np.uint8).reshape(4, 1, 1, 1), list("abcd"), list("xxyy"))
    assert items.of(["d", "a"]).ravel().tolist() == [3, 0]
    late = items.rows(slice(-2, None))
    assert (late.names, late.kinds, len(late)) == (["c", "d"], ["y", "y"], 2)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_sheet_shows_every_picture_in_its_place(channels, tmp_path):
    rows = [np.full((n, 8, 8, channels), 40 * n, np.uint8) for n in (3, 1)]
    with Image.open(sheet(rows, tmp_path / "s.png", mark_first=True)) as file:
        page = file.convert("L")
    assert page.size == (3 * 52 + 4 + 8, 2 * 52 + 4)
    assert page.getpixel((20, 20)) == page.getpixel((52 + 4 + 8 + 20, 20)) == 120
    assert page.getpixel((20, 72)) == 40
    assert page.getpixel((80, 72)) == 255
