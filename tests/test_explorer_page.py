"""The explorer page in a real browser: what is seen, moved, clicked, searched and walked is what the index says."""

import base64
from dataclasses import replace

import numpy as np
import pytest

from hierindex import HierIndex
from hierindex.index.config import IndexConfig
from hierindex.server.config import ServerConfig
from tests.explorer_browser import browser, png_folder, served, visiting


@pytest.fixture(scope="module")
def chromium():
    with browser() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def photos_folder(tmp_path_factory, digits):
    return png_folder(tmp_path_factory.mktemp("photos"), digits[:100, ..., 0])


@pytest.fixture(scope="module")
def index(digits, quick):
    """Learned in a second, and searched through its leaves."""
    config = replace(quick, index=IndexConfig(flat_below=10, n_leaves=16))
    return HierIndex.build(digits[:100], config=config, progress=False)


@pytest.fixture(scope="module")
def address(index, photos_folder):
    with served(index, ServerConfig(images=photos_folder)) as address:
        yield address


@pytest.fixture
def guest(chromium, address):
    with visiting(chromium, address) as guest:
        yield guest.ready()


def translated(z, p, q):
    """Where the translation along the geodesic from p to q takes z: to the centre, along, and back."""
    there = (z - p) / (1 - p.conjugate() * z)
    step = (q - p) / (1 - p.conjugate() * q)
    moved = (there + step) / (1 + step.conjugate() * there)
    return (moved + p) / (1 + p.conjugate() * moved)


def test_the_tree_is_drawn_where_the_index_says(guest, index):
    assert guest.page.text_content("#facts") == f"100 points · {index.atlas.leaves} leaves"
    for spot in index.atlas.below(depth=3, limit=50):
        assert abs(guest.where(spot.node) - complex(*spot.place)) < 1e-12
    drawn = set(guest.app("app.scene.branches.map((one) => one.node.id)"))
    ends = guest.app(
        "app.scene.branches.filter((one) => one.end || !one.node.children.length).map((one) => one.node.id)"
    )
    assert index.atlas.spot().node in drawn
    assert sum(index.browse(node).count for node in ends) == 100  # what is drawn takes the whole rim
    png = guest.page.locator("#disk").screenshot()
    assert len(png) > 30_000  # a blank canvas of that size is a fifth of it


def test_dragging_takes_what_is_under_the_pointer_along(guest, index):
    node, other = index.atlas.spot().children
    before = {each: guest.where(each) for each in (node, other)}
    p, q = before[node], 0.3 - 0.2j
    guest.page.mouse.move(*guest.pixel(p))
    guest.page.mouse.down()
    guest.page.mouse.move(*guest.pixel(q))
    guest.page.mouse.up()
    for each in (node, other):
        assert abs(guest.where(each) - translated(before[each], p, q)) < 0.01  # a pixel is 0.003
    assert abs(guest.where(node) - q) < 0.01


def test_the_wheel_moves_along_the_diameter_through_the_pointer(guest, index):
    spots = index.atlas.below(depth=3, limit=15)
    before = {spot.node: guest.where(spot.node) for spot in spots}
    pointer = 0.4 - 0.3j
    guest.page.mouse.move(*guest.pixel(pointer))
    guest.page.mouse.wheel(0, -120)
    guest.still()
    step = 120 * 0.0025 * min(1, 2 * np.arctanh(abs(pointer)) / 0.7)  # the hyperbolic distance of one notch
    goal = pointer / abs(pointer) * np.tanh(np.arctanh(abs(pointer)) - step / 2)
    for node, was in before.items():
        assert abs(guest.where(node) - translated(was, pointer, goal)) < 0.005
    guest.page.mouse.wheel(0, 2_000)  # and out again, as far as the whole tree
    guest.page.mouse.wheel(0, 2_000)
    guest.still()
    assert abs(guest.where(spots[0].node)) < 1e-9


def test_a_double_click_brings_a_branch_to_the_middle_and_h_goes_home(guest, index):
    node = index.atlas.spot().children[1]
    guest.page.mouse.dblclick(*guest.pixel(guest.where(node)))
    guest.still()
    assert abs(guest.where(node)) < 1e-9
    guest.page.keyboard.press("h")
    guest.still()
    assert abs(guest.where(node) - complex(*index.atlas.spot(node).place)) < 1e-9


def test_a_flight_follows_the_geodesic(chromium, address, index):
    with visiting(chromium, address, reduced_motion="no-preference") as guest:
        guest.ready()
        node = index.atlas.below(depth=2, limit=7)[-1].node
        start = guest.where(node)
        note = "app.trail.push(app.view.where(app.forest.get(a).place))"
        guest.app(f"(app.trail = [], app.view.moved = () => {{ {note}; app.draw(); }}, 0)", node)
        guest.app("app.view.flyTo(app.forest.get(a).place)", node)
        guest.still()
        trail = np.array([complex(*place) for place in guest.app("app.trail")])
        assert len(trail) > 3
        assert abs(trail[-1]) < 1e-9
        # to the centre the geodesic is the diameter, and no step goes back
        np.testing.assert_allclose((trail / (start / abs(start))).imag, 0, atol=1e-9)
        assert (np.diff(np.abs(trail)) <= 1e-12).all()


