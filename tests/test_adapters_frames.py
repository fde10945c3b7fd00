"""Frames in and out: what goes in by one library comes back by each of them."""

import io
import sys

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hierindex import BuildConfig, HierIndex
from hierindex.adapters import frames
from hierindex.errors import DuplicateIdError, ImageError, InputError, MissingExtraError, UnknownIdError
from hierindex.learning.config import HeadConfig, LearnConfig

FAST = BuildConfig(learn=LearnConfig(head=HeadConfig(steps=2)))
KINDS = ["pandas", "polars", "arrow", "batch", "reader", "datasets", "mapping"]


def frame_of(kind, columns):
    table = pa.table(columns)
    return {
        "pandas": lambda: pd.DataFrame({name: list(values) for name, values in columns.items()}),
        "polars": lambda: pl.from_arrow(table),
        "arrow": lambda: table,
        "batch": lambda: table.combine_chunks().to_batches()[0],
        "reader": lambda: table.to_reader(),
        "datasets": lambda: datasets.Dataset(table),
        "mapping": lambda: columns,
    }[kind]()


@pytest.fixture
def columns(vectors):
    n = 40
    return {
        "embedding": vectors[:n].tolist(),
        "sku": [f"s{row}" for row in range(n)],
        "price": [float(row) for row in range(n)],
        "stock": list(range(n)),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_frame_gives_the_same_index(kind, columns, vectors):
    index = frames.read(frame_of(kind, columns), "embedding", id="sku", metric="l2", config=FAST)
    assert index.ids.tolist() == columns["sku"]
    np.testing.assert_array_equal(index.vectors(), vectors[:40])
    assert index.payload().to_pydict() == {"price": columns["price"], "stock": columns["stock"]}
    bare = frames.read(frame_of(kind, columns), "embedding", payload=[], metric="l2", config=FAST)
    assert bare.ids.tolist() == list(range(40))
    assert bare.payload() is None


TYPES = {
    pa.int32(): st.integers(-(2**31), 2**31 - 1),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float64(): st.floats(allow_nan=False),
    pa.string(): st.text(max_size=5),
    pa.bool_(): st.booleans(),
    pa.timestamp("us"): st.datetimes().map(lambda when: when.replace(tzinfo=None)),
}


@st.composite
def tables(draw):
    n = draw(st.integers(2, 5))
    words = st.text(min_size=1, max_size=4).filter(lambda text: "\x00" not in text)
    ids = draw(
        st.lists(
            st.one_of(words, words) if draw(st.booleans()) else st.integers(0, 2**63 - 1),
            min_size=n,
            max_size=n,
            unique=True,
        )
    )
    numbers = st.floats(-100, 100, width=32)
    rows = draw(st.lists(st.lists(numbers, min_size=3, max_size=3), min_size=n, max_size=n))
    names = draw(st.lists(st.sampled_from(["a", "B", "price €", "x.y"]), max_size=3, unique=True))
    payload = {}
    for name in names:
        kind = draw(st.sampled_from(list(TYPES)))
        values = draw(st.lists(st.none() | TYPES[kind], min_size=n, max_size=n))
        payload[name] = pa.array(values, kind)
    return pa.table({"vector": pa.array(rows, pa.list_(pa.float32())), "id": ids, **payload})


@given(tables())
@settings(max_examples=25)
def test_out_and_in_again_nothing_is_lost(table):
    index = frames.read(table, "vector", id="id", metric="l2", config=FAST)
    assert (
        index.to_arrow().drop_columns("leaf").to_pydict()
        == table.select(["id", "vector", *table.column_names[2:]]).to_pydict()
    )
    for out in (frames.to_pandas, frames.to_polars, frames.to_dataset, HierIndex.to_arrow):
        again = frames.read(out(index), "vector", id="id", metric="l2", config=FAST)
        assert again.to_arrow().to_pydict() == index.to_arrow().to_pydict()


def test_selected_and_shuffled_data_sets_keep_their_order(columns, vectors):
    dataset = datasets.Dataset.from_dict(columns).shuffle(seed=3).select([5, 0, 7])
    index = frames.read(dataset, "embedding", id="sku", metric="l2", config=FAST)
    assert index.ids.tolist() == list(dataset["sku"])
    rows = [int(name[1:]) for name in dataset["sku"]]
    np.testing.assert_array_equal(index.vectors(), vectors[rows])


def test_slices_and_fixed_tensors_are_read_from_their_own_place(vectors):
    fixed = pa.FixedSizeListArray.from_arrays(pa.array(vectors[:20].ravel()), 10)
    tensor = pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(pa.float32(), [10]), fixed)
    lists = pa.array(vectors[:20].tolist(), pa.large_list(pa.float64()))
    for column in (fixed, tensor, lists):
        index = frames.read(pa.table({"v": column}).slice(3, 9), "v", metric="l2", config=FAST)
        np.testing.assert_array_equal(index.vectors(), vectors[3:12])


