"""A linear router learned from where neighbours lie (Vecchiato et al., SIGIR 2024, arXiv 2404.11731), as a rival."""

from __future__ import annotations

import faiss
import numpy as np
import torch

from hierindex.vectors import Float32, Int64

__all__ = ["learned_router"]

QUERIES, NEIGHBOURS, EPOCHS, BATCH, RATE = 4_000, 10, 20, 256, 1e-3


def learned_router(base: Float32, leaf: Int64, centroids: Float32, queries: Float32, seed: int) -> Float32:
    """Scores ``(q, L)`` of the leaves for queries, higher first.

    The line W q + b starts as the centroids (2 c q - |c|^2, which orders as distance does) and is trained by
    cross-entropy with the leaves of the exact neighbours of rows held out as queries, each without itself.
    """
    rng = np.random.default_rng(seed)
    own = rng.choice(len(base), min(QUERIES, len(base) // 10), replace=False)
    found = faiss.knn(base[own], base, NEIGHBOURS + 1)[1][:, 1:]
    shares = np.zeros((len(own), len(centroids)), np.float32)
    np.add.at(shares, (np.repeat(np.arange(len(own)), NEIGHBOURS), leaf[found].ravel()), 1 / NEIGHBOURS)
    torch.manual_seed(seed)
    scale = float(np.mean((base[own] - centroids[leaf[own]]) ** 2) * base.shape[1])  # so that a step means the same
    line = torch.nn.Linear(base.shape[1], len(centroids))
    with torch.no_grad():
        line.weight.copy_(torch.from_numpy(2 * centroids / scale))
        line.bias.copy_(torch.from_numpy(-np.einsum("ld,ld->l", centroids, centroids) / scale))
    steps = torch.optim.Adam(line.parameters(), lr=RATE * float(line.weight.detach().abs().mean()))
    x, y = torch.from_numpy(np.ascontiguousarray(base[own])), torch.from_numpy(shares)
    for _ in range(EPOCHS):
        order = torch.randperm(len(x))
        for start in range(0, len(x), BATCH):
            batch = order[start : start + BATCH]
            steps.zero_grad()
            torch.autograd.backward(torch.nn.functional.cross_entropy(line(x[batch]), y[batch]))
            steps.step()
    with torch.no_grad():
        return np.asarray(line(torch.from_numpy(np.ascontiguousarray(queries))).numpy(), np.float32)
