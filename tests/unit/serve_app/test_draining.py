"""The gate of an ingress that stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from serve_app.draining import Gate, Gated


class Front:
    """An application whose only route streams two pieces, the second when `go` is set."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        app = Starlette(routes=[Route("/", self._answer)])
        transport = httpx.ASGITransport(Gated(app, self.gate))
        self.http = httpx.AsyncClient(transport=transport, base_url="http://front")

    async def _answer(self, _: Request) -> StreamingResponse:
        return StreamingResponse(self._pieces())

    async def _pieces(self) -> AsyncIterator[str]:
        self.begun.set()
        yield "one "
        await self.go.wait()
        yield "two"


async def test_a_stream_in_progress_ends_and_new_requests_are_refused() -> None:
    front = Front()
    running = asyncio.create_task(front.http.get("/"))
    await front.begun.wait()
    closing = asyncio.create_task(front.gate.close(10))
    await asyncio.sleep(0)
    refused = await front.http.get("/")
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) > 0
    assert refused.json()["error"]["code"] == "unavailable"
    assert not closing.done()
    front.go.set()
    assert (await running).text == "one two"
    assert await closing == 0


async def test_a_gate_waits_no_longer_than_it_is_told() -> None:
    front = Front()
    running = asyncio.create_task(front.http.get("/"))
    await front.begun.wait()
    assert await front.gate.close(0.01) == 1
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await front.gate.close(1) == 0


@pytest.mark.parametrize("requests", [0, 3])
async def test_a_gate_that_is_empty_closes_at_once(requests: int) -> None:
    front = Front()
    front.go.set()
    for _ in range(requests):
        assert (await front.http.get("/")).status_code == 200
    assert await front.gate.close(60) == 0
