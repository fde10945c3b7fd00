"""Products in small pieces are products, and as many threads as FAISS would take turn queries."""

import threading

import numpy as np
import pytest

from hierindex.index import codes
from hierindex.index.codes import Axes
from hierindex.index.products import product
from hierindex.index.threads import omp_threads


@pytest.mark.parametrize("n", [0, 1, 2, 13, 700])
@pytest.mark.parametrize(("dim", "width"), [(1, 1), (3, 70), (128, 80), (256, 80), (300, 300), (2_048, 40)])
def test_a_product_in_pieces_is_the_product(n, dim, width):
    rng = np.random.default_rng(n + dim)
    a, b = rng.normal(size=(n, dim)).astype(np.float32), rng.normal(size=(dim, width))
    np.testing.assert_allclose(product(a, b), a.astype(np.float64) @ b, rtol=1e-9, atol=1e-9)


def test_many_queries_are_turned_by_several_threads_and_as_one_by_one(monkeypatch):
    x = np.random.default_rng(0).normal(size=(3_000, 40)).astype(np.float32)
    coder = Axes.of(x, np.arange(3_000), seed=0).coder(10, seed=0)
    seen, plain, both = set(), codes.product, threading.Barrier(2, timeout=60)

    def seeing(a, b):
        if len(a) > 1 and threading.get_ident() not in seen:
            seen.add(threading.get_ident())
            both.wait()  # until the other thread has come too
        return plain(a, b)

    monkeypatch.setattr(codes, "product", seeing)
    with omp_threads(2):
        turned = coder.turned(x)
    assert len(seen) == 2
    assert turned.tobytes() == np.concatenate([coder.turned(row[None]) for row in x]).tobytes()
