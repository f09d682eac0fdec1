"""A client that leaves ends the generation, at any point of the stream."""

import asyncio
import json
from dataclasses import replace

import pytest

from deployments.core.errors import EngineUnavailable
from deployments.core.messages import Delta
from serve_app.edge import EdgeClock
from serve_app.sse import NamedEvents, data_frame, event_stream, frame
from tests.unit.rag.rig import Rig, question
from tests.unit.serve_app.test_edge import scope


class Source:
    """Endless events; `closed` and `finished` record how they ended."""

    def __init__(self, count=10**9, last=None):
        self.count = count
        self.last = last
        self.sent = 0
        self.closed = False
        self.finished = False

    async def events(self):
        try:
            while self.sent < self.count:
                await asyncio.sleep(0)
                self.sent += 1
                yield Delta("x", b"")
            if self.last is not None:
                yield self.last
            self.finished = True
        finally:
            self.closed = True


async def never():
    await asyncio.Event().wait()


async def stream_of(source, ledger=str):
    return await event_stream(EdgeClock(), NamedEvents(ledger), source.events())


async def test_a_client_that_hangs_up_ends_the_generation():
    """The server reports the disconnect between two events."""
    source = Source()
    response = await stream_of(source)
    gone = asyncio.Event()
    sent = []

    async def receive():
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)
        if len(sent) == 3:
            gone.set()

    await response(scope(), receive, send)
    assert source.closed
    assert not source.finished


async def test_a_client_that_does_not_read_and_hangs_up_ends_the_generation():
    """The server reports the disconnect while a frame waits to be sent."""
    source = Source()
    response = await stream_of(source)
    blocked = asyncio.Event()

    async def receive():
        await blocked.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        if message["type"] == "http.response.body":
            blocked.set()
            await never()

    await response(scope(), receive, send)
    assert source.closed


@pytest.mark.parametrize("spec_version", ["2.3", "2.4"])
async def test_a_client_that_was_gone_before_the_first_byte_ends_the_generation(spec_version):
    """Headers can't be sent and no frame is made, but the events are closed."""
    source = Source()
    response = await stream_of(source)

    async def send(_):
        raise OSError("gone")

    with pytest.raises(Exception, match=r"gone|^$"):
        await response(scope() | {"asgi": {"spec_version": spec_version}}, never, send)
    assert source.closed


async def test_cancelling_the_request_ends_the_generation():
    """Servers can cancel a request's task."""
    source = Source()
    response = await stream_of(source)

    async def send(_):
        await asyncio.sleep(0)

    running = asyncio.ensure_future(response(scope(), never, send))
    for _ in range(20):
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert source.closed


async def test_a_complete_stream_is_read_to_its_end():
    """Closing it right after the answer would cancel a call that has succeeded."""
    source = Source(2, last=await Rig().answer())
    response = await stream_of(source)
    frames = [frame async for frame in response.body_iterator]
    assert source.finished
    assert frames[-1] == b"data: [DONE]\n\n"
    assert [frame.partition(b"\n")[0] for frame in frames[:-1]] == [
        b"event: delta",
        b"event: delta",
        b"event: ledger",
    ]


async def test_a_streamed_ledger_has_the_edges_times():
    """The answer is stamped after its last token was sent, not when the agent made it."""

    class Stamping(EdgeClock):
        def stamp(self, answer):
            return replace(answer, text="stamped")

    source = Source(1, last=await Rig().answer())
    response = await event_stream(Stamping(), NamedEvents(lambda answer: answer.text), source.events())
    frames = [frame async for frame in response.body_iterator]
    assert frames[-2] == b'event: ledger\ndata: "stamped"\n\n'


async def test_an_error_before_the_first_event_is_raised():
    """So that the response has the error's status."""

    rig = Rig()
    rig.retriever.fault = EngineUnavailable("starting")
    with pytest.raises(EngineUnavailable):
        await event_stream(EdgeClock(), NamedEvents(str), rig.rag.stream(question()))


async def test_events_that_end_without_an_answer_are_an_error():
    """Otherwise a client would take an incomplete stream for an answer."""
    response = await stream_of(Source(1))
    *_, error, done = [frame async for frame in response.body_iterator]
    assert error.startswith(b"event: error\n")
    assert b"internal_error" in error
    assert done == b"data: [DONE]\n\n"


async def test_empty_pieces_are_not_sent():
    """An incomplete character has no text yet, and does not count as the first token."""
    answer = await Rig().answer()

    async def events():
        yield Delta("", b"\x01\0\0\0")
        yield Delta("é", b"\x02\0\0\0")
        yield answer

    response = await event_stream(EdgeClock(), NamedEvents(lambda _: "all"), events())
    frames = [frame async for frame in response.body_iterator]
    assert frames == [
        'event: delta\ndata: {"text": "é"}\n\n'.encode(),
        b'event: ledger\ndata: "all"\n\n',
        b"data: [DONE]\n\n",
    ]


@pytest.mark.parametrize("framing", [frame, lambda _, data: data_frame(data)])
def test_no_character_of_the_data_ends_its_line(framing):
    """Clients that split lines as `str.splitlines` does, such as httpx, get the whole JSON."""
    text = "".join(map(chr, range(0x3000)))
    *_, line, empty = framing("delta", {"text": text}).decode().splitlines()
    assert empty == ""
    assert json.loads(line.removeprefix("data: ")) == {"text": text}
