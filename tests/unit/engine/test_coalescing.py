"""A stream in fewer pieces says the same, its first piece as early, and ends as it ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.core.errors import EngineUnavailable
from deployments.core.messages import Delta
from deployments.engine.coalescing import coalesced, merged

FOREVER_S = 3600.0

figures = st.none() | st.floats(0.5, 1000)
deltas = st.builds(
    Delta,
    text=st.text(max_size=4),
    ids=st.binary(max_size=8),
    finish_reason=st.none() | st.sampled_from(["stop", "length"]),
    kv_cached_tokens=st.none() | st.integers(0, 9),
    queue_ms=figures,
    prefill_ms=figures,
    decode_ms=figures,
    prompt_ids=st.binary(max_size=4),
)


class Source:
    """Yields what it is told to, then waits for ever, ends or fails; knows whether it was closed."""

    def __init__(self, *given: Delta, end: bool = True, error: Exception | None = None) -> None:
        self._given = given
        self._end = end
        self._error = error
        self.closed = False

    async def deltas(self) -> AsyncGenerator[Delta, None]:
        try:
            for delta in self._given:
                yield delta
            if self._error:
                raise self._error
            if not self._end:
                await asyncio.Event().wait()
        finally:
            self.closed = True


def words(*texts: str) -> list[Delta]:
    return [Delta(text, text.encode()) for text in texts]


@given(st.lists(deltas, min_size=1, max_size=6))
def test_one_delta_for_several_has_all_their_text_and_ids_and_the_last_of_the_rest(
    parts: list[Delta],
) -> None:
    whole = merged(parts)
    assert whole.text == "".join(part.text for part in parts)
    assert whole.ids == b"".join(part.ids for part in parts)
    for field in fields(Delta):
        if field.name not in {"text", "ids"}:
            given = [getattr(part, field.name) for part in parts]
            assert getattr(whole, field.name) == next(
                (v for v in reversed(given) if v != field.default), field.default
            )


@given(st.lists(deltas, min_size=1, max_size=5), st.lists(deltas, min_size=1, max_size=5))
def test_it_does_not_matter_in_how_many_steps(early: list[Delta], late: list[Delta]) -> None:
    assert merged([merged(early), merged(late)]) == merged(early + late)


@settings(max_examples=30)
@given(st.lists(deltas, max_size=8), st.sampled_from([0.0, 0.0005, FOREVER_S]))
def test_a_coalesced_stream_says_the_same(parts: list[Delta], interval_s: float) -> None:
    async def seen() -> list[Delta]:
        return [delta async for delta in coalesced(Source(*parts).deltas(), interval_s)]

    got = asyncio.run(seen())
    assert got[:1] == parts[:1]
    assert len(got) <= len(parts)
    if parts:
        assert merged(got) == merged(parts)
    if not interval_s:
        assert got == parts


async def test_the_first_comes_at_once_and_the_rest_together() -> None:
    """Nothing waits for the interval when the stream has ended."""
    parts = words("a", "b", "c", "d")
    got = [delta async for delta in coalesced(Source(*parts).deltas(), FOREVER_S)]
    assert [delta.text for delta in got] == ["a", "bcd"]


async def test_what_was_gathered_leaves_while_the_stream_goes_on() -> None:
    source = Source(*words("a", "b", "c"), end=False)
    async with aclosing(coalesced(source.deltas(), 0.01)) as stream:
        assert (await anext(stream)).text == "a"
        assert (await anext(stream)).text == "bc"
    assert source.closed


@pytest.mark.parametrize("interval_s", [0, 0.01, FOREVER_S])
async def test_closing_it_closes_the_source(interval_s: float) -> None:
    source = Source(*words("a", "b"), end=False)
    stream = coalesced(source.deltas(), interval_s)
    await anext(stream)
    await stream.aclose()
    assert source.closed


@pytest.mark.parametrize("interval_s", [0, 0.01, FOREVER_S])
async def test_a_cancelled_reader_closes_the_source(interval_s: float) -> None:
    source = Source(*words("a"), end=False)
    stream = coalesced(source.deltas(), interval_s)
    await anext(stream)

    async def read() -> None:
        async with aclosing(stream):
            await anext(stream)

    reader = asyncio.create_task(read())
    await asyncio.sleep(0)
    reader.cancel()
    await asyncio.wait([reader])
    assert reader.cancelled()
    assert source.closed


@pytest.mark.parametrize("interval_s", [0, FOREVER_S])
async def test_an_error_comes_after_the_deltas_before_it(interval_s: float) -> None:
    seen: list[str] = []

    async def read() -> None:
        error = EngineUnavailable("gone")
        async for delta in coalesced(Source(*words("a", "b", "c"), error=error).deltas(), interval_s):
            seen.append(delta.text)  # noqa: PERF401  the error would take a list of its own with it

    with pytest.raises(EngineUnavailable, match="gone"):
        await read()
    assert "".join(seen) == "abc"


async def test_an_error_before_the_first_is_the_first() -> None:
    with pytest.raises(EngineUnavailable):
        await anext(coalesced(Source(error=EngineUnavailable("gone")).deltas(), 0.01))


def test_a_delta_alone_stays_as_it_is() -> None:
    delta = replace(words("a")[0], finish_reason="stop", decode_ms=3.0)
    assert merged([delta]) is delta
