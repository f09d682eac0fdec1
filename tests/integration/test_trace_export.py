"""Spans arrive at a collector, as OpenTelemetry's environment variables say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.otlp_receiver import OtlpReceiver, otlp_grpc_receiver, otlp_receiver

ROOT = Path(__file__).parents[2]


def exporting(receiver: OtlpReceiver, **environ: str) -> None:
    """Exports two spans from a process of its own, which may set its provider only once."""
    code = (
        "from serve_app.tracing import export, spans\n"
        "export.start('Support'); export.start('Support')\n"
        "with spans.opened('outer'):\n"
        "    with spans.stage('inner'): pass\n"
        "from opentelemetry import trace; trace.get_tracer_provider().force_flush()\n"
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
        exporting(receiver, OTEL_SERVICE_NAME="")
        exporting(receiver, OTEL_SERVICE_NAME="zoo", OTEL_RESOURCE_ATTRIBUTES="deployment.environment=test")
        exporting(receiver, OTEL_RESOURCE_ATTRIBUTES="service.name=zoo,deployment.environment=test")
    inner, outer, *others = receiver.spans
    assert (inner.name, outer.name) == ("inner", "outer")
    assert (inner.parent_id, outer.parent_id) == (outer.span_id, "")
    assert outer.start_ns <= inner.start_ns <= inner.end_ns <= outer.end_ns
    assert outer.resource["service.name"] == "warmline"
    assert outer.resource["warmline.deployment"] == "Support"
    assert {span.resource["service.name"] for span in others} == {"zoo"}
    assert {span.resource["deployment.environment"] for span in others} == {"test"}


def test_spans_also_arrive_over_grpc() -> None:
    """Where the collector's port is one for gRPC."""
    with otlp_grpc_receiver() as receiver:
        exporting(receiver, OTEL_EXPORTER_OTLP_PROTOCOL="grpc")
    assert [span.name for span in receiver.spans] == ["inner", "outer"]


def test_the_environment_samples() -> None:
    """The SDK's own sampler."""
    with otlp_receiver() as receiver:
        exporting(receiver, OTEL_TRACES_SAMPLER="always_off")
    assert receiver.spans == []
