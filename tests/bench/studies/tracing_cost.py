"""What the hooks of traces cost an answer: off, and with the spans of a recorded trace.

    python -m tests.bench.studies.tracing_cost

Each hook is called alone, with nothing to do in it, as often as an answer calls it that searches once. The
exporter's own thread is not measured.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind

from deployments.core.replica import Kind
from deployments.rag.stopwatch import Stopwatch, no_span
from serve_app.tracing import spans
from serve_app.tracing.calls import carried, traced
from serve_app.tracing.requests import TracedRequests

ROUNDS = 20_000
_HEADERS = [(b"host", b"localhost")] * 10
_SCOPE = {"type": "http", "path": "/v1/support/answer", "method": "POST", "headers": _HEADERS}


async def _nothing(*_: Any) -> Any: ...


def _hooks() -> dict[str, tuple[int, Callable[[], Awaitable[None]], Callable[[], Awaitable[None]]]]:
    """Hook -> how often an answer calls it, the call, and the same work without the hook."""
    http = TracedRequests(_nothing)
    operation = traced("Support")("answer", Kind.CALL, _nothing)
    traced_watch, plain_watch = (Stopwatch(time.monotonic, span=span) for span in (spans.stage, no_span))

    async def staged(watch: Stopwatch) -> None:
        with watch.stage("retrieve"):
            pass

    async def call() -> None:
        await operation(**carried())

    return {
        "HTTP request": (1, lambda: http(_SCOPE, _nothing, _nothing), _nothing),
        "remote call": (3, call, _nothing),
        "stage": (6, lambda: staged(traced_watch), lambda: staged(plain_watch)),
    }


async def _ns(call: Callable[[], Awaitable[None]]) -> float:
    """The least CPU time of one call in five repetitions."""
    best = float("inf")
    for _ in range(5):
        start_ns = time.thread_time_ns()
        for _ in range(ROUNDS):
            await call()
        best = min(best, (time.thread_time_ns() - start_ns) / ROUNDS)
    return best


async def _report(state: str) -> None:
    total_ns = 0.0
    for name, (count, hooked, plain) in _hooks().items():
        cost_ns = await _ns(hooked) - await _ns(plain)
        total_ns += count * cost_ns
        print(f"{state:8} {name:14} {count} x {cost_ns:8.0f} ns")
    print(f"{state:8} an answer          {total_ns / 1000:8.1f} us")


async def _main() -> None:
    await _report("off")
    spans._TRACER = TracerProvider().get_tracer("bench")
    with spans.inside(spans.start("answer", spans.parent_of({}), SpanKind.SERVER)):
        await _report("recorded")


if __name__ == "__main__":
    asyncio.run(_main())
