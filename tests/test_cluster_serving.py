"""The server under Ray Serve: what is refused before anything is started. `test_server_*` test the server itself."""

import pytest
from cluster_cases import cloud, saved

from hierindex.errors import InputError, NotAnIndexError

pytest.importorskip("ray.serve", reason="needs the extra 'cluster'")
pytest.importorskip("fastapi", reason="needs the extra 'serve'")

from hierindex.cluster.serving import application, started
from hierindex.server.config import ServerConfig
from hierindex.server.run import Listen


def test_there_are_as_many_copies_as_asked_for(tmp_path, quick):
    saved(tmp_path / "index", cloud(100, 8, 0), quick)
    made = application(str(tmp_path / "index"), ServerConfig(), copies=3)
    assert made._bound_deployment.num_replicas == 3
    with pytest.raises(InputError, match="copies should be an integer of at least 1"):
        application(str(tmp_path / "index"), ServerConfig(), copies=0)


def test_nobody_listens_beyond_this_machine_without_keys(tmp_path, quick):
    saved(tmp_path / "index", cloud(100, 8, 0), quick)
    with pytest.raises(InputError, match="should have keys"):
        started(str(tmp_path / "index"), ServerConfig(), Listen(host="0.0.0.0"), copies=1)


def test_an_index_that_is_not_there_is_named_before_anything_is_started(tmp_path):
    with pytest.raises(NotAnIndexError, match="should be the folder of an index"):
        started(str(tmp_path / "none"), ServerConfig(), Listen(), copies=1)
