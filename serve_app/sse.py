"""Server-sent events of streamed answers: their deltas, their ledgers or an error, and `[DONE]`."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Protocol

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from deployments.core.errors import InternalFault
from deployments.core.ledger import Answer
from deployments.core.messages import Delta
from serve_app.edge import EdgeClock
from serve_app.merging import merged
from serve_app.problems import problem

Events = AsyncGenerator[Delta | Answer, None]
"""Deltas, then the complete answer."""
NumberedEvents = AsyncGenerator[tuple[int, Delta | Answer], None]
"""The events of several answers, each with its answer's number."""

DONE = b"data: [DONE]\n\n"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""X-Accel-Buffering tells proxies such as nginx not to buffer the stream."""

_LINE_ENDS = {code: f"\\u{code:04x}" for code in (0x85, 0x2028, 0x2029)}
"""Characters that JSON may have as they are, but at which some SSE clients end a line."""


class Framing(Protocol):
    """Encodes a stream's events as SSE frames. `choice` is the answer's number."""

    def delta(self, delta: Delta, choice: int) -> bytes:
        """The frames of a delta; b"" if there is nothing to send."""

    def answer(self, answer: Answer, choice: int) -> bytes:
        """The frames of a complete answer; the last one's end the stream, except for `[DONE]`."""

    def error(self, body: dict[str, Any]) -> bytes:
        """The frame of an error. `body` is the JSON body that an error response would have."""


class NamedEvents:
    """Events of one answer, named `delta`, `ledger` and `error`. `ledger` makes the data of `ledger`."""

    def __init__(self, ledger: Callable[[Answer], object]) -> None:
        self._ledger = ledger

    def delta(self, delta: Delta, _: int) -> bytes:
        """A `delta` event with the text. An incomplete character has no text yet, and gets no event."""
        return frame("delta", {"text": delta.text}) if delta.text else b""

    def answer(self, answer: Answer, _: int) -> bytes:
        """The `ledger` event."""
        return frame("ledger", self._ledger(answer))

    def error(self, body: dict[str, Any]) -> bytes:
        """The `error` event."""
        return frame("error", body)


class EventResponse(StreamingResponse):
    """Closes `events` when the response ends, also if the client leaves before anything is sent."""

    def __init__(self, frames: AsyncGenerator[bytes, None], events: NumberedEvents) -> None:
        super().__init__(frames, media_type="text/event-stream", headers=_HEADERS)
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the frames."""
        async with aclosing(self._events):
            await super().__call__(scope, receive, send)


async def event_stream(clock: EdgeClock, framing: Framing, *answers: Events) -> EventResponse:
    """The response that streams the events of `answers`.

    The first event is awaited before any header is sent, so that an earlier error still sets the status.
    """
    events = merged(*answers)
    first = await anext(events)
    return EventResponse(_frames(first, events, len(answers), clock, framing), events)


def frame(event: str, data: object) -> bytes:
    """An SSE frame with this event name and `data` as JSON."""
    return f"event: {event}\n".encode() + data_frame(data)


def data_frame(data: object) -> bytes:
    """An SSE frame without an event name, and with `data` as JSON."""
    return f"data: {json.dumps(data, ensure_ascii=False).translate(_LINE_ENDS)}\n\n".encode()


async def _frames(
    first: tuple[int, Delta | Answer],
    events: NumberedEvents,
    answers: int,
    clock: EdgeClock,
    framing: Framing,
) -> AsyncGenerator[bytes, None]:
    following: tuple[int, Delta | Answer] | None = first
    try:
        while following is not None:
            choice, event = following
            if isinstance(event, Answer):
                answers -= 1
                yield framing.answer(clock.stamp(event), choice)
            else:
                if frames := framing.delta(event, choice):
                    yield frames
                if event.text:
                    clock.first_token()
            # Reads to the end, also after the last answer: closing would cancel a call that succeeded.
            following = await anext(events, None)
        if answers:
            raise InternalFault("a stream ended without its answer")
    except Exception as error:  # headers are sent, so only an event can report the error
        _, body = problem(error)
        clock.error = body["error"]["code"]
        yield framing.error(body)
    yield DONE
