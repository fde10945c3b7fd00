"""Hard vectors by a stated generator: clusters of power-law sizes, heavy tails, a decaying spectrum, uneven norms."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hierindex.vectors import Float32

__all__ = ["HeavyTails", "heavy_tailed"]


@dataclass(frozen=True)
class HeavyTails:
    """The generator of the GloVe-like set; every row is ``s * (c_j + t * (A_j u + D v))``.

    Attributes:
        d: dimensions.
        clusters, zipf: cluster j is drawn with probability proportional to ``(j + 1) ** -zipf``.
        spread: scale of the centres c, normal with standard deviations ``(1 + i) ** -decay``.
        rank, low: the low-rank part A_j ``(d, rank)`` is one of 64 shared normal matrices, times low; u is normal.
        full, decay: the full-rank part D is diagonal (in a random rotation), ``full * (1 + i) ** -decay``; v is normal.
        tails: degrees of freedom of t = sqrt(tails / chi2), which makes the noise Student's.
        norms: s is lognormal with this deviation; it does not matter to cosine and does to L2.
        seed: of everything.
    """

    d: int = 100
    clusters: int = 5_000
    zipf: float = 0.8
    spread: float = 1.0
    rank: int = 8
    low: float = 0.3
    full: float = 0.75
    decay: float = 0.3
    tails: float = 5.0
    norms: float = 0.25
    seed: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def heavy_tailed(n: int, how: HeavyTails, *, part: int = 0) -> Float32:
    """Rows ``(n, d)`` float32, independent of each other: a prefix is a sample, and another ``part`` is unseen data."""
    world = np.random.default_rng(how.seed)
    sizes = np.arange(1, how.clusters + 1) ** -how.zipf
    spectrum = np.arange(1, how.d + 1) ** -how.decay
    centres = how.spread * world.normal(size=(how.clusters, how.d)) * spectrum
    planes = how.low * world.normal(size=(64, how.d, how.rank)) / np.sqrt(how.rank)
    rotation = np.linalg.qr(world.normal(size=(how.d, how.d)))[0].astype(np.float32)
    rng = np.random.default_rng((how.seed, 1 + part))
    rows = np.empty((n, how.d), dtype=np.float32)
    for at in range(0, n, 50_000):
        m = min(50_000, n - at)
        cluster = rng.choice(how.clusters, size=m, p=sizes / sizes.sum())
        noise = how.full * spectrum * rng.normal(size=(m, how.d))
        u = rng.normal(size=(m, how.rank))
        for plane in range(64):
            here = cluster % 64 == plane
            noise[here] += u[here] @ planes[plane].T
        student = np.sqrt(how.tails / rng.chisquare(how.tails, size=(m, 1)))
        scale = rng.lognormal(0, how.norms, size=(m, 1))
        rows[at : at + m] = (scale * (centres[cluster] + student * noise)).astype(np.float32) @ rotation
    return rows
