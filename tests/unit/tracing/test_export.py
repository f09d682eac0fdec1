"""OpenTelemetry's own variables turn traces on and say where they go."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deployments.core.errors import ConfigurationError
from serve_app.tracing import export
from tests.otlp_receiver import OtlpReceiver, otlp_receiver

ROOT = Path(__file__).parents[3]
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


def exporting(receiver: OtlpReceiver, **environ: str) -> None:
    """Exports two spans from a process of its own, which may set its provider only once."""
    code = (
        "from serve_app.tracing import export, spans\n"
        "export.start('Support'); export.start('Support')\n"
        "with spans.opened('outer'):\n"
        "    with spans.stage('inner'): pass\n"
    )
    own = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=own | endpoint | environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == ""


def test_spans_arrive_at_a_collector_with_what_the_environment_says_of_their_service() -> None:
    """Over the real protocol. A name of the environment replaces the application's."""
    with otlp_receiver() as receiver:
        exporting(receiver)
        exporting(receiver, OTEL_SERVICE_NAME="zoo", OTEL_RESOURCE_ATTRIBUTES="deployment.environment=test")
    inner, outer, *others = receiver.spans
    assert (inner.name, outer.name) == ("inner", "outer")
    assert (inner.parent_id, outer.parent_id) == (outer.span_id, "")
    assert outer.start_ns <= inner.start_ns <= inner.end_ns <= outer.end_ns
    assert outer.resource["service.name"] == "warmline"
    assert outer.resource["warmline.deployment"] == "Support"
    assert {span.resource["service.name"] for span in others} == {"zoo"}
    assert {span.resource["deployment.environment"] for span in others} == {"test"}


def test_the_environment_samples() -> None:
    """The SDK's own sampler."""
    with otlp_receiver() as receiver:
        exporting(receiver, OTEL_TRACES_SAMPLER="always_off")
    assert receiver.spans == []
