"""Pictures: drawn, of the tree that is there, and refused where they cannot be."""

import io

import numpy as np
import pytest
from PIL import Image

from hierindex import HierIndex, plots
from hierindex.decode.arcs import arc_points
from hierindex.errors import InputError, MissingExtraError
from hierindex.index.compare import Measured
from hierindex.plots.disk import geodesic


def pixels(figure):
    return np.asarray(Image.open(io.BytesIO(plots.png(figure, dpi=50))).convert("RGB"))


@pytest.mark.parametrize("draw", [plots.disk, plots.dendrogram])
def test_thumbnails_are_drawn_only_if_given(draw, image_index, digits):
    with_images, without = (draw(image_index, images) for images in (digits[:100], None))
    assert pixels(with_images).std() > 0
    boxes = [
        len([a for a in f.axes[0].artists if type(a).__name__ == "AnnotationBbox"]) for f in (with_images, without)
    ]
    assert boxes == [64 if draw is plots.disk else 32, 0]


def test_the_leaves_and_the_training_are_drawn_as_they_are(image_index):
    heights = [bar.get_height() for bar in plots.leaves(image_index).axes[0].patches]
    assert heights == sorted(image_index.leaf_sizes().tolist(), reverse=True)
    contrast = plots.training(image_index).axes[0].lines[0].get_ydata()
    np.testing.assert_array_equal(contrast, [epoch.contrast for epoch in image_index.training.epochs])


def test_points_stand_on_the_boundary_in_leaf_order_and_nodes_inside(image_index):
    tree = image_index.tree
    where = arc_points(tree.spans, tree.n)
    radius = np.linalg.norm(where, axis=1)
    np.testing.assert_allclose(radius[: tree.n], 1, atol=1e-3)
    assert (radius[tree.n :] < 1).all()
    angles = np.unwrap(np.arctan2(where[tree.order, 1], where[tree.order, 0]))
    assert (np.diff(angles) > 0).all()


def test_geodesics_meet_the_boundary_at_right_angles():
    # through two points of the disk there is one circle at right angles to the boundary: |centre|^2 = 1 + r^2
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = rng.uniform(-0.6, 0.6, (2, 2))
        x = geodesic(a, b, 9)
        np.testing.assert_allclose(x[[0, -1]], [a, b], atol=1e-9)
        centre, *_ = np.linalg.lstsq(2 * (x[1:] - x[0]), (x[1:] ** 2).sum(1) - (x[0] ** 2).sum(), rcond=None)
        radius = np.linalg.norm(x - centre, axis=1)
        np.testing.assert_allclose(radius, radius[0], rtol=1e-5)
        np.testing.assert_allclose(centre @ centre, 1 + radius[0] ** 2, rtol=1e-4)


def test_what_cannot_be_drawn_is_refused(image_index, vectors, quick, digits, monkeypatch):
    with pytest.raises(InputError, match="images should be 100, one for each point"):
        plots.disk(image_index, digits[:99])
    of_vectors = HierIndex.from_vectors(vectors[:20], config=quick)
    with pytest.raises(InputError, match="training should have been recorded"):
        plots.training(of_vectors)
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'hierindex\[plots\]'"):
        plots.leaves(image_index)


def test_every_picture_is_at_the_index(image_index, digits):
    plot = image_index.plot
    for own, direct in (
        (plot.disk(digits[:100], branches=20, groups=4), plots.disk(image_index, digits[:100], branches=20, groups=4)),
        (plot.dendrogram(branches=9), plots.dendrogram(image_index, branches=9)),
        (plot.leaves(), plots.leaves(image_index)),
        (plot.training(), plots.training(image_index)),
    ):
        np.testing.assert_array_equal(pixels(own), pixels(direct))


def measured(asked, recall, batch, single, flat):
    return Measured(asked, recall, batch, single, flat, 10 * flat)


def test_recall_is_drawn_against_what_it_costs():
    points = [
        measured(0.9, 0.91, 4.0, 50.0, 10.0),
        measured(1.0, 1.0, 20.0, 200.0, 30.0),
        measured(0.99, 0.98, 8, 90, 20),
    ]
    figure = plots.recall_latency(plots.curves_of(points), k=5, title="ours")
    batch, single = figure.axes
    ours, flat = ({line.get_label(): line for line in axes.lines} for axes in (batch, single))
    np.testing.assert_allclose(ours["hierindex"].get_xydata(), [(0.91, 250_000), (1.0, 50_000), (0.98, 125_000)])
    np.testing.assert_allclose(ours["flat FAISS"].get_xydata(), [(1.0, 50_000)])  # its median, 20 us
    np.testing.assert_allclose(flat["hierindex"].get_xydata(), [(0.91, 50), (1.0, 200), (0.98, 90)])
    np.testing.assert_allclose(flat["flat FAISS"].get_xydata(), [(1.0, 200)])
    assert batch.get_xlabel() == "recall@5"
    assert 0.9 <= batch.get_xlim()[0] < 0.91
    with pytest.raises(InputError, match="measured should hold at least one operating point"):
        plots.curves_of([])
    with pytest.raises(InputError, match="curves should hold at least one point"):
        plots.recall_latency([])


def test_an_index_measures_itself_and_draws_that(vectors, quick):
    index = HierIndex.from_vectors(vectors, config=quick)
    batch, single = index.plot.recall_latency(vectors[:20], k=3, limit=20).axes
    for axes in (batch, single):
        x, y = axes.lines[0].get_xydata().T
        assert len(x) == 4  # one point for each recall of compare_with_flat
        np.testing.assert_array_equal(x, 1)  # so few are compared whole
        assert (y > 0).all()
    assert batch.get_xlabel() == "recall@3"