@pytest.mark.parametrize("kind", ["pandas", "polars", "datasets"])
def test_rows_are_added_with_the_columns_of_the_index(kind, columns, vectors):
    first = {name: values[:30] for name, values in columns.items()}
    rest = {"other": ["x"] * 10, **{name: values[30:] for name, values in columns.items()}}
    index = frames.read(frame_of("arrow", first), "embedding", id="sku", metric="l2", config=FAST)
    assert frames.add(index, frame_of(kind, rest), "embedding", id="sku").tolist() == columns["sku"][30:]
    assert index.payload().to_pydict() == {"price": columns["price"], "stock": columns["stock"]}
    with pytest.raises(DuplicateIdError, match="10 are in the index"):
        frames.add(index, frame_of(kind, rest), "embedding", id="sku")
    rest["price"] = [0.5] * 10
    frames.add(index, frame_of(kind, rest), "embedding", id="sku", replace=True)
    assert index.payload(["s35", "s5"])["price"].to_pylist() == [0.5, 5.0]
    with pytest.raises(InputError, match=r"\['stock'\] are not among"):
        frames.add(index, {"embedding": [[0.0] * 10], "sku": ["z"], "price": [1.0]}, "embedding", id="sku")
    np.testing.assert_array_equal(index.vectors(columns["sku"]), vectors[:40])


def test_hits_as_a_table(columns, vectors):
    index = frames.read(columns, "embedding", id="sku", metric="l2", config=FAST)
    found = index.search(vectors[:3], k=50)
    table = frames.hits(found, index)
    assert table.column_names == ["query", "rank", "id", "distance", "leaf", "price", "stock"]
    assert table["query"].to_pylist() == [0] * 40 + [1] * 40 + [2] * 40
    assert table["rank"].to_pylist() == list(range(40)) * 3
    assert table["id"].to_pylist() == found.ids[:, :40].ravel().tolist()
    np.testing.assert_array_equal(table["distance"], found.distances[:, :40].ravel())
    assert table["stock"].to_pylist() == [int(name[1:]) for name in table["id"].to_pylist()]
    near = index.search(vectors[:3], radius=2.0)
    assert frames.hits(near)["id"].to_pylist() == near.ids.tolist()
    assert frames.to_polars(frames.hits(near)).filter(pl.col("rank") == 0)["id"].to_list() == ["s0", "s1", "s2"]
    nothing = frames.hits(index.search(vectors[:2], radius=0.0, filter=np.zeros(40, bool)), index)
    assert (nothing.num_rows, nothing.column_names) == (0, table.column_names)
    index.delete(["s0"])
    with pytest.raises(UnknownIdError, match="are not, such as"):
        frames.hits(found, index)
    taken = frames.read({"v": [[0, 1], [1, 0]], "rank": [1, 2]}, "v", config=FAST)
    with pytest.raises(InputError, match=r"names other than .* found 'rank'"):
        frames.hits(taken.search([0, 1]), taken)


def test_pandas_columns_keep_integers_beside_nulls():
    index = frames.read({"v": [[0, 1], [1, 0]], "n": [None, 2**60 + 1]}, "v", config=FAST)
    frame = frames.to_pandas(index)
    assert frame["n"].tolist()[1] == 2**60 + 1
    assert isinstance(frame["vector"][0], np.ndarray)


# ---- images


@pytest.fixture
def pictures(digits):
    return [Image.fromarray(image[..., 0]) for image in digits[:24]]


