"""What an engine replica serves, around an engine in memory."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.errors import EngineUnavailable
from deployments.core.ids import RequestId
from deployments.core.messages import Delta, EngineInfo, GenerateRequest, Warmed
from deployments.core.reuse.paths import Known, ResidencyUpdate, SegmentId
from deployments.core.sampling import Sampling
from deployments.core.time_spent import TimeSpent
from deployments.core.token_ids import from_bytes, to_bytes, token_ids
from deployments.engine.counters import EngineCounters
from deployments.engine.service import EngineService
from deployments.engine.warm_prompts import WarmPrompt
from deployments.engine.warming import WarmStart


class MemoryEngine:
    """Echoes the prompt, an id a delta, and remembers what happened to it."""

    def __init__(self) -> None:
        self.requests: list[GenerateRequest] = []
        self.aborted = 0
        self.closed = 0
        self.dead = False
        self.now = EngineCounters(running=3)

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        if self.dead:
            raise EngineUnavailable("dead")
        self.requests.append(request)
        try:
            for number in from_bytes(request.prompt):
                yield Delta(str(number), to_bytes(token_ids([number])))
        except GeneratorExit:
            self.aborted += 1
            raise

    async def describe(self) -> EngineInfo:
        return EngineInfo("memory", 2048, 32, 4096)

    def counters(self) -> EngineCounters:
        return self.now

    def survey(self, salt: str, known: Sequence[Known]) -> ResidencyUpdate:
        if self.dead:
            raise EngineUnavailable("dead")
        return ResidencyUpdate("replica", "epoch", None, len(known), salt.encode(), 5)

    async def check_health(self) -> None:
        if self.dead:
            raise EngineUnavailable("dead")

    def close(self) -> None:
        self.closed += 1


async def deployed(engine: MemoryEngine, warm_start: WarmStart | None = None) -> EngineService:
    return await EngineService.start(engine, 0.0, warm_start)


def request(salt: str = "tenant") -> GenerateRequest:
    return GenerateRequest(
        RequestId("r"), to_bytes(token_ids([5, 6, 7])), Sampling(3, 0.0), cache_salt=salt, deadline_s=1
    )


async def test_a_replica_is_ready_only_when_its_engine_has_generated() -> None:
    engine = MemoryEngine()
    engine.dead = True
    with pytest.raises(EngineUnavailable):
        await deployed(engine)
    assert engine.closed == 1, "no replica is there to shut it down"


async def test_each_warm_up_has_a_salt_of_its_own() -> None:
    engine = MemoryEngine()
    await deployed(engine)
    await deployed(engine)
    first, second = (request.cache_salt for request in engine.requests)
    assert first != second
    assert len(first) == 64


async def test_a_replica_whose_engine_has_ended_tells_nothing_of_its_cache() -> None:
    engine = MemoryEngine()
    replica = await deployed(engine)
    engine.dead = True
    assert await replica.survey({"salt": []}) == {}


@given(waited_s=st.floats(-1000, 1000), deadline_s=st.floats(0, 200))
def test_what_is_left_is_never_more_than_there_was(waited_s: float, deadline_s: float) -> None:
    asked = replace(request(), deadline_s=deadline_s, sent=TimeSpent(0.0, 5000.0 - waited_s))
    left = asked.left(5000.0).deadline_s
    assert 0 <= left <= deadline_s
    assert left == pytest.approx(min(max(deadline_s - waited_s, 0.0), deadline_s))


async def test_time_in_a_queue_before_the_replica_is_not_given_back() -> None:
    engine = MemoryEngine()
    replica = await deployed(engine)
    asked = replace(request(), deadline_s=120.0, sent=TimeSpent(0.0, time.monotonic() - 100.0))
    assert [delta async for delta in replica.generate(asked)]
    assert 15.0 < engine.requests[-1].deadline_s <= 20.0


@pytest.mark.parametrize("apart_s", [-600.0, 600.0])
async def test_the_clock_of_another_host_takes_nothing_from_the_deadline(apart_s: float) -> None:
    engine = MemoryEngine()
    replica = await deployed(engine)
    sent = TimeSpent(0.0, time.monotonic() + apart_s, clock_id="another host")
    assert [delta async for delta in replica.generate(replace(request(), deadline_s=120.0, sent=sent))]
    assert engine.requests[-1].deadline_s == 120.0


async def test_deltas_pass_through() -> None:
    replica = await deployed(MemoryEngine())
    assert [delta.text async for delta in replica.generate(request())] == ["5", "6", "7"]


async def test_closing_the_stream_closes_the_engines() -> None:
    engine = MemoryEngine()
    replica = await deployed(engine)
    stream = replica.generate(request())
    await anext(stream)
    await stream.aclose()
    assert engine.aborted == 1


async def test_health_and_figures_are_the_engines() -> None:
    engine = MemoryEngine()
    replica = await deployed(engine)
    assert (await replica.describe()).model == "memory"
    assert (await replica.survey({"salt": [Known("replica", "epoch", 4)]}))["salt"].changes == b"salt"
    await replica.check_health()
    engine.dead = True
    with pytest.raises(EngineUnavailable):
        await replica.check_health()


async def test_its_end_ends_the_engine() -> None:
    engine = MemoryEngine()
    replica = await deployed(engine)
    replica.shut_down()
    assert engine.closed == 1


async def test_a_replica_is_ready_when_it_holds_what_is_asked_for_most() -> None:
    engine = MemoryEngine()

    async def hottest(info: EngineInfo) -> list[WarmPrompt]:
        assert len(engine.requests) == 1, "the first generation is for the kernels"
        return [WarmPrompt("hot", ((SegmentId(1), token_ids([1, 2])),))]

    await deployed(engine, WarmStart(hottest, 5.0))
    assert [request.cache_salt for request in engine.requests[1:]] == ["hot"]


async def test_a_tenants_prompts_are_warmed_on_demand() -> None:
    engine = MemoryEngine()
    replica = await deployed(engine)
    prompts = [(to_bytes(token_ids([5, 6])), b""), (to_bytes(token_ids([7])), b"")]
    assert await replica.warm("salt", prompts, 5.0) == Warmed(2, 3, 0)
    assert [request.cache_salt for request in engine.requests[1:]] == ["salt"] * 2


async def test_serve_learns_what_waits_and_how_fast_it_is_prefilled() -> None:
    """As numbers by name, which Serve requires. A rate that is not known has no name."""
    engine = MemoryEngine()
    service = await deployed(engine)
    engine.now = EngineCounters(pending_tokens=700)
    assert await service.record_autoscaling_stats() == {"pending_tokens": 700.0}
    engine.now = EngineCounters(pending_tokens=700, prefill_tokens_per_s=1500.0)
    assert await service.record_autoscaling_stats() == {
        "pending_tokens": 700.0,
        "prefill_tokens_per_s": 1500.0,
    }
