"""Tests of traces: the spans that one graph in this process exports."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from serve_app.tracing import spans
from serve_app.tracing.calls import traced
from tests import traced_graph
from tests.local_handle import LocalHandle, replica_built

Exported = Callable[[], list[ReadableSpan]]


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> Iterator[Exported]:
    """Turns traces on; returns the spans that have ended, by their start."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(spans, "_TRACER", provider.get_tracer("test"))
    yield lambda: sorted(exporter.get_finished_spans(), key=lambda span: span.start_time or 0)
    provider.shutdown()


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """A client of a graph whose deployments are replicas in this process."""
    engine, library = [
        LocalHandle(await replica_built(build, traced(name)))
        for name, build in (
            ("Engine", traced_graph.engine_services),
            ("Library", traced_graph.library_services),
        )
    ]
    services = partial(traced_graph.agent_services, engine, library)
    agent = LocalHandle(await replica_built(services, traced("Support")))
    transport = httpx.ASGITransport(traced_graph.api_of(agent))
    headers = {"x-business-id": traced_graph.TENANT}
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
        yield client
