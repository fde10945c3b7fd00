"""The way from `HierIndex.build` to the workers of a cluster; looked up when asked for: nothing else needs Ray."""

from __future__ import annotations

from os import PathLike

from hierindex.api.config import BuildConfig
from hierindex.errors import InputError, need
from hierindex.vectors import Metric

__all__ = ["build_elsewhere"]


def build_elsewhere(
    source: object,
    path: str | PathLike[str] | None,
    cluster: object,
    config: BuildConfig | None,
    metric: Metric | str | None,
    refused: dict[str, object],
) -> str:
    """Build an index on a cluster, and save it; where it lies.

    Args:
        source: files that all workers can read, see `hierindex.cluster.build`; images where there is no ``metric``.
        path: where it shall lie.
        cluster: "ray", or a `hierindex.cluster.ClusterConfig`.
        config: as for `HierIndex.build`.
        metric: of vectors; None says that the source holds images.
        refused: arguments that only one machine can use, by name.

    Raises:
        InputError: there is no path, the cluster is no cluster, or an argument is refused.
        MissingExtraError: Ray is not installed.
    """
    if path is None:
        raise InputError("path should say where the workers write the index to; found None")
    given = [name for name, value in refused.items() if value is not None]
    if given:
        raise InputError(
            f"a build on a cluster should take ids and payload from columns of the source; found {', '.join(given)}; "
            "name the columns with hierindex.cluster.build(..., reading=Reading(ids=..., payload=...))"
        )
    room = need("hierindex.cluster.building", "cluster")
    need("ray.data", "cluster")
    if isinstance(cluster, str) and cluster != "ray":
        raise InputError(f"cluster should be 'ray' or a ClusterConfig; found {cluster!r}")
    spread = None if isinstance(cluster, str) else cluster
    reading = room.Reading(images=metric is None)
    return str(room.build(source, path, metric=metric, reading=reading, config=config, cluster=spread).path)
