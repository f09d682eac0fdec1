"""A vLLM server as an engine. A `FakeVllm` does what a real one can't be made to do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from deployments.core.errors import (
    DeadlineExceeded,
    EngineUnavailable,
    InvalidRequest,
    Overloaded,
    PromptTooLong,
    WarmlineError,
)
from deployments.core.ids import RequestId
from deployments.core.messages import Delta, EngineInfo, GenerateRequest
from deployments.core.reuse.paths import SegmentId, Step, pack_steps
from deployments.core.sampling import Sampling
from deployments.core.token_ids import from_bytes, to_bytes, token_ids
from deployments.engine.engine_turns import EngineTurns
from deployments.engine.remote import http_link
from deployments.engine.remote.http_link import HttpLink
from deployments.engine.remote.remote_engine import RemoteEngine
from deployments.engine.resident_engine import ReplicaName, ResidentEngine
from tests.fake_vllm import BLOCK, FakeVllm, serving

PROMPT = token_ids(range(20))
INFO = EngineInfo("Fake", 64, BLOCK, 400)
REQUEST = GenerateRequest(RequestId("r"), to_bytes(PROMPT), Sampling(6, 0.0), "salt", 10.0)


@pytest.fixture
async def server() -> AsyncIterator[FakeVllm]:
    async with serving(FakeVllm()) as started:
        yield started


@pytest.fixture
async def engine(server: FakeVllm) -> AsyncIterator[RemoteEngine]:
    link = HttpLink(server.url, None, 8)
    yield RemoteEngine(link, INFO, "fake")
    await link.close()


async def asked(
    engine: RemoteEngine | ResidentEngine, request: GenerateRequest, received: list[Delta] | None = None
) -> list[Delta]:
    """The deltas, which are also added to `received` as they come."""
    received = [] if received is None else received
    async for delta in engine.generate(request):
        received.append(delta)  # an error must leave what came before it
    return received


@pytest.mark.parametrize(("max_tokens", "text"), [(1, "o"), (6, "ok ok ")])
async def test_an_answer_has_ids_reason_times_and_cached_tokens(
    engine: RemoteEngine, max_tokens: int, text: str
) -> None:
    """A prompt is found again up to its last whole block; under another salt nothing is found."""
    for salt, cached in (("salt", 0), ("salt", 16), ("other", 0)):
        request = replace(REQUEST, cache_salt=salt, sampling=Sampling(max_tokens, 0.0))
        deltas = await asked(engine, request)
        assert from_bytes(b"".join(delta.ids for delta in deltas)).tolist() == list(map(ord, text))
        assert "".join(delta.text for delta in deltas) == text
        assert (deltas[-1].finish_reason, deltas[-1].kv_cached_tokens) == ("length", cached)
        assert deltas[0].prefill_ms is not None
        assert deltas[-1].decode_ms is not None


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, InvalidRequest),
        (404, EngineUnavailable),
        (429, Overloaded),
        (500, EngineUnavailable),
        (503, EngineUnavailable),
    ],
)
async def test_a_refusal_becomes_an_error_of_the_application(
    server: FakeVllm, engine: RemoteEngine, status: int, error: type[WarmlineError]
) -> None:
    """What the server says goes to the log only: it may repeat a prompt."""
    server.status = status
    with pytest.raises(error) as raised:
        await asked(engine, REQUEST)
    assert "as told" not in str(raised.value)


@pytest.mark.parametrize("events", [0, 1, 3, 5, 6])
async def test_a_cut_stream_is_no_answer(server: FakeVllm, engine: RemoteEngine, events: int) -> None:
    """What has arrived is passed on; the end is an error, also if only the usage is missing."""
    server.break_off_after = events
    received: list[Delta] = []
    with pytest.raises(EngineUnavailable):
        await asked(engine, REQUEST, received)
    assert len(received) == min(events, 5)
    assert all(delta.finish_reason is None for delta in received)


async def test_a_stream_that_ends_without_usage_is_no_answer(server: FakeVllm, engine: RemoteEngine) -> None:
    """The response is complete HTTP, but nobody knows what was reused."""
    server.change = lambda event: event if event["choices"] else {}
    with pytest.raises(EngineUnavailable, match="before it was complete"):
        await asked(engine, REQUEST)


@pytest.mark.parametrize("cached", [-1, 21])
async def test_a_wrong_usage_is_no_figure(server: FakeVllm, engine: RemoteEngine, cached: int) -> None:
    """A prompt of 20 tokens can't have reused more."""
    usage = {"prompt_tokens": 20, "prompt_tokens_details": {"cached_tokens": cached}}
    server.change = lambda event: event if event["choices"] else {"choices": [], "usage": usage}
    with pytest.raises(EngineUnavailable):
        await asked(engine, REQUEST)


