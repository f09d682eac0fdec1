"""Server-sent events of a streamed answer: `delta`s, one `ledger` (or one `error`), and `[DONE]`."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from deployments.core.ledger import Answer
from deployments.core.messages import Delta
from serve_app.edge import EdgeClock
from serve_app.problems import problem

Events = AsyncGenerator[Delta | Answer, None]

DONE = b"data: [DONE]\n\n"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""The second one keeps a proxy in front from collecting the stream before it passes it on."""


class EventResponse(StreamingResponse):
    """Closes `events` however it ends, also where the client has gone before anything was sent."""

    def __init__(self, frames: AsyncGenerator[bytes, None], events: Events) -> None:
        super().__init__(frames, media_type="text/event-stream", headers=_HEADERS)
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the frames."""
        async with aclosing(self._events):
            await super().__call__(scope, receive, send)


async def event_stream(events: Events, clock: EdgeClock, ledger: Callable[[Answer], object]) -> EventResponse:
    """The response that streams `events`; `ledger` makes the last event's data.

    The first event is awaited before any header is sent, so an error up to there still has its status.
    """
    first = await anext(events)
    return EventResponse(_frames(first, events, clock, ledger), events)


def frame(event: str, data: object) -> bytes:
    """One event."""
    return f"event: {event}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


async def _frames(
    first: Delta | Answer, events: Events, clock: EdgeClock, ledger: Callable[[Answer], object]
) -> AsyncGenerator[bytes, None]:
    event = first
    try:
        while not isinstance(event, Answer):
            if event.text:
                yield frame("delta", {"text": event.text})
                clock.first_token()
            event = await anext(events)
        yield frame("ledger", ledger(clock.stamp(event)))
        await anext(events, None)  # to its end, since closing it earlier would cancel a call that succeeded
    except Exception as error:  # headers are out: an event is the only way left to tell
        yield frame("error", problem(error)[1])
    yield DONE
