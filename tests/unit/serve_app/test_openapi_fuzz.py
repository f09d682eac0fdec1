"""Valid and invalid requests, generated from the API's description, get documented responses."""

import json

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.unit.serve_app.fake_services import Api

HOST = {"Host": "localhost"}  # Schemathesis calls the application `testserver`
api = schemathesis.openapi.from_asgi("/openapi.json", Api().app, headers=HOST)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@schemathesis.serializer("application/x-ndjson")
def lines(_, document):
    """A body of one line."""
    return json.dumps(document).encode()


@pytest.mark.filterwarnings("ignore:Skipped test cases with unsupported payload media types")  # PDF
@api.parametrize()
@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_the_api_does_what_it_says(case):
    """Every request gets a documented status and body, and never a server error."""
    case.call_and_validate(checks=CHECKS, headers=HOST)
