"""An engine that ends and is started again in its replica."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import pytest

from deployments.core import metrics
from deployments.core.errors import EngineUnavailable
from deployments.core.ids import RequestId
from deployments.core.messages import Delta, EngineInfo, GenerateRequest
from deployments.core.reuse.paths import Known, ResidencyUpdate, SegmentId
from deployments.core.sampling import Sampling
from deployments.core.token_ids import token_ids
from deployments.engine import healing_engine
from deployments.engine.counters import EngineCounters
from deployments.engine.healing_engine import HealingEngine
from deployments.engine.warm_prompts import WarmPrompt
from deployments.engine.warming import WarmStart
from tests.fakes import RecordingMeter

ASKED = GenerateRequest(RequestId("r"), b"", Sampling(1, 0.0), cache_salt="salt", deadline_s=1)
PROMPT = WarmPrompt("salt", ((SegmentId(1), token_ids([7, 7])),))


class MemoryEngine:
    """One start of an engine, which can be killed."""

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self.dead = self.closed = False
        self.prompts: list[bytes] = []

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        await self.check_health()
        self.prompts.append(request.prompt)
        yield Delta(self.epoch, b"", finish_reason="stop")

    async def describe(self) -> EngineInfo:
        return EngineInfo("memory", 2048, 32, 4096)

    def counters(self) -> EngineCounters:
        return EngineCounters(admitted=len(self.prompts))

    def survey(self, salt: str, known: Sequence[Known]) -> ResidencyUpdate:
        return ResidencyUpdate("replica", self.epoch, None, 0, b"", 0)

    async def check_health(self) -> None:
        if self.dead:
            raise EngineUnavailable("dead")

    def close(self) -> None:
        self.closed = True


@dataclass
class Bench:
    """Starts engines. `failing` starts fail; the others wait for `go`."""

    failing: int = 0
    next: MemoryEngine | None = None
    """What the next start returns, instead of a new engine."""
    started: list[MemoryEngine] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    meter: RecordingMeter = field(default_factory=RecordingMeter)

    async def start(self) -> MemoryEngine:
        if self.failing:
            self.failing -= 1
            raise EngineUnavailable("no memory")
        await self.go.wait()
        if self.next is not None:
            engine, self.next = self.next, None
            return engine
        self.started.append(MemoryEngine(f"epoch {len(self.started)}"))
        return self.started[-1]

    async def healing(self) -> HealingEngine:
        self.go.set()
        first = await self.start()
        self.go.clear()
        warm_start = WarmStart(self.prompts, 5.0)
        return HealingEngine(first, self.start, "replica", warm_start, self.meter)

    async def has(self, starts: int, prompt: bytes) -> bool:
        """Whether so many engines were started, and the last one was given the prompt."""
        return len(self.started) == starts and prompt in self.started[-1].prompts

    async def prompts(self, _: EngineInfo) -> Sequence[WarmPrompt]:
        return [PROMPT]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(healing_engine, "NOTICED_WITHIN_S", 0.001)
    monkeypatch.setattr(healing_engine, "PAUSE_S", 0.001)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(5000):
        if await condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not come true")


async def texts(engine: HealingEngine) -> list[str]:
    return [delta.text async for delta in engine.generate(ASKED)]


async def refuses(engine: HealingEngine) -> bool:
    try:
        await engine.describe()
    except EngineUnavailable as error:
        return error.replica == "replica"
    return False


async def serves(engine: HealingEngine) -> bool:
    return not await refuses(engine)


async def test_calls_are_refused_at_once_until_the_next_engine_serves() -> None:
    """And nothing of the former engine's cache is reported."""
    bench = Bench()
    engine = await bench.healing()
    assert await texts(engine) == ["epoch 0"]
    bench.started[0].dead = True
    await until(lambda: refuses(engine))
    with pytest.raises(EngineUnavailable):
        engine.generate(ASKED)
    with pytest.raises(EngineUnavailable):
        engine.survey("salt", [])
    assert engine.counters() == EngineCounters()
    assert bench.started[0].closed
    await engine.check_health()  # Serve must not replace the replica now
    bench.go.set()
    await until(lambda: serves(engine))
    assert await texts(engine) == ["epoch 1"]
    assert engine.survey("salt", []).epoch == "epoch 1"
    engine.close()
    assert bench.started[1].closed


async def test_the_next_engine_is_warmed_after_it_has_generated_once() -> None:
    bench = Bench()
    engine = await bench.healing()
    bench.started[0].dead = True
    bench.go.set()
    await until(lambda: bench.has(2, PROMPT.prompt))
    assert bench.started[1].prompts[0] != PROMPT.prompt
    assert bench.meter.of(metrics.ENGINE_RESTARTS) == [1.0]
    engine.close()


async def test_each_engine_that_ends_is_replaced() -> None:
    bench = Bench()
    engine = await bench.healing()
    bench.go.set()
    for number in range(1, 4):
        bench.started[-1].dead = True
        await until(partial(bench.has, number + 1, PROMPT.prompt))
    await engine.check_health()
    engine.close()


@pytest.mark.parametrize(("failing", "healthy"), [(2, True), (3, False)])
async def test_a_replica_is_unhealthy_only_after_three_failed_starts(failing: int, healthy: bool) -> None:
    bench = Bench()
    engine = await bench.healing()
    bench.go.set()
    bench.failing = failing
    bench.started[0].dead = True
    if healthy:
        await until(lambda: bench.has(2, PROMPT.prompt))
        await engine.check_health()
    else:
        await asyncio.wait({engine._healing}, timeout=5)
        with pytest.raises(EngineUnavailable):
            await engine.check_health()
    engine.close()


@pytest.mark.parametrize("half_dead", ["running", "starting"])
async def test_the_event_loop_runs_while_a_half_dead_engine_is_closed(half_dead: str) -> None:
    """Its processes may take seconds to end: one that has served, and one that does not start."""
    bench, slow = Bench(), SlowToClose("slow")
    slow.dead = True
    if half_dead == "running":
        bench.next = slow
        engine = await bench.healing()
    else:
        engine = await bench.healing()
        bench.started[0].dead = True
        bench.next = slow
        bench.go.set()
    await until(partial(_is_set, slow.closing))
    assert await refuses(engine)
    bench.go.set()
    slow.may_close.set()
    await until(lambda: serves(engine))
    assert slow.ended_in_time
    engine.close()


async def _is_set(event: threading.Event) -> bool:
    return event.is_set()


class SlowToClose(MemoryEngine):
    """An engine that ends only when it may, or after 2 s."""

    def __init__(self, epoch: str) -> None:
        super().__init__(epoch)
        self.closing, self.may_close = threading.Event(), threading.Event()
        self.ended_in_time = False

    def close(self) -> None:
        self.closing.set()
        self.ended_in_time = self.may_close.wait(2)
        super().close()
