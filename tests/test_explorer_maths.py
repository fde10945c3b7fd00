"""What the explorer page computes, beside geoopt and SciPy; and what its files may never hold."""

import re

import numpy as np
import pytest
import torch
from fastapi import FastAPI
from fastapi.testclient import TestClient
from scipy.optimize import isotonic_regression

from hierindex.learning.ball import geoopt  # its one home, where its warnings at import are heard out
from hierindex.server import page
from tests.explorer_browser import browser, serving

BALL = geoopt.PoincareBall(c=1.0)


@pytest.fixture(scope="module")
def run():
    """Runs JavaScript over the modules ``m`` (mobius) and ``s`` (scene), and the argument ``a``."""
    app = FastAPI()
    page.mount(app)
    with browser() as chromium, serving(app) as address:
        sheet = chromium.new_page()
        sheet.goto(f"{address}/page/icon.svg")  # a page of this origin in which nothing runs

        def run(expression, argument):
            modules = "const [m, s] = await Promise.all(['mobius', 'scene'].map((n) => import(`/page/js/${n}.js`)))"
            return np.array(sheet.evaluate(f"async (a) => {{ {modules}; return {expression}; }}", argument))

        yield run


def points(n, seed=0, most=0.98):
    """``(n, 2)`` points of the disk, many of them near its edge."""
    rng = np.random.default_rng(seed)
    radius, angle = most * rng.uniform(size=n) ** 0.3, rng.uniform(0, 2 * np.pi, n)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def pairs(n):
    return points(n, 1), points(n, 2), points(n, 3)


def ball(function, *arguments):
    return function(*(torch.tensor(each, dtype=torch.float64) for each in arguments)).numpy()


def test_distances_are_those_of_geoopt(run):
    p, q, _ = pairs(50)
    got = run("a[0].map((p, i) => m.distance(p, a[1][i]))", [p.tolist(), q.tolist()])
    np.testing.assert_allclose(got, ball(BALL.dist, p, q), rtol=1e-9)


def test_translations_are_moebius_additions(run):
    p, q, z = (0.9 * each for each in pairs(50))  # nearer the edge geoopt's sums lose digits that exact fractions keep
    got = run("a[0].map((p, i) => m.apply(m.translation(p, a[1][i]), a[2][i]))", [x.tolist() for x in (p, q, z)])
    step = ball(BALL.mobius_add, -p, q)
    expected = ball(BALL.mobius_add, p, ball(BALL.mobius_add, step, ball(BALL.mobius_add, -p, z)))
    np.testing.assert_allclose(got, expected, atol=1e-9)


@pytest.mark.parametrize("t", [0.0, 0.3, 1.0])
def test_a_part_of_a_translation_goes_along_the_geodesic(run, t):
    p, q, _ = pairs(50)
    got = run(f"a[0].map((p, i) => m.apply(m.translation(p, a[1][i], {t}), p))", [p.tolist(), q.tolist()])
    np.testing.assert_allclose(
        got, ball(lambda x, y: BALL.geodesic(torch.tensor(t, dtype=torch.float64), x, y), p, q), atol=1e-9
    )


def test_isometries_stay_isometries_however_long_one_wanders(run):
    p, q, _ = pairs(20)
    walk = """(() => {
        const steps = a[0].map((p, i) => m.compose(m.rotation(i), m.translation(p, a[1][i])));
        let f = m.IDENTITY, far = 0;
        for (let round = 0; round < 200; round += 1) {
            for (const step of steps) f = m.compose(step, f);
            far = Math.max(far, Math.hypot(f[0], f[1]));
            for (const step of [...steps].reverse()) f = m.compose(m.inverse(step), f);
        }
        return [far, f[0] ** 2 + f[1] ** 2 - f[2] ** 2 - f[3] ** 2, ...f];
    })()"""
    far, norm, *back = run(walk, [(0.6 * p).tolist(), (0.6 * q).tolist()])
    assert far > 20  # it was far out, 200 times
    np.testing.assert_allclose(norm, 1, atol=1e-9)
    np.testing.assert_allclose(np.abs(back), [1, 0, 0, 0], atol=1e-6)


