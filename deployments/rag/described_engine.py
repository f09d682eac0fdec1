"""The engine's description, requested once per process however many questions wait for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from deployments.core.detached_task import detached_task
from deployments.core.errors import EngineUnavailable, Overloaded
from deployments.core.messages import EngineInfo

log = logging.getLogger(__name__)

RETRY_AFTER_S = 0.5


class DescribedEngine:
    """Keeps what `describe` returned. Belongs to one event loop."""

    def __init__(self, describe: Callable[[], Awaitable[EngineInfo]]) -> None:
        self._describe = describe
        self._request: asyncio.Task[EngineInfo] | None = None

    async def info(self) -> EngineInfo:
        """The engine's description. Waits until a replica gives it.

        A full replica answers late, so callers set their own deadlines. Raises what `describe` raises,
        except EngineUnavailable and Overloaded: then it is called again.
        """
        if self._request is None or (self._request.done() and self._request.exception() is not None):
            self._request = detached_task(self._described())
        return await asyncio.shield(self._request)

    async def _described(self) -> EngineInfo:
        while True:
            try:
                return await self._describe()
            except (EngineUnavailable, Overloaded) as error:
                log.info("the engine gives no description yet: %s", error)
            await asyncio.sleep(RETRY_AFTER_S)
