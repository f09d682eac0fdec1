"""Streamed answers, as clients read them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from deployments.core.errors import EngineUnavailable, InvalidRequest, NotFound, Unavailable
from serve_app.client.connection import Connection
from serve_app.sse import DONE, data_frame, frame

ERROR = {"error": {"message": "gone", "type": "server_error", "code": "engine_unavailable", "param": None}}


def connection(body: bytes, media_type: str = "text/event-stream", status: int = 200) -> Connection:
    """Answers every request with this."""

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, content=body, headers={"content-type": media_type})

    return Connection("http://there", {}, transport=httpx.MockTransport(answer))


async def events(found: Connection) -> list[Any]:
    return [event async for event in found.events("/v1/chat/completions", model="support")]


async def test_events_end_with_the_last_one() -> None:
    """Named or not; line separators inside a text end no line."""
    texts = [{"text": "a\u2028b\n"}, {"text": "c: d"}]
    body = frame("delta", texts[0]) + b": comment\n\n" + data_frame(texts[1]) + DONE
    assert await events(connection(body)) == texts


async def test_an_error_event_is_raised() -> None:
    """As the error that it tells of."""
    with pytest.raises(EngineUnavailable, match="gone"):
        await events(connection(data_frame({"text": "a"}) + data_frame(ERROR) + DONE))


async def test_an_error_before_the_stream_is_raised() -> None:
    """It is the JSON of a response."""
    body = b'{"error": {"message": "no agent", "code": "not_found", "param": "model"}}'
    with pytest.raises(NotFound, match="no agent"):
        await events(connection(body, "application/json", 404))


@pytest.mark.parametrize("media_type", ["application/json", "text/html"])
async def test_another_answer_is_not_warmlines(media_type: str) -> None:
    """Which the error asks about."""
    with pytest.raises(Unavailable, match="is it Warmline"):
        await events(connection(b"{}", media_type))


async def test_what_is_no_address_is_named() -> None:
    """Before anything is sent."""
    with pytest.raises(InvalidRequest, match="is not an address"):
        await Connection("http://there:eighty", {}).get("/healthz")
