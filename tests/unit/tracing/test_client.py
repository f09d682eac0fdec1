"""A Python client's requests are parts of the trace that its caller works in."""

from __future__ import annotations

import httpx

from serve_app.client.connection import Connection
from serve_app.tracing import spans
from tests.unit.tracing.conftest import Exported


async def test_a_request_names_the_callers_span(exported: Exported) -> None:
    """Each request names the span of its time; outside of traces, none."""
    seen: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("traceparent"))
        return httpx.Response(200, json={})

    connection = Connection("http://localhost", {}, transport=httpx.MockTransport(answer))
    await connection.get("/v1/models")
    for _ in range(2):
        with spans.opened("work"):
            await connection.post("/v1/support/answer", query="?")
    await connection.get("/v1/models")
    await connection.aclose()
    first, second = (f"{span.context.span_id:016x}" for span in exported())
    assert [header and header.split("-")[2] for header in seen] == [None, first, second, None]
