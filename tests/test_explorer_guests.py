"""The explorer page over other people's indexes: hostile texts, huge ids, large trees, keys, and changes meanwhile."""

from dataclasses import replace

import numpy as np
import pytest

from hierindex import HierIndex
from hierindex.index.config import IndexConfig
from hierindex.server.config import ServerConfig
from hierindex.server.keys import Keys, Scope, new_key
from tests.explorer_browser import browser, served, visiting


@pytest.fixture(scope="module")
def chromium():
    with browser() as chromium:
        yield chromium


def test_what_strangers_wrote_stays_text(chromium, vectors, quick):
    evil = ['<img src=x onerror="alert(1)">', "javascript:alert(2)", '"><script>alert(3)</script>', "a/../b?c#d", "‮x"]
    names = [*evil, *(f"n{i}" for i in range(55))]
    titles = [f"<b onclick=alert(4)>{i}</b>" for i in range(60)]
    index = HierIndex.from_vectors(vectors[:60], ids=names, payload={"title": titles}, config=quick)
    with served(index) as address, visiting(chromium, address) as guest:
        guest.ready()
        for row, name in enumerate(evil):
            guest.page.fill("#query", name)
            guest.page.keyboard.press("Enter")
            guest.until("document.querySelector('#panel .query .tile')?.title.startsWith(a)", titles[row])
            hits = [id_ for id_ in index.search(index.vectors([name]), k=25).ids[0] if id_ != name][:24]
            assert guest.page.locator("ol.hits .name").all_text_contents() == [titles[names.index(h)] for h in hits]
        assert guest.page.locator("#panel b[onclick], #panel img[onerror], script:not([src])").count() == 0
        assert guest.app("app.forest.label") == "title"


def test_ids_that_javascript_cannot_count_to(chromium, vectors, quick):
    large = 2**62 + 1
    index = HierIndex.from_vectors(vectors[:60], ids=np.arange(60) + large, config=quick)
    with served(index) as address, visiting(chromium, address) as guest:
        guest.ready()
        guest.page.fill("#query", str(large + 7))
        guest.page.keyboard.press("Enter")
        guest.page.wait_for_selector("#panel ol.hits li")
        hits = [id_ for id_ in index.search(index.vectors([large + 7]), k=25).ids[0].tolist() if id_ != large + 7]
        assert guest.page.locator("ol.hits .name").all_text_contents() == [str(id_) for id_ in hits[:24]]


def test_a_large_tree_comes_piece_by_piece(chromium, quick):
    x = np.random.default_rng(0).normal(size=(1_500, 6)).astype(np.float32)
    index = HierIndex.from_vectors(x, config=replace(quick, index=IndexConfig(n_leaves=500)))
    with served(index) as address, visiting(chromium, address) as guest:
        guest.ready()
        assert guest.app("app.forest.size") < 400 < 2 * index.atlas.leaves
        first = guest.app("app.forest.size")
        leaf = int(index.path(int(index.ids[5]))[-1])
        guest.app("app.select(a, true)", leaf)
        guest.heading("Leaf")
        guest.until("app.scene.points.some((point) => point.leaf.node.id === a)", leaf)
        assert guest.app("app.forest.size") > first
        shown = guest.app("app.scene.points.filter((p) => p.leaf.node.id === a).map((p) => p.item.id)", leaf)
        assert set(shown) <= set(index.members(leaf).tolist())
        assert guest.app("app.scene.branches.length") < 400


def test_a_key_is_asked_for_and_used(chromium, vectors, quick):
    index = HierIndex.from_vectors(vectors[:60], config=quick)
    key, line = new_key(Scope.READ, "page")
    with served(index, ServerConfig(keys=Keys.parse(line))) as address, visiting(chromium, address) as guest:
        guest.page.wait_for_selector("dialog[open]")
        guest.page.fill("#key", "not-the-right-key")
        guest.page.keyboard.press("Enter")
        guest.page.wait_for_selector("#notice:not([hidden])")
        assert "the key should be one that the server knows" in guest.page.text_content("#notice")
        guest.page.reload()
        guest.page.wait_for_selector("dialog[open]")
        guest.page.fill("#key", key)
        guest.page.keyboard.press("Enter")
        guest.ready()
        guest.wrong = [each for each in guest.wrong if "401" not in each]  # the browser's own words for a refusal


def test_a_change_on_the_server_is_seen(chromium, vectors, quick):
    index = HierIndex.from_vectors(vectors[:200], config=quick)
    with served(index) as address, visiting(chromium, address) as guest:
        guest.ready()
        index.add(vectors[200:])
        guest.app("app.select(app.forest.root)")
        guest.until("document.getElementById('facts').textContent.startsWith('300 points')")


def test_a_tree_that_upkeep_drew_anew_is_seen(chromium, vectors, quick):
    index = HierIndex.from_vectors(vectors, config=quick)
    index.delete(index.ids[: len(index) * 3 // 4])
    with served(index) as address, visiting(chromium, address) as guest:
        guest.ready()
        before, points = index.atlas.made, len(index)
        index.maintain()
        assert (len(index), index.version) == (points, None)
        assert index.atlas.made > before
        guest.app("app.select(app.forest.root)")
        guest.until("app.forest.made === a", index.atlas.made)
        guest.until("app.forest.root === a", index.atlas.spot().node)
        guest.wrong = [each for each in guest.wrong if "422" not in each]  # it had asked for a node that is gone
