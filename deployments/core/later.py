"""Work that is done some time after it was asked for, off the request path."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from deployments.core.detached_task import detached_task


class Later:
    """Runs `work` some time after it was asked for, and again as long as `work` says that more is left.

    Belongs to one event loop.
    """

    def __init__(self, work: Callable[[], Awaitable[bool]], after_s: float) -> None:
        self._work = work
        self._after_s = after_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts, unless it already runs."""
        if self._task is None or self._task.done():
            self._task = detached_task(self._run())

    async def _run(self) -> None:
        more = True
        while more:
            await asyncio.sleep(self._after_s)
            more = await self._work()
