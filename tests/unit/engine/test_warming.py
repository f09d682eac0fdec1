"""A replica that fills its cache before it is ready."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest

from deployments.core.errors import (
    DeadlineExceeded,
    EngineUnavailable,
    PromptTooLong,
    Unavailable,
    WarmlineError,
)
from deployments.core.messages import Delta, EngineInfo, GenerateRequest, Warmed
from deployments.core.reuse.paths import SegmentId
from deployments.core.token_ids import token_ids
from deployments.engine.warm_prompts import WarmPrompt
from deployments.engine.warming import WarmStart, warm, warm_before_ready


class PrefillingEngine:
    """Says that the first two tokens were cached, and fails at prompts of the lengths in `faults`."""

    def __init__(self, faults: dict[int, WarmlineError] | None = None) -> None:
        self.requests: list[GenerateRequest] = []
        self.faults = faults or {}

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        self.requests.append(request)
        if fault := self.faults.get(len(request.prompt) // 4):
            raise fault
        yield Delta("x", b"", finish_reason="length", kv_cached_tokens=2, decode_ms=0.0)

    async def describe(self) -> EngineInfo:
        return EngineInfo("m", 2048, 32, 4096)


def prompt(length: int) -> WarmPrompt:
    return WarmPrompt("salt", ((SegmentId(length), token_ids(range(length))),))


def start(*prompts: WarmPrompt, within_s: float = 5.0) -> WarmStart:
    async def found(info: EngineInfo) -> Sequence[WarmPrompt]:
        assert info.kv_cache_tokens == 4096
        return prompts

    return WarmStart(found, within_s)


async def test_each_prompt_is_prefilled_and_counted() -> None:
    engine = PrefillingEngine()
    assert await warm_before_ready(engine, start(prompt(10), prompt(5))) == Warmed(2, 11, 4)
    assert [len(request.prompt) // 4 for request in engine.requests] == [10, 5]
    for request in engine.requests:
        assert (request.sampling.max_tokens, request.sampling.temperature) == (1, 0.0)
        assert (request.cache_salt, request.share_answer) == ("salt", False)
        assert request.layout
        assert 0 < request.deadline_s <= 5.0


async def test_what_the_engine_refuses_is_passed_over() -> None:
    engine = PrefillingEngine({5: PromptTooLong("long")})
    assert (await warm_before_ready(engine, start(prompt(5), prompt(10)))).prompts == 1


async def test_time_ends_it() -> None:
    engine = PrefillingEngine({5: DeadlineExceeded("time")})
    assert (await warm_before_ready(engine, start(prompt(10), prompt(5), prompt(7)))).prompts == 1
    assert await warm_before_ready(engine, start(prompt(10), within_s=0)) == Warmed()
    assert await warm(engine, [("s", prompt(3).prompt, b"")], 0.0) == Warmed()


@pytest.mark.parametrize("hangs", [False, True])
async def test_without_knowing_what_to_warm_it_begins_cold(hangs: bool) -> None:
    async def unknown(_: EngineInfo) -> Sequence[WarmPrompt]:
        if hangs:
            await asyncio.Event().wait()
        raise Unavailable("the token cache is not there")

    assert await warm_before_ready(PrefillingEngine(), WarmStart(unknown, 0.05)) == Warmed()


async def test_an_engine_that_has_ended_is_an_error() -> None:
    engine = PrefillingEngine({5: EngineUnavailable("gone")})
    with pytest.raises(EngineUnavailable):
        await warm_before_ready(engine, start(prompt(5)))
