"""Stages as parts of the current span."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from serve_app.tracing import spans
from tests.unit.tracing.conftest import Exported

MILLISECONDS = st.floats(0, 600_000, allow_nan=False)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(MILLISECONDS, max_size=4))
def test_ended_stages_are_consecutive_and_end_together_with_the_last(
    monkeypatch, times_ms: list[float]
) -> None:
    """Each took as long as it says, and begins where the one before it ended."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(spans, "_TRACER", provider.get_tracer("test"))
    with spans.opened("whole"):
        spans.add_ended([(str(number), took_ms) for number, took_ms in enumerate(times_ms)])
    *parts, _whole = exporter.get_finished_spans()
    parts.reverse()
    assert [part.name for part in parts] == [str(number) for number in range(len(times_ms))]
    for part, took_ms in zip(parts, times_ms, strict=True):
        assert (part.end_time or 0) - (part.start_time or 0) == round(took_ms * 1_000_000)
    for earlier, later in pairwise(parts):
        assert earlier.end_time == later.start_time


def test_a_stage_outside_of_a_recorded_span_is_nothing(exported: Exported) -> None:
    """A trace that its caller does not record gets no parts, and no context is changed for them."""
    with spans.stage("retrieve"):
        assert spans.current_ids() is None
    with spans.opened("whole"), spans.stage("retrieve"):
        pass
    assert [span.name for span in exported()] == ["whole", "retrieve"]


def test_headers_name_the_current_span(exported: Exported) -> None:
    """As W3C Trace Context writes them; there are none outside of traces."""
    assert spans.headers() == {}
    with spans.opened("whole"):
        ids = spans.current_ids()
        assert ids is not None
        (header,) = spans.headers().items()
    name, (version, trace_id, span_id, flags) = header[0], header[1].split("-")
    assert (name, version, trace_id, span_id) == ("traceparent", "00", *ids)
    assert int(flags, 16) & 1, "it is recorded"
