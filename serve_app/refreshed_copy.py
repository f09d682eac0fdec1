"""When a replica's copy of something in the database is read again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from deployments.core.detached_task import detached_task


class RefreshedCopy:
    """The age of a copy, and its readings, of which one runs at a time.

    Without requests nothing is read. A copy's age counts from the start of its reading.
    """

    def __init__(
        self, read: Callable[[], Awaitable[None]], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """`read` brings the copy up to date, or raises. `monotonic` gives seconds."""
        self._read = read
        self._monotonic = monotonic
        self._tried_at_s = float("-inf")
        self._read_at_s = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    def refresh(self, fresh_s: float) -> None:
        """Starts a reading if the last one, failed or not, began longer ago. Nobody waits for it."""
        if self._tried_at_s < self._monotonic() - fresh_s:
            self._start()

    async def at_most(self, age_s: float, timeout_s: float) -> None:
        """Waits until the copy is no older. Raises TimeoutError, and what the reading raises.

        A reading that runs already may have begun too early, so a second one can be needed.
        """
        begun_s = self._monotonic() - age_s
        async with asyncio.timeout(timeout_s):
            while self._read_at_s < begun_s:
                await asyncio.shield(self._start())

    def _start(self) -> asyncio.Task[None]:
        if self._reading is None or self._reading.done():
            self._reading = detached_task(self._run())
            self._reading.add_done_callback(_ignore_failure)
        return self._reading

    async def _run(self) -> None:
        began_s = self._tried_at_s = self._monotonic()
        await self._read()
        self._read_at_s = began_s


def _ignore_failure(reading: asyncio.Task[None]) -> None:
    """Marks a failure as seen: those who wait get it, and later requests read again."""
    if not reading.cancelled():
        reading.exception()
