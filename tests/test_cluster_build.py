"""The steps of a build on a cluster, without one: each against the same thing done plainly."""

import json
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cluster_cases import cloud, saved
from hypothesis import given
from hypothesis import strategies as st

from hierindex.cluster.numbering import in_line
from hierindex.cluster.pieces import Reading, dim_of, pieces_of, read_piece
from hierindex.cluster.steps import NUMBER, Parting, Reader, Sampler, Settings, Tally
from hierindex.errors import EmptyInputError, InputError
from hierindex.index.native import nearest
from hierindex.index.nodes import Nodes
from hierindex.index.partition import group_sums
from hierindex.vectors import Metric


@pytest.fixture(scope="module")
def index(tmp_path_factory, quick):
    return saved(tmp_path_factory.mktemp("b") / "index", cloud(1_000, 12, 0), quick, "cosine", n_leaves=12)


def shuffled(nodes, seed):
    """The same tree under other numbers."""
    order = np.random.default_rng(seed).permutation(len(nodes))
    number = np.argsort(order)
    parent = np.where(nodes.parent >= 0, number[nodes.parent], -1)
    return Nodes(parent[order], nodes.height[order], nodes.centroid[order], nodes.ball[order], nodes.count[order])


@pytest.fixture
def parquet(tmp_path):
    """Two Parquet files of several row groups, with ids and payload."""
    x = cloud(500, 12, 1)
    ids = [f"p{i}" for i in range(500)]
    for number, part in enumerate((slice(0, 300), slice(300, 500))):
        table = pa.table(
            {"emb": list(x[part]), "name": ids[part], "price": np.arange(500.0)[part], "other": np.zeros(500)[part]}
        )
        pq.write_table(table, tmp_path / f"{number}.parquet", row_group_size=130)
    return tmp_path, x, ids


@given(st.integers(0, 2**32))
def test_numbers_in_line_are_the_same_tree(index, seed):
    nodes = shuffled(index._view.snapshot.nodes, seed)
    lined, new = in_line(nodes)
    lined.check()
    assert lined.leaves.tolist() == list(range(len(nodes.leaves)))
    for node in nodes.preorder.tolist():
        assert lined.height[new[node]] == nodes.height[node]
        assert np.array_equal(lined.centroid[new[node]], nodes.centroid[node])
        if nodes.parent[node] >= 0:
            assert lined.parent[new[node]] == new[nodes.parent[node]]


def test_pieces_number_every_row_once_whatever_holds_it(parquet, tmp_path):
    folder, x, ids = parquet
    reading = Reading(vectors="emb", ids="name", payload=("price",))
    pieces = pieces_of(folder, reading)
    assert len(pieces) == 5
    batches = [read_piece(piece, reading, Metric.L2.prepare) for piece in pieces]
    assert np.concatenate([batch.number for batch in batches]).tolist() == list(range(500))
    assert np.array_equal(np.concatenate([batch.rows for batch in batches]), x)
    assert np.concatenate([batch.ids for batch in batches]).tolist() == ids
    assert pa.concat_tables([batch.payload for batch in batches])["price"].to_pylist() == list(range(500))
    assert dim_of(pieces[0], reading) == 12
    some = read_piece(pieces[1], reading, Metric.L2.prepare, np.array([3, 7]))
    assert some.ids.tolist() == ["p133", "p137"]
    np.save(tmp_path / "x.npy", x)
    plain = [read_piece(piece, Reading(), Metric.L2.prepare) for piece in pieces_of(tmp_path / "x.npy", Reading())]
    assert np.array_equal(np.concatenate([batch.rows for batch in plain]), x)
    assert np.concatenate([batch.ids for batch in plain]).tolist() == list(range(500))


def test_vectors_may_be_stored_as_bytes(tmp_path):
    x = cloud(40, 5, 2)
    pq.write_table(pa.table({"vector": pa.array([row.tobytes() for row in x], pa.binary(20))}), tmp_path / "b.parquet")
    (piece,) = pieces_of(tmp_path / "b.parquet", Reading())
    assert np.array_equal(read_piece(piece, Reading(), Metric.L2.prepare).rows, x)


def flat(pixels):
    """Pixels as vectors."""
    return pixels.reshape(len(pixels), -1).astype(np.float32)


