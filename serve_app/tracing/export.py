"""Exports this process's spans over OTLP, as OpenTelemetry's environment variables say."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING
from uuid import uuid4

from opentelemetry import trace

from deployments.core.errors import ConfigurationError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HTTP, _GRPC = "http/protobuf", "grpc"
_SCHEDULE_DELAY = "OTEL_BSP_SCHEDULE_DELAY"
_EXPORT_EVERY_MS = "1000"
"""The SDK's default is 5 s. Serve kills a replica 2 s after its last request, with what it has not sent."""


def start(deployment: str) -> None:
    """Exports the spans of a replica of `deployment`, if the environment names an endpoint.

    Does nothing if this process exports its spans already. Raises ConfigurationError.
    """
    if not is_on(os.environ) or not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    for name, value in _defaults(os.environ).items():
        os.environ[name] = os.environ.get(name) or value  # an empty variable counts as unset
    own = {"service.instance.id": str(uuid4()), "warmline.deployment": deployment}
    # At its exit a process would wait half a minute for a collector that does not answer.
    provider = TracerProvider(resource=Resource.create(own), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(_exporter(protocol(os.environ))))
    trace.set_tracer_provider(provider)


def is_on(environ: Mapping[str, str]) -> bool:
    """Whether the environment asks for traces. An empty variable counts as unset."""
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = environ.get("OTEL_TRACES_EXPORTER") or "otlp"
    return exporter == "otlp" and _first(environ, _ENDPOINTS) is not None


def protocol(environ: Mapping[str, str]) -> str:
    """The protocol of the exporter; without a variable, the one that OpenTelemetry's specification prefers.

    Raises ConfigurationError.
    """
    chosen = _first(environ, _PROTOCOLS) or _HTTP
    if chosen not in {_HTTP, _GRPC}:
        raise ConfigurationError(f"{_PROTOCOLS[1]} must be {_HTTP} or {_GRPC}", _PROTOCOLS[1])
    return chosen


def _defaults(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables that the operator may set. vLLM's processes read them too, and export how the engine starts
    if there is an endpoint for traces alone.
    """
    defaults = {_PROTOCOLS[0]: protocol(environ), _SCHEDULE_DELAY: _EXPORT_EVERY_MS}
    if "service.name=" not in environ.get("OTEL_RESOURCE_ATTRIBUTES", ""):
        defaults["OTEL_SERVICE_NAME"] = "warmline"
    return defaults


def _first(environ: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((value for name in names if (value := environ.get(name, "").strip())), None)


def _exporter(chosen: str) -> SpanExporter:
    """The exporter, which reads endpoint, headers, certificates, compression and timeout itself."""
    if chosen == _GRPC:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as OverGrpc

        return OverGrpc()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()
