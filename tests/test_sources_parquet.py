"""Parquet files: which column holds the images, and how a bad row or file is named."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from source_samples import encoded, hugging_face, random_images, write_parquet

from hierindex.errors import EmptyInputError, ImageError, InputError
from hierindex.learning.sources import base, open_images, parquet

IMAGES = random_images(5, 8, 9, 3)
PNG = [encoded(x) for x in IMAGES]


def write(path, columns, **options):
    pq.write_table(pa.table(columns), path, **options)
    return path


@pytest.mark.parametrize("name", ["image", "img", "images"])
def test_a_usual_name_wins_over_other_binary_columns(name, tmp_path):
    path = write(tmp_path / "x.parquet", {"mask": [b"no"] * 5, name: PNG, "thumbnail": [b"no"] * 5})
    np.testing.assert_array_equal(open_images(path).read(np.arange(5)), IMAGES)


def test_a_usual_name_of_another_type_does_not_count(tmp_path):
    path = write(tmp_path / "x.parquet", {"image": ["a.png"] * 5, "content": PNG})
    np.testing.assert_array_equal(open_images(path).read(np.arange(5)), IMAGES)


def test_several_unnamed_binary_columns_are_listed_with_the_remedy(tmp_path):
    path = write(tmp_path / "x.parquet", {"gfp": PNG, "dna": PNG[::-1]})
    with pytest.raises(
        InputError, match=r"one named image, img, images; found several: gfp, dna; .*\['gfp'\]\.to_pylist"
    ):
        open_images(path)
    remedy = pq.read_table(path)["dna"].to_pylist()
    np.testing.assert_array_equal(open_images(remedy).read(np.arange(5)), IMAGES[::-1])


def test_no_column_of_images_lists_the_columns(tmp_path):
    path = write(tmp_path / "x.parquet", {"image": ["a.png"], "label": [3], "box": [{"path": "a.png", "x": 1}]})
    with pytest.raises(
        InputError, match=r"x\.parquet should have a column of encoded images.*found the columns image: "
    ):
        open_images(path)


def test_no_rows(tmp_path):
    path = write_parquet(tmp_path / "x.parquet", pa.array([], pa.binary()))
    with pytest.raises(EmptyInputError, match=r"at least one row; found none in .*x\.parquet"):
        open_images(path)
    full = write_parquet(tmp_path / "y.parquet", pa.array(PNG))
    np.testing.assert_array_equal(open_images([path, full, path]).read(np.arange(5)), IMAGES)


def test_a_file_that_is_no_parquet(tmp_path):
    path = tmp_path / "x.parquet"
    path.write_bytes(PNG[0])
    with pytest.raises(InputError, match=r"x\.parquet should be a readable Parquet file; found: .*; check the path"):
        open_images(path)
    with pytest.raises(InputError, match=r"gone\.parquet should be a readable Parquet file"):
        open_images([tmp_path / "gone.parquet"])


def test_paths_that_cannot_be_ids_are_no_names(tmp_path):
    for paths in (["a"] * 5, [None, *"abcd"], ["", *"abcd"]):
        column = pa.array([{"bytes": data, "path": path} for data, path in zip(PNG, paths, strict=True)])
        assert open_images(write_parquet(tmp_path / "x.parquet", column)).names is None


def test_a_column_name_with_a_dot_and_rows_without_a_struct(tmp_path):
    column = pa.array(
        [{"bytes": PNG[0], "path": "0"}, None, {"bytes": None, "path": "2"}, {"bytes": PNG[3], "path": "3"}]
    )
    source = open_images(write_parquet(tmp_path / "x.parquet", column, "my.pictures"), on_error="skip")
    np.testing.assert_array_equal(source.read(np.arange(2)), IMAGES[[0, 3]])
    np.testing.assert_array_equal(source.kept, [0, 3])
    assert source.names == ["0", "3"]
    assert source.skipped == (
        "row 1 of x.parquet: the table holds no bytes for it",
        "row 2 of x.parquet (2): the table holds no bytes for it",
    )


@pytest.mark.parametrize("budget", [1 << 30, 1], ids=["held", "lazy"])
def test_a_bad_row_is_named_by_file_row_and_path(budget, tmp_path, monkeypatch):
    monkeypatch.setattr(base, "BUDGET", budget)
    first = write_parquet(tmp_path / "0.parquet", hugging_face(IMAGES))
    bad = hugging_face(IMAGES).to_pylist()
    bad[3] = {"bytes": PNG[3][: len(PNG[3]) * 2 // 3], "path": "cut.png"}
    second = write_parquet(tmp_path / "1.parquet", pa.array(bad))
    with pytest.raises(ImageError, match=r"row 3 of 1\.parquet \(cut\.png\) is not: .*truncated"):
        open_images([first, second]).read(np.arange(10))
    source = open_images([first, second], on_error="skip")
    np.testing.assert_array_equal(
        source.read(np.arange(9)), np.concatenate([IMAGES, IMAGES])[[0, 1, 2, 3, 4, 5, 6, 7, 9]]
    )


@pytest.mark.parametrize(("room", "reads"), [(1 << 30, 3), (1, 6)])
def test_row_groups_are_held_while_there_is_room(room, reads, tmp_path, monkeypatch):
    count = []
    read_group = parquet._read_group
    monkeypatch.setattr(parquet, "_read_group", lambda group: count.append(group) or read_group(group))
    monkeypatch.setattr(parquet, "_CACHE", room)
    items = parquet.open_parquet([write_parquet(tmp_path / "x.parquet", pa.array(PNG), group=2)])
    for _ in range(2):
        assert items.fetch([4, 0, 3, 1, 0]) == [PNG[i] for i in (4, 0, 3, 1, 0)]  # each row group once a fetch
    assert len(count) == reads


def test_a_damaged_row_group_is_named(tmp_path):
    path = write_parquet(tmp_path / "x.parquet", pa.array(PNG), group=5)
    data = bytearray(path.read_bytes())
    at = data.find(PNG[0][:8])
    data[4:at] = bytes(at - 4)  # the page header in front of the images
    path.write_bytes(data)
    with pytest.raises(ImageError, match=r"x\.parquet should be a whole Parquet file; found row group 0 damaged: "):
        open_images(path)
