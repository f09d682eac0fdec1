"""The service of an engine replica: one engine, warmed before the replica is ready."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Protocol, TypeAlias

from deployments.core.errors import EngineUnavailable
from deployments.core.messages import Delta, EngineInfo, GenerateRequest, Warmed
from deployments.core.reuse.paths import Known, ResidencyUpdate
from deployments.engine.coalescing import coalesced
from deployments.engine.counters import EngineCounters
from deployments.engine.local_engine import SurveyedEngine
from deployments.engine.warming import WarmStart, warm, warm_before_ready, warm_up


class EngineFigures(Protocol):
    """One replica of the Engine deployment, as tests and benchmarks call it."""

    async def counters(self) -> EngineCounters:
        """What the engine's scheduler has counted since its start, and what its cache holds now."""


PENDING_TOKENS, PREFILL_RATE = "pending_tokens", "prefill_tokens_per_s"
"""The names of what `EngineLoad` reports."""


class EngineLoad(Protocol):
    """One replica of the Engine deployment, as Serve's controller asks it."""

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """What the autoscaling policy decides by. Serve finds this method by its name, and calls it about
        every second. The rate is left out while it is not known.
        """


Watch: TypeAlias = "Callable[[GenerateRequest], Callable[[Delta], None] | None]"
"""Is called with each generation; what it returns, if anything, is called with each delta that is sent."""


class EngineService:
    """Implements `EngineReplica`, `EngineFigures` and `EngineLoad` over an engine that this process owns."""

    def __init__(
        self,
        engine: SurveyedEngine,
        stream_interval_s: float = 0.0,
        watch: Watch = lambda _request: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`stream_interval_s` is the minimum time between two deltas of an answer after the first. `clock`
        gives the seconds of `GenerateRequest.sent`.
        """
        self._engine = engine
        self._stream_interval_s = stream_interval_s
        self._watch = watch
        self._clock = clock

    @classmethod
    async def start(
        cls,
        engine: SurveyedEngine,
        stream_interval_s: float = 0.0,
        warm_start: WarmStart | None = None,
        watch: Watch = lambda _request: None,
    ) -> EngineService:
        """Has the engine generate once and prefill what `warm_start` selects; returns the service.

        Raises EngineUnavailable, DeadlineExceeded.
        """
        try:
            await warm_up(engine)
            if warm_start is not None:
                await warm_before_ready(engine, warm_start)
        except BaseException:
            engine.close()  # a replica that never started has no service to shut down
            raise
        return cls(engine, stream_interval_s, watch)

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        """Streams an answer. Serve cancels it when the caller cancels its call."""
        tell = self._watch(request)
        answer = self._engine.generate(request.left(self._clock()))
        async with aclosing(coalesced(answer, self._stream_interval_s)) as deltas:
            async for delta in deltas:
                if tell is not None:
                    tell(delta)
                yield delta

    async def describe(self) -> EngineInfo:
        """What runs here."""
        return await self._engine.describe()

    async def counters(self) -> EngineCounters:
        """What the engine's scheduler has counted since its start, and what its cache holds now."""
        return self._engine.counters()

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """The prompt tokens that wait, and how fast they are prefilled."""
        now = self._engine.counters()
        rate = {} if now.prefill_tokens_per_s is None else {PREFILL_RATE: now.prefill_tokens_per_s}
        return {PENDING_TOKENS: float(now.pending_tokens)} | rate

    async def survey(self, known: Mapping[str, Sequence[Known]]) -> dict[str, ResidencyUpdate]:
        """What changed in tenants' parts of this replica's cache since `known`, by salt; all of a part
        that is unknown.

        Empty when the engine is not available, so that no caller prefers the replica.
        """
        try:
            await self._engine.check_health()
            return {salt: self._engine.survey(salt, of_tenant) for salt, of_tenant in known.items()}
        except EngineUnavailable:
            return {}

    async def warm(self, salt: str, prompts: Sequence[tuple[bytes, bytes]], within_s: float) -> Warmed:
        """Prefills a tenant's prompts, each given as ids and layout, for at most `within_s` seconds."""
        requests = ((salt, prompt, layout) for prompt, layout in prompts)
        return await warm(self._engine, requests, within_s)

    async def check_health(self) -> None:
        """Raises EngineUnavailable when the engine has ended for good; Serve then replaces the replica."""
        await self._engine.check_health()

    def shut_down(self) -> None:
        """Ends the engine's processes."""
        self._engine.close()
