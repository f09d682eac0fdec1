"""A vLLM server across its outages and restarts, as a `SurveyedEngine`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from deployments.core.detached_task import cancel_from_any_thread, detached_task
from deployments.core.errors import ConfigurationError, EngineUnavailable, WarmlineError
from deployments.core.messages import Delta, EngineInfo, GenerateRequest
from deployments.core.reuse.paths import Known, ResidencyUpdate
from deployments.engine.counters import EngineCounters
from deployments.engine.local_engine import SurveyedEngine
from deployments.engine.remote.remote_engine import SILENT, RemoteEngine

log = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0
"""How often a server is looked at that answers, or that can't be used. A failed generation has it looked at
earlier."""
RETRY_AFTER_S = 1.0
"""How often one is that does not answer."""


@dataclass(frozen=True, slots=True)
class ServerRun:
    """One run of a server, from its start to its end."""

    url: str
    started_at_s: float | None
    """When its process started; None if it does not say. Then an outage counts as its end."""
    server: RemoteEngine
    """The server itself."""
    engine: SurveyedEngine
    """It, with the knowledge of what it holds."""


Connect: TypeAlias = "Callable[[str], Awaitable[ServerRun]]"
"""Checks the server at a URL. Raises ConfigurationError if it can't be used, EngineUnavailable if it does not
answer."""


class FollowedServer:
    """The server of an engine replica. Belongs to one event loop.

    While it does not answer, all calls raise EngineUnavailable at once, and agents ask other replicas. A
    server that comes back is checked again, since it may run another model.
    """

    def __init__(self, url: Callable[[], str], connect: Connect, replica: str) -> None:
        """`url` is asked before each look, as it may change; `replica` is named in errors."""
        self._url = url
        self._connect = connect
        self._replica = replica
        self._run: ServerRun | None = None
        self._counted = EngineCounters()
        """The last counters, which go on with the next run unless the server's process is another one."""
        self._answers = False
        self._state = ""
        self._pause_s = LOOK_EVERY_S
        self._look_now = asyncio.Event()
        self._background: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Looks at the server, and goes on with that in the background until `close`.

        Returns also if the server does not answer now. Raises ConfigurationError if it can't be used.
        """
        try:
            await self.look()
        except ConfigurationError:
            raise
        except WarmlineError:
            pass  # `look` has logged it; a busy server answers later
        self.run_in_background(self._follow())

    def run_in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs `work` as a task until `close`."""
        self._background.append(detached_task(work))

    async def look(self) -> None:
        """Finds out whether the server answers, and connects again if it has started again.

        Raises ConfigurationError, EngineUnavailable.
        """
        url, run = self._url(), self._run
        try:
            if run is None or run.url != url or not await self._is_same(run):
                if run is not None:
                    run.engine.close()
                self._run = None
                self._run = await self._connect(url)
        except WarmlineError as error:
            self._answers = False
            self._pause_s = RETRY_AFTER_S if isinstance(error, EngineUnavailable) else LOOK_EVERY_S
            reason = error.__cause__ if isinstance(error, EngineUnavailable) and error.__cause__ else error
            self._report(f"the vLLM server {url} can't be used now: {reason}", logging.ERROR)
            raise
        self._answers, self._pause_s = True, LOOK_EVERY_S
        self._report(f"the vLLM server {url} can be used", logging.INFO)

    def _report(self, state: str, level: int) -> None:
        """Logs the server's state, once until it changes."""
        if state != self._state:
            log.log(level, "%s", state)
        self._state = state

    async def _is_same(self, run: ServerRun) -> bool:
        seen = await run.server.look()
        return seen.started_at_s == run.started_at_s and (self._answers or seen.started_at_s is not None)

    async def _follow(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s):
                    await self._look_now.wait()
            self._look_now.clear()
            try:
                await self.look()
            except WarmlineError:
                pass  # `look` has logged it
            except Exception:  # the server must not stay unwatched
                log.exception("can't look at a vLLM server")

    @property
    def _engine(self) -> SurveyedEngine:
        if self._run is None or not self._answers:
            raise EngineUnavailable(SILENT, None, self._replica)
        return self._run.engine

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Delta, None]:
        """Streams an answer. Closing the iterator aborts the generation. Raises what the server's engine
        raises.
        """
        engine = self._engine  # a refusal, of which there may be many, has nothing looked at
        try:
            async with aclosing(engine.generate(request)) as deltas:
                async for delta in deltas:
                    yield delta
        except EngineUnavailable:
            self._look_now.set()
            raise

    async def describe(self) -> EngineInfo:
        """What the server runs. Raises EngineUnavailable."""
        return await self._engine.describe()

    def survey(self, salt: str, known: Sequence[Known]) -> ResidencyUpdate:
        """What changed in a tenant's part of the server's cache since `known`. Raises EngineUnavailable."""
        return self._engine.survey(salt, known)

    def counters(self) -> EngineCounters:
        """The counters of the last look; of a server that does not answer, nothing runs."""
        if self._run is not None:
            self._counted = self._run.engine.counters()
        idle = replace(self._counted, running=0, waiting=0, kv_cache_usage=0.0)
        return self._counted if self._answers else idle

    async def check_health(self) -> None:
        """Returns: a new replica would not bring the server back."""

    def close(self) -> None:
        """Ends the looks, and what runs in the background."""
        for work in self._background:
            cancel_from_any_thread(work)
        if self._run is not None:
            self._run.engine.close()