def test_a_click_on_a_branch_shows_what_it_holds(guest, index):
    node = index.atlas.spot().children[0]
    guest.page.mouse.click(*guest.pixel(guest.where(node)))
    guest.heading("Branch")
    branch = index.browse(node, examples=12)
    panel = guest.page.locator("#panel")
    assert panel.locator("h2").text_content() == f"Branch {node}"
    facts = dict(zip(panel.locator("dt").all_text_contents(), panel.locator("dd").all_text_contents(), strict=True))
    assert (facts["Points"], facts["Depth"]) == (str(branch.count), "1")
    typical = panel.locator("ul.grid").first.locator(".name").all_text_contents()
    assert typical == [str(id_) for id_ in index.atlas.spot(node, examples=12).examples]
    assert panel.locator(".part b").all_text_contents() == [f"Branch {child}" for child in branch.children]
    panel.get_by_role("button", name="Show all").click()
    members = panel.locator("ul.small .name")
    members.nth(min(48, branch.count) - 1).wait_for(state="attached")
    assert members.all_text_contents() == [str(p.id) for p in index.atlas.members(node, limit=48)]


@pytest.mark.parametrize("clusters", [1, 5, 16])
def test_the_slider_colours_the_cut(guest, index, clusters):
    value = round(1000 * np.log(clusters) / np.log(index.atlas.leaves))
    guest.page.locator("#cut").fill(str(value))
    guest.until("app.clusters === a && app.cuts.has(a)", clusters)
    guest.still()
    assert guest.page.text_content("#cut-value") == f"{clusters} cluster{'s' if clusters > 1 else ''}"
    coloured = guest.app("app.scene.branches.map(({ node, cluster, colour }) => [node.id, cluster, colour])")
    cut = index.atlas.cut(clusters) if clusters > 1 else []
    for node, cluster, colour in coloured:
        above = [each for each in index.atlas.above([node]) if each.node in cut]
        assert cluster == (above[0].node if above else None)
        assert (colour is None) == (not above)
    assert len({colour for _, _, colour in coloured if colour}) == len({c for _, c, _ in coloured if c is not None})


def test_a_search_by_id_lights_up_the_way_that_it_took(guest, index):
    guest.page.keyboard.press("/")
    guest.page.keyboard.type("17")
    guest.page.keyboard.press("Enter")
    guest.page.wait_for_selector("#panel ol.hits li")
    hits = index.search(index.vectors([17]), k=25)
    expected = [id_ for id_ in hits.ids[0].tolist() if id_ != 17][:24]
    assert guest.page.locator("ol.hits .name").all_text_contents() == [str(id_) for id_ in expected]
    way = index.explain(index.vectors([17]), k=24)
    assert not way.exact
    assert sorted(guest.app("[...app.route.probed]")) == sorted(way.leaves)
    shown = [hit["id"] for hit in guest.app("app.route.hitsShown()")]
    assert shown == expected  # at once, for whoever wants no motion
    lit = set(guest.app("[...app.route.nodes].filter((id) => app.route.shown(app.forest.get(id)))"))
    ends = [*way.leaves, *(leaf for level in way.levels for leaf in level), *(index.path(id_)[-1] for id_ in expected)]
    assert lit == {spot.node for spot in index.atlas.above(ends)}
    assert f"{len(way.leaves)} of {index.atlas.leaves} leaves" in guest.page.text_content("#panel .query p")
    guest.page.keyboard.press("Escape")
    assert guest.app("app.route") is None


def test_the_way_shows_level_by_level(chromium, address):
    with visiting(chromium, address, reduced_motion="no-preference") as guest:
        guest.ready()
        guest.app("app.searchId('17')")
        guest.page.wait_for_selector("#panel ol.hits li")
        seen = []
        for share in (0.5, 1.5, 2.5, 99):
            clock = "{ value: a * app.route.step, configurable: true }"  # the clock stands where the test says
            guest.app(f"Boolean(Object.defineProperty(app.route, 'past', {clock}))", share)
            lit = "[...app.route.nodes].map((id) => app.forest.get(id)).filter((node) => app.route.shown(node))"
            seen.append(guest.app(f"{lit}.map((node) => node.depth)"))
        assert [max(depths) for depths in seen[:3]] == [0, 1, 2]
        assert len(seen[3]) == guest.app("app.route.nodes.size")


