"""The engine as a Serve deployment: one vLLM a replica."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing

from deployments.core import process_memory
from deployments.core.messages import Delta, EngineInfo, GenerateRequest, Warmed
from deployments.core.reuse.paths import Known, ResidencyUpdate
from deployments.engine.coalescing import coalesced
from deployments.engine.counters import EngineCounters
from deployments.engine.local_engine import SurveyedEngine
from deployments.engine.warming import WarmStart, warm, warm_start, warm_up


class Engine:
    """A replica. It is ready when its engine has generated once and holds what is asked for most, and
    unhealthy when that has ended."""

    async def __init__(  # type: ignore[misc]
        self,
        build: Callable[[], Awaitable[SurveyedEngine]],
        stream_interval_s: float = 0.0,
        start: WarmStart | None = None,
    ) -> None:
        """`build` runs in the replica. Serve awaits constructors, which mypy can't know."""
        self._stream_interval_s = stream_interval_s
        self._engine = await build()
        process_memory.give_back()
        await warm_up(self._engine)
        if start is not None:
            await warm_start(self._engine, start)

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        """See `Generator`. Serve cancels it when the caller goes away."""
        answer = self._engine.generate(request.left(time.time()))
        async with aclosing(coalesced(answer, self._stream_interval_s)) as deltas:
            async for delta in deltas:
                yield delta

    async def describe(self) -> EngineInfo:
        """See `Generator`."""
        return await self._engine.describe()

    async def counters(self) -> EngineCounters:
        """The counters of this replica's engine."""
        return self._engine.counters()

    async def survey(self, salt: str, known: Sequence[Known]) -> ResidencyUpdate:
        """What this replica holds for a tenant beyond what is known.

        Raises EngineUnavailable when the engine has ended: nobody should prefer its replica then.
        """
        await self._engine.check_health()
        return self._engine.survey(salt, known)

    async def warm(self, salt: str, prompts: Sequence[tuple[bytes, bytes]], within_s: float) -> Warmed:
        """Prefills a tenant's prompts, each given as ids and layout, while there is time."""
        requests = ((salt, prompt, layout) for prompt, layout in prompts)
        return await warm(self._engine, requests, within_s)

    async def check_health(self) -> None:
        """Called by Serve, which replaces the replica when this raises."""
        await self._engine.check_health()

    def __del__(self) -> None:
        """Called by Serve at a graceful end."""
        if engine := getattr(self, "_engine", None):
            engine.close()
