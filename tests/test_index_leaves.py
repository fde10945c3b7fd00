"""Lists of codes, each of which stands twice in FAISS's index: what is found is what comparing all codes finds."""

import gc
from pathlib import Path

import numpy as np
import pytest

from hierindex.index.codes import Axes
from hierindex.index.leaves import PqLeaves
from hierindex.index.native import Selector


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5_000, 12)).astype(np.float32)
    coder = Axes.of(x, np.arange(len(x)), 0).coder(12, 0)
    leaf = rng.integers(0, 40, len(x))
    queries = rng.normal(size=(50, 12)).astype(np.float32)
    lists = np.stack([rng.permutation(40)[:9] for _ in queries])
    lists[::3, 5:] = -1
    return x, coder, leaf, queries, lists, PqLeaves.pack(coder, coder.encode(x), leaf, 40, by_product=False)


@pytest.mark.parametrize("filtered", [False, True])
def test_what_is_found_is_what_comparing_all_codes_finds(case, filtered):
    x, coder, leaf, queries, lists, packed = case
    may = np.random.default_rng(1).random(len(x)) < (0.3 if filtered else 1.1)
    found, promise = packed.promising(coder.turned(queries), lists, 30, Selector(may) if filtered else None)
    said = coder.quantizer.decode(coder.encode(x))
    for query, own, rows, near in zip(coder.turned(queries), lists, found, promise, strict=True):
        squared = ((said - query) ** 2).sum(axis=1)
        there = np.flatnonzero(np.isin(leaf, own[own >= 0]) & may)
        book = np.sort(squared[there])[: len(rows)]
        assert len(set(rows.tolist())) == 30
        assert np.isin(rows, there).all()
        # FAISS adds up tables of 8 bits: a row may stand a little before one that is nearer
        np.testing.assert_allclose(np.sort(squared[rows]), book, atol=0.5)
        np.testing.assert_allclose(near, squared[rows], atol=0.5)


def test_one_leaf_or_two_or_none(case):
    _, coder, leaf, queries, _, packed = case
    turned = coder.turned(queries)
    for own in ([7], [7, 3], [-1], [7, -1, 3]):
        rows = packed.scan(turned, np.tile(own, (len(queries), 1)), 400, None)
        for found in rows:
            expected = np.flatnonzero(np.isin(leaf, [leaf for leaf in own if leaf >= 0]))
            assert sorted(found[found >= 0].tolist()) == expected.tolist()


def test_both_numbers_of_a_list_name_the_same_rows(case):
    *_, packed = case
    lists = packed.index.invlists
    assert lists.nlist == 2 * packed.n_lists
    for number in (0, 13, 39):
        assert lists.list_size(number) == lists.list_size(number + 40) > 0
        assert int(lists.get_ids(number)) == int(lists.get_ids(number + 40))  # one place in memory


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc, which is not here")
def test_the_memory_of_lists_goes_with_them():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60_000, 16)).astype(np.float32)
    coder = Axes.of(x, np.arange(len(x)), 0).coder(16, 0)
    codes, leaf = coder.encode(x), rng.integers(0, 20, len(x))

    def resident():
        gc.collect()
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

    for number in range(30):
        PqLeaves.pack(coder, codes, leaf, 20, by_product=False)
        if number == 5:
            before = resident()
    assert resident() - before < 10 * 1024  # 24 times a megabyte would be 24