def test_composing_is_doing_one_after_the_other(run):
    p, q, z = pairs(50)
    both = run(
        """a[0].map((p, i) => {
            const f = m.translation(p, a[1][i]), g = m.compose(m.rotation(i), m.fromCentre(p)), z = a[2][i];
            return [m.apply(m.compose(f, g), z), m.apply(f, m.apply(g, z)), m.apply(m.inverse(g), m.apply(g, z)), z];
        })""",
        [x.tolist() for x in (p, q, z)],
    )
    np.testing.assert_allclose(both[:, 0], both[:, 1], atol=1e-9)
    np.testing.assert_allclose(both[:, 2], both[:, 3], atol=1e-9)


def test_the_boundary_goes_to_the_boundary_and_keeps_its_order(run):
    p, q, _ = pairs(30)
    turns = np.sort(np.random.default_rng(4).uniform(size=9)).tolist()
    ends = run(
        """a[0].map((p, i) => {
            const f = m.translation(p, a[1][i]), at = a[2].map((turn) => m.apply(f, m.onBoundary(turn)));
            const round = at.reduce((sum, x, j) => sum + m.sweep(x, at[(j + 1) % 9]), 0);
            return [...at.map(([x, y]) => Math.hypot(x, y)), round];
        })""",
        [p.tolist(), q.tolist(), turns],
    )
    np.testing.assert_allclose(ends[:, :9], 1, atol=1e-9)
    np.testing.assert_allclose(ends[:, 9], 2 * np.pi, atol=1e-9)  # once round: nothing was passed twice


def test_geodesics_are_drawn_where_geoopt_has_them(run):
    p, q, _ = pairs(60)
    arcs = run(
        """a[0].map((p, i) => {
            const arc = m.geodesic(p, a[1][i]);
            const wide = ((arc.clockwise ? arc.from - arc.to : arc.to - arc.from) + 4 * Math.PI) % (2 * Math.PI);
            const at = [0, 0.25, 0.5, 0.75, 1].map((t) => arc.from + (arc.clockwise ? -1 : 1) * t * wide);
            const on = (u) => [arc.x + arc.r * Math.cos(u), arc.y + arc.r * Math.sin(u)];
            return [arc.x, arc.y, arc.r, ...at.flatMap(on)];
        })""",
        [p.tolist(), q.tolist()],
    )
    centre, radius, drawn = arcs[:, :2], arcs[:, 2], arcs[:, 3:].reshape(-1, 5, 2)
    np.testing.assert_allclose((centre**2).sum(1), 1 + radius**2, rtol=1e-9)  # at right angles to the boundary
    np.testing.assert_allclose(drawn[:, 0], p, atol=1e-8)
    np.testing.assert_allclose(drawn[:, 4], q, atol=1e-8)
    for at in drawn[:, 1:4].swapaxes(0, 1):  # between them: as far as the ends are apart, in two parts
        parts = ball(BALL.dist, p, at) + ball(BALL.dist, at, q)
        np.testing.assert_allclose(parts, ball(BALL.dist, p, q), rtol=1e-6)


def test_a_geodesic_through_the_middle_is_straight(run):
    ends = [[[0.3, 0.3], [-0.5, -0.5]], [[0, 0], [0.2, 0.7]], [[0.3, 0.2], [0.3, 0.2]]]
    assert run("a.map(([p, q]) => m.geodesic(p, q) === null)", ends).all()


def test_what_would_cover_each_other_is_moved_as_little_as_possible(run):
    angles, apart = np.random.default_rng(5).uniform(0, 2, 14), 0.09
    got = run("s.spread(a[0], a[1])", [angles.tolist(), apart])
    order = np.argsort(angles)
    steps = apart * np.arange(14)
    np.testing.assert_allclose(got[order], isotonic_regression(angles[order] - steps).x + steps, atol=1e-9)
    assert np.diff(got[order]).min() > apart - 1e-9


@pytest.fixture(scope="module")
def client():
    app = FastAPI()
    page.mount(app)
    return TestClient(app)


def test_the_page_says_what_it_may_load_and_nothing_else(client):
    for path in ("/", "/page/js/main.js", "/page/style.css"):
        policy = client.get(path).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
    html = client.get("/").text
    assert re.findall(r"<script(?![^>]* src=)", html) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=|javascript:", html) == []


def test_no_file_of_the_page_writes_html_or_names_another_host():
    files = [path for path in page.STATIC.rglob("*") if path.suffix in (".js", ".html", ".css", ".svg")]
    assert len(files) > 15
    for path in files:
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        found = re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|https?://", text
        )
        assert found == [], path.name
