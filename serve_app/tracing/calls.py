"""Carries the trace of a request from one deployment to another, in an argument of the remote call."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any

from opentelemetry.trace import SpanKind

from deployments.core.replica import Kind, Wrap
from serve_app.tracing import spans

_END = object()


def carried() -> dict[str, Mapping[str, str]]:
    """The named argument for a remote call that belongs to the current span; {} outside of traces.

    A replica whose operations are `traced` takes it; the operations themselves never see it.
    """
    headers = spans.headers()
    return {"trace_headers": headers} if headers else {}


def traced(deployment: str) -> Wrap:
    """How a deployment's replicas run their operations: each call of a traced request in a span of its own.

    Calls without `carried` begin no trace: they renew leases and count usage, and would hide the answers.
    """
    return partial(_wrapped, deployment)


def _wrapped(deployment: str, name: str, kind: Kind, method: Callable[..., Any]) -> Callable[..., Any]:
    span_name = f"{deployment}.{name}"
    return _stream(span_name, method) if kind is Kind.STREAM else _call(span_name, method)


def _call(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    async def call(*arguments: Any, trace_headers: Mapping[str, str] | None = None, **named: Any) -> Any:
        if trace_headers is None:
            return await method(*arguments, **named)
        with spans.opened(name, spans.parent_of(trace_headers), SpanKind.SERVER):
            return await method(*arguments, **named)

    return call


def _stream(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    async def stream(
        *arguments: Any, trace_headers: Mapping[str, str] | None = None, **named: Any
    ) -> AsyncGenerator[Any, None]:
        async with aclosing(method(*arguments, **named)) as items:
            if trace_headers is None:
                async for item in items:
                    yield item
                return
            span = spans.start(name, spans.parent_of(trace_headers), SpanKind.SERVER)
            try:
                while True:
                    # Only while an item is made: a consumer may continue in a context of its own.
                    with spans.inside(span):
                        item = await anext(items, _END)
                    if item is _END:
                        break
                    yield item
            finally:
                span.end()

    return stream