def test_images_are_pieces_by_name_or_by_row(photos, digits, tmp_path):
    reading = Reading(images=True)
    (piece,) = pieces_of(photos, reading)
    batch = read_piece(piece, reading, flat)
    assert batch.ids[:2].tolist() == ["even/000.png", "even/002.png"]
    assert np.array_equal(batch.rows[1], digits[2].ravel())
    data = [{"bytes": (photos / name).read_bytes(), "path": name} for name in batch.ids.tolist()]
    pq.write_table(pa.table({"image": data}), tmp_path / "i.parquet", row_group_size=16)
    rows = [read_piece(each, reading, flat).rows for each in pieces_of(tmp_path / "i.parquet", reading)]
    assert [len(each) for each in rows] == [16, 16, 8]
    assert np.array_equal(np.concatenate(rows), batch.rows)


@pytest.mark.parametrize(
    ("columns", "message"), [({"vectors": "nope"}, "columns .'nope'"), ({"ids": "no", "vectors": "emb"}, "'no'")]
)
def test_columns_that_are_missing_are_named_before_anything_is_read(parquet, columns, message):
    with pytest.raises(InputError, match=message):
        pieces_of(parquet[0], Reading(**columns))


def test_a_source_of_nothing_is_refused(tmp_path):
    np.save(tmp_path / "none.npy", np.zeros((0, 4), np.float32))
    with pytest.raises(EmptyInputError, match="at least one row"):
        pieces_of(tmp_path / "none.npy", Reading())
    np.save(tmp_path / "flat.npy", np.zeros(4, np.float32))
    with pytest.raises(InputError, match=r"array \(n, d\)"):
        pieces_of(tmp_path / "flat.npy", Reading())


def test_steps_assign_and_count_as_one_pass_over_all_rows_would(index, parquet):
    folder, x, ids = parquet
    reading = Reading(vectors="emb", ids="name", payload=("price",))
    nodes, _ = in_line(index._view.snapshot.nodes)
    settings = Settings(reading, Metric.COSINE, 12, index._view.model.to_file(), nodes)
    pieces = pa.table({"piece": [json.dumps(asdict(piece)) for piece in pieces_of(folder, reading)]})
    points = Reader(settings)(pieces)
    rows = Metric.COSINE.prepare(x)
    leaf = nearest(rows, nodes.leaf_centroids)
    assert points["id"].to_pylist() == ids
    assert points["leaf"].to_pylist() == leaf.tolist()
    assert np.array_equal(np.frombuffer(b"".join(points["vector"].to_pylist()), "<f4").reshape(-1, 12), rows)
    halves = pa.concat_tables([Tally(settings)(points[:333]), Tally(settings)(points[333:])])
    counts, sums = group_sums(rows, leaf, len(nodes.leaves))
    found, total = np.zeros_like(counts), np.zeros_like(sums)
    np.add.at(found, halves["leaf"].to_numpy(), halves["count"].to_numpy())
    np.add.at(total, halves["leaf"].to_numpy(), np.frombuffer(b"".join(halves["sum"].to_pylist())).reshape(-1, 12))
    assert np.array_equal(found, counts)
    np.testing.assert_allclose(total, sums, rtol=1e-12, atol=1e-12)
    first = np.array([0, 5, 9])
    parts = Parting(first)(points)["__part__"].to_numpy()
    assert all(first[p] <= at and (p == 2 or at < first[p + 1]) for p, at in zip(parts, leaf, strict=True))


def test_a_sample_is_of_the_rows_that_were_drawn(parquet):
    folder, x, ids = parquet
    reading = Reading(vectors="emb", ids="name")
    pieces = [json.dumps(asdict(piece)) for piece in pieces_of(folder, reading)]
    drawn = Sampler(Settings(reading, Metric.L2, 12))(pa.table({"piece": pieces[1:3], "rows": [[0, 9], [2]]}))
    assert drawn[NUMBER].to_pylist() == [130, 139, 262]
    assert drawn["id"].to_pylist() == [ids[i] for i in (130, 139, 262)]
    assert np.array_equal(np.frombuffer(drawn["vector"][2].as_py(), "<f4"), x[262])
