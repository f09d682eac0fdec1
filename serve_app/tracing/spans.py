"""Starts spans, and says which span the running task works in."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_TRACER = trace.get_tracer("warmline")
"""Makes spans that are not recorded, unless `export.start` was called, now or later."""
_W3C = TraceContextTextMapPropagator()
"""Reads and writes `traceparent` and `tracestate`, within the lengths of W3C Trace Context."""
_NOTHING = nullcontext()


class SpanIds(NamedTuple):
    """Ids in hexadecimal digits, as in `traceparent`."""

    trace_id: str
    span_id: str


def recorded() -> Span | None:
    """The current span; None where there is none, or none that is recorded."""
    span = trace.get_current_span()
    return span if span.is_recording() else None


def current_ids() -> SpanIds | None:
    """The ids of the current span, also of one that is not recorded; None outside of traces."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return SpanIds(trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id))


def headers() -> dict[str, str]:
    """The W3C headers that name the current span as parent; none outside of traces."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier)
    return carrier


def parent_of(headers: Mapping[str, str]) -> Context:
    """The parent that W3C headers name; without valid ones, the beginning of a new trace."""
    return _W3C.extract(headers, Context())


def start(name: str, parent: Context | None, kind: SpanKind) -> Span:
    """Starts a span, which its caller ends. Without `parent` it is a part of the current span."""
    return _TRACER.start_span(name, parent, kind)


@contextmanager
def opened(name: str, parent: Context | None = None, kind: SpanKind = SpanKind.INTERNAL) -> Iterator[Span]:
    """Starts a span as `start` does, as the current one inside the block, and ends it."""
    span = start(name, parent, kind)
    try:
        with inside(span):
            yield span
    finally:
        span.end()


@contextmanager
def inside(span: Span) -> Iterator[None]:
    """Makes a span the current one in the block. An error marks it, by its type only."""
    with trace.use_span(span, record_exception=False, set_status_on_exception=False):
        try:
            yield
        except Exception as error:  # a request that is cancelled is no error
            span.set_attribute("error.type", type(error).__qualname__)
            span.set_status(Status(StatusCode.ERROR))
            raise


def stage(name: str) -> AbstractContextManager[object]:
    """Opens a part of the current span; does nothing if that is not recorded."""
    return _NOTHING if recorded() is None else opened(name)


def add_ended(stages: Sequence[tuple[str, float]]) -> None:
    """Adds consecutive parts to the current span, each with its milliseconds. The last one ends now."""
    end_ns = time.time_ns()
    for name, took_ms in reversed(stages):
        start_ns = end_ns - round(took_ms * 1_000_000)
        _TRACER.start_span(name, start_time=start_ns).end(end_ns)
        end_ns = start_ns
