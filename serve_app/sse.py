"""Server-sent events of a streamed answer: its pieces, the answer's ledger (or an error), and `[DONE]`."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Protocol

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


class Framing(Protocol):
    """Makes the frames of a stream."""

    def delta(self, delta: Delta) -> bytes:
        """Frames of a piece; none where it has nothing to show."""

    def answer(self, answer: Answer) -> bytes:
        """The last frames but `[DONE]`."""

    def error(self, body: dict[str, Any]) -> bytes:
        """The frame that tells of an error, with the body it would have had before the first piece."""


class NamedEvents:
    """Events `delta`, `ledger` and `error`; `ledger` makes the data of the second."""

    def __init__(self, ledger: Callable[[Answer], object]) -> None:
        self._ledger = ledger

    def delta(self, delta: Delta) -> bytes:
        """See `Framing`. Half a character has no text yet."""
        return frame("delta", {"text": delta.text}) if delta.text else b""

    def answer(self, answer: Answer) -> bytes:
        """See `Framing`."""
        return frame("ledger", self._ledger(answer))

    def error(self, body: dict[str, Any]) -> bytes:
        """See `Framing`."""
        return frame("error", body)


class EventResponse(StreamingResponse):
    """Closes `events` however it ends, also where the client has gone before anything was sent."""

    def __init__(self, frames: AsyncGenerator[bytes, None], events: Events) -> None:
        super().__init__(frames, media_type="text/event-stream", headers=_HEADERS)
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the frames."""
        async with aclosing(self._events):
            await super().__call__(scope, receive, send)


async def event_stream(events: Events, clock: EdgeClock, framing: Framing) -> EventResponse:
    """The response that streams `events`.

    The first event is awaited before any header is sent, so an error up to there still has its status.
    """
    first = await anext(events)
    return EventResponse(_frames(first, events, clock, framing), events)


def frame(event: str, data: object) -> bytes:
    """One event."""
    return f"event: {event}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


async def _frames(
    first: Delta | Answer, events: Events, clock: EdgeClock, framing: Framing
) -> AsyncGenerator[bytes, None]:
    event = first
    try:
        while not isinstance(event, Answer):
            if piece := framing.delta(event):
                yield piece
            if event.text:
                clock.first_token()
            event = await anext(events)
        yield framing.answer(clock.stamp(event))
        await anext(events, None)  # to its end, since closing it earlier would cancel a call that succeeded
    except Exception as error:  # headers are out: an event is the only way left to tell
        yield framing.error(problem(error)[1])
    yield DONE