def test_a_dropped_image_is_searched_by(guest, index, digits, photos_folder):
    data = base64.b64encode((photos_folder / "42.png").read_bytes()).decode()
    guest.page.evaluate(
        """async (data) => {
            const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
            const carried = new DataTransfer();
            carried.items.add(new File([bytes], "digit.png", { type: "image/png" }));
            const target = document.getElementById("disk");
            for (const kind of ["dragover", "drop"])
                target.dispatchEvent(new DragEvent(kind, { dataTransfer: carried, bubbles: true, cancelable: true }));
        }""",
        data,
    )
    guest.page.wait_for_selector("#panel ol.hits li")
    found = index.search(digits[42:43], k=24).ids[0].tolist()
    assert found[0] == 42
    assert guest.page.locator("ol.hits .name").all_text_contents() == [str(id_) for id_ in found]
    assert guest.page.locator(".query img").get_attribute("src").startswith("blob:")


def test_the_tree_is_walked_by_the_keyboard(guest, index):
    press, selected = guest.page.keyboard.press, lambda: guest.app("app.selected")
    guest.page.locator("#disk").focus()
    root = index.atlas.spot()
    press("ArrowDown")
    assert selected() == root.node
    press("ArrowDown")
    larger = max(root.children, key=lambda child: index.browse(child).count)
    smaller = next(child for child in root.children if child != larger)
    assert selected() == larger
    press("ArrowRight")
    assert selected() == smaller
    press("ArrowLeft")
    assert selected() == larger
    guest.until("document.getElementById('spoken').textContent.startsWith(a)", f"Branch {larger},")
    press("ArrowUp")
    assert selected() == root.node
    press("ArrowDown")
    guest.still()
    assert abs(guest.where(larger)) < 1e-9  # who walks stands in the middle
    was = guest.where(root.node)
    press("-")
    guest.still()
    assert abs(guest.where(root.node)) < abs(was)
    press("Enter")
    guest.until("document.activeElement.id === 'panel'")
    press("Escape")
    assert selected() is None
    assert guest.page.evaluate("document.activeElement.id") == "disk"


def test_everything_that_acts_can_be_reached_and_has_a_name(guest):
    reached = []
    for _ in range(14):
        guest.page.keyboard.press("Tab")
        reached.append(guest.page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert {"skip", "query", "pick", "disk", "cut", "zoom-in", "zoom-out", "home"} <= set(reached)
    nameless = guest.page.evaluate(
        """[...document.querySelectorAll("button, input, select, canvas")].filter((e) => e.checkVisibility() &&
           !(e.textContent.trim() || e.ariaLabel || e.labels?.length)).map((e) => e.outerHTML)"""
    )
    assert nameless == []


@pytest.mark.parametrize(("width", "height"), [(360, 740), (820, 1180), (1920, 1080)])
def test_it_fits_every_screen(chromium, address, width, height):
    with visiting(chromium, address, viewport={"width": width, "height": height}) as guest:
        guest.ready()
        assert guest.page.evaluate("document.documentElement.scrollWidth") <= width
        assert guest.page.evaluate("document.documentElement.scrollHeight") <= height
        radius, x, y = guest.app("[app.view.radius, app.view.x, app.view.y]")
        box = guest.page.locator("#disk").bounding_box()
        assert radius + guest.app("app.margin") <= min(x, y, box["width"] - x, box["height"] - y) + 1
        assert radius > 0.3 * min(box["width"], box["height"])


def test_two_fingers_apart_come_nearer_by_an_isometry(chromium, address, index):
    with visiting(chromium, address, has_touch=True, viewport={"width": 390, "height": 844}) as guest:
        guest.ready()
        nodes = [spot.node for spot in index.atlas.below(depth=2, limit=7)]
        before = np.array([guest.where(node) for node in nodes])
        touch = guest.page.context.new_cdp_session(guest.page)
        x, y = guest.pixel(0.4 + 0.2j)
        for kind, apart in (("touchStart", 20), ("touchMove", 40), ("touchMove", 80), ("touchEnd", None)):
            fingers = [] if apart is None else [{"x": x - apart, "y": y, "id": 0}, {"x": x + apart, "y": y, "id": 1}]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})
        guest.still()
        after = np.array([guest.where(node) for node in nodes])
        far = [np.abs((z[:, None] - z) / (1 - z[:, None].conj() * z)) for z in (before, after)]
        np.testing.assert_allclose(far[0], far[1], atol=1e-9)  # no two came nearer to each other
        assert abs(after[0]) > 0.3  # and the root, which stood in the middle, is left behind
        assert guest.app("app.selected") is None  # it was no click


def test_a_server_that_fails_is_heard(guest):
    guest.page.route("**/v1/search", lambda route: route.abort())
    guest.page.fill("#query", "3")
    guest.page.keyboard.press("Enter")
    guest.page.wait_for_selector("#notice:not([hidden])")
    assert guest.app("app.route") is None
    assert guest.wrong  # the browser's own words for what it could not load
    guest.page.unroute("**/v1/search")
    guest.page.fill("#query", "no such id")
    guest.page.keyboard.press("Enter")
    guest.until("document.getElementById('notice').textContent.includes('ids')")
    guest.wrong.clear()
