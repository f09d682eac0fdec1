"""A generation that several streams read, each from its beginning and at its own pace."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from deployments.core.detached_task import detached_task
from deployments.core.errors import EngineUnavailable, WarmlineError
from deployments.core.messages import Delta
from deployments.engine.deadline import check_deadline

log = logging.getLogger(__name__)


class AnswerFlight:
    """Reads `deltas` in its own task, which ends when they end or when the last reader leaves.

    Calls `on_end` when the task ends, or earlier, as soon as no further reader may join. Belongs to the
    running event loop.
    """

    def __init__(self, deltas: AsyncGenerator[Delta, None], on_end: Callable[[AnswerFlight], None]) -> None:
        self.received: list[Delta] = []
        self.error: WarmlineError | None = None
        self.complete = False
        self._on_end = on_end
        self._readers = 0
        self._progress = asyncio.Event()
        self._reading = detached_task(self._read(deltas))

    async def stream(self, deadline: float) -> AsyncGenerator[Delta, None]:
        """All deltas from the first. `deadline` is a time of the event loop's clock, in seconds.

        Raises DeadlineExceeded, or, after the deltas that preceded it, the generation's own error.
        """
        self._readers += 1
        try:
            position = 0
            while True:
                while position < len(self.received):
                    check_deadline(deadline)
                    yield self.received[position]
                    position += 1
                if self.error is not None:
                    raise self.error
                if self.complete:
                    return
                await self._wait_for_progress(deadline)
        finally:
            self._readers -= 1
            if not self._readers and not self._reading.done():
                self._on_end(self)
                self._reading.cancel()

    async def _wait_for_progress(self, deadline: float) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                await self._progress.wait()
        except TimeoutError:
            check_deadline(deadline)

    async def _read(self, deltas: AsyncGenerator[Delta, None]) -> None:
        try:
            async with aclosing(deltas):
                async for delta in deltas:
                    self.received.append(delta)
                    self._wake_readers()
            self.complete = True
        except WarmlineError as error:
            self.error = error
        except Exception:
            log.exception("a shared generation failed")
            raise
        finally:
            if not (self.complete or self.error):
                self.error = EngineUnavailable("the shared generation ended without a result")
            self._on_end(self)
            self._wake_readers()

    def _wake_readers(self) -> None:
        self._progress.set()
        self._progress = asyncio.Event()