async def test_an_answer_to_a_changed_prompt_is_refused(server: FakeVllm, engine: RemoteEngine) -> None:
    """Before its first token is shown."""
    server.change = lambda event: {
        "choices": [choice | {"prompt_token_ids": [1, *PROMPT]} for choice in event["choices"]]
    }
    with pytest.raises(EngineUnavailable):
        await anext(engine.generate(REQUEST))


async def test_a_slow_first_token_meets_the_deadline(server: FakeVllm, engine: RemoteEngine) -> None:
    """The request has its own deadline, and the generation is aborted."""
    server.first_byte_after_s = 30.0
    began_s = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        await asked(engine, replace(REQUEST, deadline_s=0.3))
    assert time.monotonic() - began_s < 5.0


async def test_a_caller_that_leaves_closes_the_connection(server: FakeVllm, engine: RemoteEngine) -> None:
    """On which vLLM aborts the generation."""
    answer = engine.generate(replace(REQUEST, sampling=Sampling(40, 0.0)))
    await anext(answer)
    await answer.aclose()
    for _ in range(200):
        if server.hung_up:
            break
        await asyncio.sleep(0.01)
    assert server.hung_up == 1


async def test_an_event_has_a_limit(
    server: FakeVllm, engine: RemoteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that never ends a line must not fill the memory."""
    monkeypatch.setattr(http_link, "MAX_EVENT_BYTES", 100_000)
    server.change = lambda event: event | {"more": "x" * 1_000_000}
    with pytest.raises(EngineUnavailable):
        await asked(engine, REQUEST)


async def test_a_response_has_limits_in_size_and_time(
    server: FakeVllm, engine: RemoteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of figures."""
    await engine.look()
    assert engine.counters().running == 2
    monkeypatch.setattr(http_link, "MAX_BODY_BYTES", 10)
    with pytest.raises(EngineUnavailable):
        await engine.look()
    monkeypatch.undo()
    monkeypatch.setattr(http_link, "CALL_WITHIN_S", 0.0)
    with pytest.raises(EngineUnavailable):
        await engine.look()


async def test_a_server_whose_engine_has_ended_is_unavailable(server: FakeVllm, engine: RemoteEngine) -> None:
    """Its HTTP part may still answer."""
    server.healthy = False
    with pytest.raises(EngineUnavailable):
        await engine.look()


async def test_nobody_listens(server: FakeVllm, engine: RemoteEngine) -> None:
    """The error comes at once, and the next call connects again."""
    await server.stop()
    with pytest.raises(EngineUnavailable):
        await asked(engine, REQUEST)
    await server.start()
    assert len(await asked(engine, REQUEST)) == 6


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (replace(REQUEST, sampling=Sampling(45, 0.0)), PromptTooLong),
        (replace(REQUEST, cache_salt=""), InvalidRequest),
    ],
)
async def test_what_must_not_be_sent_is_not(
    server: FakeVllm, engine: RemoteEngine, request_: GenerateRequest, error: type[WarmlineError]
) -> None:
    """The server would cut the answer short, or share blocks among tenants."""
    with pytest.raises(error):
        await asked(engine, request_)
    assert server.requests == []


async def test_without_events_what_the_server_holds_is_an_estimate(engine: RemoteEngine) -> None:
    """The first delta says that, and which segments are believed to be there."""
    resident = ResidentEngine(engine, INFO, ReplicaName("r", "e"), EngineTurns(20, 80), time.monotonic)
    resident.feed.silent()
    layout = pack_steps([Step(SegmentId(1), 8), Step(SegmentId(2), 8)])
    request: Any = replace(REQUEST, layout=layout)
    first, *_, last = await asked(resident, request)
    assert first.residency is not None
    assert first.residency.estimated
    assert first.residency.changes
    assert last.kv_cached_tokens == 0
    assert (await asked(resident, request))[-1].kv_cached_tokens == 16
    assert resident.counters().resident_blocks == 5
