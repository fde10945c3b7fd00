"""The one door to Ray: loaded when somebody needs it, started when nobody has."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hierindex.cluster.config import ClusterConfig
from hierindex.errors import ProcessError, need

__all__ = ["joined", "need_train", "quiet_data", "ray"]


def ray() -> Any:  # noqa: ANN401 - the module
    """Ray itself.

    Raises:
        MissingExtraError: it is not installed.
    """
    return need("ray", "cluster")


def need_train() -> tuple[Any, Any]:
    """Ray Train, and its part for torch.

    Raises:
        MissingExtraError: they are not installed.
    """
    return need("ray.train", "cluster"), need("ray.train.torch", "cluster")


@contextmanager
def quiet_data() -> Iterator[None]:
    """While it is held Ray Data says what is wrong, and nothing else."""
    context = need("ray.data", "cluster").DataContext.get_current()
    logger = logging.getLogger("ray.data")
    before, level = context.enable_progress_bars, logger.level
    context.enable_progress_bars = False
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        context.enable_progress_bars = before
        logger.setLevel(level)


def joined(config: ClusterConfig) -> None:
    """Be part of a Ray cluster: the one that this process is in, the one at the address, or one of this machine's own.

    Raises:
        MissingExtraError: Ray is not installed. ProcessError: the address does not answer.
    """
    if ray().is_initialized():
        return
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # what Ray 2.60 warns of otherwise
    address = config.address or os.environ.get("RAY_ADDRESS")
    try:
        ray().init(address=address, include_dashboard=None if address else False, log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ProcessError(f"a Ray cluster should answer at {address or 'this machine'}; found {error}") from error
