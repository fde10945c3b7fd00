"""What the estimators share: from a matrix and settings to an index."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from sklearn.utils import check_random_state

from hierindex.api import BuildConfig, HierIndex
from hierindex.errors import InputError
from hierindex.vectors import Float32, Metric

__all__ = ["RandomState", "learned", "metric_of"]

RandomState = int | np.random.RandomState | None
"""What scikit-learn takes as ``random_state``."""

_METRICS = {"l2": Metric.L2, "euclidean": Metric.L2, "cosine": Metric.COSINE}


def metric_of(name: str | Metric) -> Metric:
    """The metric of a name, scikit-learn's own among them.

    Raises:
        InputError: there is none; inner products are no distances, as scikit-learn needs them.

    Example:
        >>> metric_of("euclidean")
        <Metric.L2: 'l2'>
    """
    metric = _METRICS.get(name.value if isinstance(name, Metric) else name)
    if metric is None:
        raise InputError(f"metric should be one of {sorted(_METRICS)}; found {name!r}")
    return metric


def learned(x: Float32, metric: str | Metric, config: BuildConfig | None, random_state: RandomState) -> HierIndex:
    """An index over the rows ``(n, d)`` of x, numbered, with a seed that scikit-learn's ``random_state`` gives."""
    seed = random_state if isinstance(random_state, int) else int(check_random_state(random_state).randint(2**31 - 1))
    chosen = config or BuildConfig()
    seeded = replace(chosen, learn=replace(chosen.learn, seed=seed), index=replace(chosen.index, seed=seed))
    return HierIndex.from_vectors(x, metric=metric_of(metric), config=seeded)