def encoded(picture):
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def test_a_data_set_with_an_image_column(pictures, digits, quick):
    features = datasets.Features(
        {"picture": datasets.Image(), "label": datasets.Value("int64"), "name": datasets.Value("string")}
    )
    entries = {"picture": pictures, "label": list(range(24)), "name": [f"n{row}" for row in range(24)]}
    dataset = datasets.Dataset.from_dict(entries, features=features)
    index = frames.build(dataset, "picture", id="name", config=quick, progress=False)
    assert index.ids.tolist() == entries["name"]
    assert index.payload().to_pydict() == {"label": entries["label"]}
    plain = HierIndex.build(digits[:24], config=quick, progress=False)
    np.testing.assert_allclose(index.vectors(), plain.vectors(), atol=1e-6)
    assert index.search(pictures[7], k=1).ids[0, 0] == "n7"
    straight = HierIndex.build(dataset.rename_column("picture", "image"), config=quick, progress=False)
    np.testing.assert_allclose(straight.vectors(), plain.vectors(), atol=1e-6)


@pytest.mark.parametrize("kind", ["polars", "arrow", "pandas"])
@pytest.mark.parametrize("as_struct", [False, True])
def test_a_column_of_encoded_images(kind, as_struct, pictures, digits, quick):
    files = [encoded(picture) for picture in pictures]
    column = [{"bytes": file, "path": None} for file in files] if as_struct else files
    frame = frame_of(kind, {"img": column, "label": list(range(24))})
    index = frames.build(frame, "img", config=quick, progress=False)
    assert index.payload().to_pydict() == {"label": list(range(24))}
    assert index.search(digits[11], k=1).ids[0, 0] == 11


def test_a_data_set_is_a_payload_too(vectors):
    dataset = datasets.Dataset.from_dict({"n": list(range(9))}).select(range(8, -1, -1))
    index = HierIndex.from_vectors(vectors[:9], payload=dataset, config=FAST)
    assert index.payload().to_pydict() == {"n": list(range(8, -1, -1))}


# ---- refusals


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"w": [[1.0]]}, r"should have a column 'v'; found \['w'\]"),
        ({"v": [1.0, 2.0]}, "column 'v' should hold vectors, as lists of numbers; found double"),
        ({"v": [[1.0], None]}, "column 'v' should have a value in every row; found 1 without"),
        ({"v": [[1.0], [1.0, 2.0]]}, r"should all be as long; found lengths \[1, 2\]"),
        ({"v": [[1.0], [None]]}, "should hold numbers only; found 1 null"),
        ({"v": [["a"], ["b"]]}, "column 'v' should form one numeric array|column 'v' should hold real numbers"),
        ({"v": [[1.0]], "w": [1, 2]}, "should be columns of one length"),
        (pl.LazyFrame({"v": [[1.0]]}), "found LazyFrame; collect what is lazy"),
        (3, "found int"),
    ],
)
def test_frames_that_hold_no_vectors(frame, message):
    with pytest.raises(InputError, match=message):
        frames.read(frame, "v", config=FAST)


def test_ids_and_payload_that_are_not_there(columns, pictures):
    with pytest.raises(InputError, match="should have a column 'id'"):
        frames.read(columns, "embedding", id="id", config=FAST)
    with pytest.raises(InputError, match=r"\['genre'\] are not among"):
        frames.read(columns, "embedding", payload=["genre"], config=FAST)
    with pytest.raises(DuplicateIdError, match="ids should be unique"):
        frames.read({"v": [[0, 1], [1, 0]], "id": ["a", "a"]}, "v", id="id", config=FAST)
    with pytest.raises(InputError, match="should have a column 'img'"):
        frames.build(datasets.Dataset.from_dict({"n": [1]}), "img")
    with pytest.raises(InputError, match="should have a column 'img'"):
        frames.build(pa.table({"n": [1]}), "img")
    with pytest.raises(ImageError, match="image 0"):
        frames.build(pa.table({"img": [b"no picture", encoded(pictures[0])]}), "img")


@pytest.mark.parametrize("out", ["to_pandas", "to_polars", "to_dataset"])
def test_without_a_library_the_error_names_the_extra(out, monkeypatch):
    monkeypatch.setitem(sys.modules, {"to_dataset": "datasets"}.get(out, out[3:]), None)
    with pytest.raises(MissingExtraError, match=r"pip install 'hierindex\[frames\]'"):
        getattr(frames, out)(pa.table({"a": [1]}))
