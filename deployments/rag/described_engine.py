"""What the engine runs, asked for once a process, however many questions wait for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from deployments.core.detached_task import detached_task
from deployments.core.errors import EngineUnavailable, Overloaded
from deployments.core.messages import EngineInfo

log = logging.getLogger(__name__)

AGAIN_AFTER_S = 0.5


class DescribedEngine:
    """`describe` is the engine's own. Belongs to one event loop."""

    def __init__(self, describe: Callable[[], Awaitable[EngineInfo]]) -> None:
        self._describe = describe
        self._asking: asyncio.Task[EngineInfo] | None = None

    async def info(self) -> EngineInfo:
        """Waits until a replica says so, which one that is full does late: callers bring their deadlines."""
        if self._asking is None or (self._asking.done() and self._asking.exception() is not None):
            self._asking = detached_task(self._said())
        return await asyncio.shield(self._asking)

    async def _said(self) -> EngineInfo:
        while True:
            try:
                return await self._describe()
            except (EngineUnavailable, Overloaded) as error:
                log.info("the engine does not say yet what it runs: %s", error)
            await asyncio.sleep(AGAIN_AFTER_S)
