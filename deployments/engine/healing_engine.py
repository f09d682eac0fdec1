"""An engine whose processes are started again, inside the same replica, when they have ended.

Serve would replace the replica: it notices only after three failed health checks, and the new process
imports vLLM again before it can start an engine.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import TypeAlias

from deployments.core import metrics
from deployments.core.detached_task import cancel_from_any_thread
from deployments.core.errors import EngineUnavailable, WarmlineError
from deployments.core.messages import Delta, EngineInfo, GenerateRequest
from deployments.core.metrics import Meter
from deployments.core.reuse.paths import Known, ResidencyUpdate
from deployments.engine.counters import EngineCounters
from deployments.engine.local_engine import SurveyedEngine
from deployments.engine.warming import WarmStart, warm_before_ready, warm_up

log = logging.getLogger(__name__)

NOTICED_WITHIN_S = 0.1
"""How often the engine is asked whether it has ended. vLLM knows it at once, so that asking costs nothing."""
ATTEMPTS = 3
"""How often the engine is started before the replica gives up and Serve replaces it."""
PAUSE_S = 1.0
"""Seconds between two attempts: what made one fail, such as memory that is not free yet, may pass."""

Start: TypeAlias = "Callable[[], Awaitable[SurveyedEngine]]"
"""Starts an engine with an empty cache. Raises ConfigurationError, EngineUnavailable."""


class HealingEngine:
    """A `SurveyedEngine` that replaces the running engine when that has ended.

    Until the next one runs, all calls raise EngineUnavailable at once. It starts with an empty cache and a
    new epoch, so that nobody expects blocks of the former one. It serves before it is warmed again, because
    a slow first answer is better than none.
    """

    def __init__(
        self, engine: SurveyedEngine, start: Start, replica: str, warm_start: WarmStart | None, meter: Meter
    ) -> None:
        """`engine` is running. `replica` is the replica's name, for errors. Needs a running event loop."""
        self._engine: SurveyedEngine | None = engine
        self._start = start
        self._replica = replica
        self._warm_start = warm_start
        self._meter = meter
        self._healing = asyncio.create_task(self._heal(engine))

    def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        """Streams an answer. Raises EngineUnavailable, and what the engine raises."""
        return self._running().generate(request)

    async def describe(self) -> EngineInfo:
        """What the engine runs. Raises EngineUnavailable."""
        return await self._running().describe()

    def counters(self) -> EngineCounters:
        """The counters of the running engine, which begin at 0 with it; all are 0 while none runs."""
        return self._engine.counters() if self._engine else EngineCounters()

    def survey(self, salt: str, known: Sequence[Known]) -> ResidencyUpdate:
        """What changed in a tenant's part of the cache since `known`. Raises EngineUnavailable."""
        return self._running().survey(salt, known)

    async def check_health(self) -> None:
        """Raises EngineUnavailable if the engine can't be started again; Serve then replaces the replica."""
        if self._healing.done():
            cause = None if self._healing.cancelled() else self._healing.exception()
            raise EngineUnavailable("the engine could not be started again; its log says why") from cause

    def close(self) -> None:
        """Ends the engine's processes, for good."""
        cancel_from_any_thread(self._healing)
        if self._engine:
            self._engine.close()

    def _running(self) -> SurveyedEngine:
        if self._engine is None:
            raise EngineUnavailable(
                "the engine has ended and is started again; try again later", None, self._replica
            )
        return self._engine

    async def _heal(self, engine: SurveyedEngine) -> None:
        while True:
            await _end_of(engine)
            log.error("the engine's processes have ended; starting them again")
            self._engine = None
            await asyncio.to_thread(engine.close)  # blocks while processes end
            began_s = asyncio.get_running_loop().time()
            self._engine = engine = await self._started()
            self._meter.record(metrics.ENGINE_RESTARTS, 1.0)
            log.warning("the engine runs again after %.1f s", asyncio.get_running_loop().time() - began_s)
            await self._warmed(engine)

    async def _started(self) -> SurveyedEngine:
        """A new engine that has generated once. Raises what the last attempt raised."""
        for _ in range(ATTEMPTS - 1):
            try:
                return await self._one_started()
            except WarmlineError as error:
                log.warning("the engine did not start, and is started again: %s", error)
                await asyncio.sleep(PAUSE_S)
        return await self._one_started()

    async def _one_started(self) -> SurveyedEngine:
        engine = await self._start()
        try:
            await warm_up(engine)
        except BaseException:
            await asyncio.to_thread(engine.close)
            raise
        return engine

    async def _warmed(self, engine: SurveyedEngine) -> None:
        if self._warm_start is not None:
            try:
                await warm_before_ready(engine, self._warm_start)
            except WarmlineError as error:
                log.warning("the new engine was not warmed: %s", error)


async def _end_of(engine: SurveyedEngine) -> None:
    """Returns when the engine's processes have ended."""
    while True:
        try:
            await engine.check_health()
        except EngineUnavailable:
            return
        await asyncio.sleep(NOTICED_WITHIN_S)
