"""Pictures: drawn, of the tree that is there, and refused where they cannot be."""

import io

import numpy as np
import pytest
from PIL import Image

from hierindex import HierIndex, plots
from hierindex.errors import InputError, MissingExtraError
from hierindex.plots.disk import _geodesic, _on_the_circle


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
    where = _on_the_circle(tree)
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
        x = _geodesic(a, b, 9)
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
