"""OpenTelemetry's own variables turn traces on and say where they go."""

from __future__ import annotations

import pytest

from deployments.core.errors import ConfigurationError
from serve_app.tracing import export

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.mark.parametrize(
    ("environ", "on"),
    [
        ({}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "otlp"}, True),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, False),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": ""}, True),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "True"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, False),
    ],
)
def test_an_endpoint_turns_traces_on(environ: dict[str, str], on: bool) -> None:
    """Nothing is sent anywhere by default."""
    assert export.is_on(environ) is on


@pytest.mark.parametrize(
    ("environ", "protocol"),
    [
        ({}, "http/protobuf"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "grpc"),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"},
            "http/protobuf",
        ),
    ],
)
def test_the_protocol_is_http_unless_named(environ: dict[str, str], protocol: str) -> None:
    """The variable for traces wins over that for all signals."""
    assert export.protocol(environ) == protocol


def test_an_unknown_protocol_is_refused_by_name() -> None:
    """The start would otherwise go on without traces."""
    with pytest.raises(ConfigurationError, match="http/protobuf or grpc"):
        export.protocol({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"})
