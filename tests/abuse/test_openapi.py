"""Schemathesis with its checks over the whole OpenAPI, more than the unit tests have time for."""

from __future__ import annotations

import json
import re

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    unsupported_method,
)

from tests.unit.serve_app.fake_services import Api

pytestmark = pytest.mark.system

HEADERS = {"Host": "localhost"}
api = schemathesis.openapi.from_asgi("/openapi.json", Api().app, headers=HEADERS)
EXCLUDED = {
    # A schema can't say all that is checked, such as that a query has a word in it.
    positive_data_acceptance,
    # Numbers and booleans may come as text: "max_tokens": "96".
    negative_data_rejection,
}


def is_also_an_id(path):
    """Whether a path can also be read as that of an object: a document may have the id `lookup`.

    It then takes the methods of both, more than OpenAPI says of it.
    """
    others = (other for other in api.raw_schema["paths"] if other != path)
    return any(re.fullmatch(re.sub(r"\\{.*?\\}", ".+", re.escape(other)), path) for other in others)


@schemathesis.serializer("application/x-ndjson")
def lines(_, document):
    """A body of one line."""
    return json.dumps(document).encode()


@pytest.mark.filterwarnings("ignore:Skipped test cases with unsupported payload media types")  # PDF
@api.parametrize()
@settings(max_examples=50, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_check_passes(case):
    of_methods = {unsupported_method, allow_header_conformance}
    excluded = EXCLUDED | (of_methods if is_also_an_id(case.operation.path) else set())
    case.call_and_validate(headers=HEADERS, excluded_checks=list(excluded))
