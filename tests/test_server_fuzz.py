"""Requests made from the server's own OpenAPI, right ones and wrong ones: no answer but those it promises."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode, checks
from schemathesis.specs.openapi import checks as promised
from server_cases import seed_index

from hierindex.server import Limits, ServerConfig, create_app

CHECKS = [
    checks.not_a_server_error,
    promised.status_code_conformance,
    promised.content_type_conformance,
    promised.response_schema_conformance,
    promised.response_headers_conformance,
    promised.negative_data_rejection,
    promised.missing_required_header,
    promised.unsupported_method,
]


@pytest.fixture(scope="module")
def operations(tmp_path_factory):
    """The operations of a server whose index is changed meanwhile, and put on disk with each change."""
    index = seed_index()
    index.save(tmp_path_factory.mktemp("fuzz") / "v.index")
    app = create_app(index, ServerConfig(writable=True, limits=Limits(batch=50)))
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    return [found.ok() for found in schema.get_all_operations()]


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_answer_is_one_that_was_promised(mode, operations, subtests):
    assert len(operations) > 15
    for operation in operations:
        if mode is GenerationMode.NEGATIVE and not (operation.body or list(operation.iter_parameters())):
            continue  # nothing can be wrong in a request that says nothing
        with subtests.test(operation=operation.label):

            @settings(max_examples=12, suppress_health_check=list(HealthCheck), database=None)
            @given(operation.as_strategy(generation_mode=mode))
            def validate(case):
                case.call_and_validate(checks=CHECKS)

            validate()
