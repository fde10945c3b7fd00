"""The one door to Ray: loaded when somebody needs it, started when nobody has."""

from __future__ import annotations

import os
from typing import Any

from hierindex.cluster.config import ClusterConfig
from hierindex.errors import ProcessError, need

__all__ = ["joined", "ray"]


def ray() -> Any:  # noqa: ANN401 - the module
    """Ray itself.

    Raises:
        MissingExtraError: it is not installed.
    """
    return need("ray", "cluster")


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
