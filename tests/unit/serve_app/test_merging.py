"""Several streams become one: nothing is lost, and a stream that fails or is left ends all."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.merging import merged


class Source:
    """Yields `events`, then raises `error` if there is one. `closed` says that it has ended."""

    def __init__(self, *events, error=None):
        self.sent = events
        self.error = error
        self.closed = False

    async def events(self):
        try:
            for event in self.sent:
                await asyncio.sleep(0)
                yield event
            if self.error is not None:
                raise self.error
        finally:
            self.closed = True


async def _last(events):
    return [event async for event in events][-1]


@given(st.lists(st.lists(st.integers(), max_size=5), min_size=1, max_size=4))
async def test_each_stream_arrives_whole_and_in_order(streams):
    """With its own number."""
    sources = [Source(*stream) for stream in streams]
    found = [event async for event in merged(*(source.events() for source in sources))]
    for number, stream in enumerate(streams):
        assert [event for place, event in found if place == number] == stream
    assert all(source.closed for source in sources)


@pytest.mark.parametrize("others", [0, 2])
async def test_the_first_error_ends_all_streams(others):
    """The caller gets it after the events that preceded it."""
    failing = Source(1, error=ValueError("gone"))
    endless = [Source(*range(10**6)) for _ in range(others)]
    events = merged(failing.events(), *(source.events() for source in endless))
    with pytest.raises(ValueError, match="gone"):
        await asyncio.wait_for(_last(events), 5)
    assert failing.closed
    assert all(source.closed for source in endless)


@pytest.mark.parametrize("count", [1, 3])
async def test_closing_it_closes_all_streams(count):
    """A client that leaves ends all generations."""
    sources = [Source(*range(10**6)) for _ in range(count)]
    events = merged(*(source.events() for source in sources))
    await anext(events)
    await events.aclose()
    assert all(source.closed for source in sources)


async def test_a_slow_stream_does_not_hold_up_the_others():
    """Events arrive when they are there."""
    go = asyncio.Event()

    async def slow():
        await go.wait()
        yield "slow"

    events = merged(slow(), Source("a", "b").events())
    assert [await anext(events), await anext(events)] == [(1, "a"), (1, "b")]
    go.set()
    assert [event async for event in events] == [(0, "slow")]
