"""A generation that several streams read, each from its beginning and at its own pace."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from deployments.core.detached_task import detached_task
from deployments.core.errors import DeadlineExceeded, EngineUnavailable, WarmlineError
from deployments.core.messages import Delta

log = logging.getLogger(__name__)


class AnswerFlight:
    """Reads `deltas` in a task of its own, which ends with them or with the last of its readers.

    `ended` is called then, or as soon as nobody may join any more. Belongs to the running event loop.
    """

    def __init__(self, deltas: AsyncGenerator[Delta, None], ended: Callable[[AnswerFlight], None]) -> None:
        self.read: list[Delta] = []
        self.error: WarmlineError | None = None
        self.complete = False
        self._ended = ended
        self._readers = 0
        self._news = asyncio.Event()
        self._reading = detached_task(self._pump(deltas))

    async def stream(self, deadline: float) -> AsyncGenerator[Delta, None]:
        """All deltas. `deadline` is the event loop's time, in seconds.

        Raises DeadlineExceeded, or what the generation ended with, behind the deltas that came before it.
        """
        self._readers += 1
        try:
            at = 0
            while True:
                while at < len(self.read):
                    _check(deadline)
                    yield self.read[at]
                    at += 1
                if self.error is not None:
                    raise self.error
                if self.complete:
                    return
                await self._wait(deadline)
        finally:
            self._readers -= 1
            if not self._readers and not self._reading.done():
                self._ended(self)
                self._reading.cancel()

    async def _wait(self, deadline: float) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                await self._news.wait()
        except TimeoutError:
            _check(deadline)

    async def _pump(self, deltas: AsyncGenerator[Delta, None]) -> None:
        try:
            async with aclosing(deltas):
                async for delta in deltas:
                    self.read.append(delta)
                    self._tell()
            self.complete = True
        except WarmlineError as error:
            self.error = error
        except Exception:
            log.exception("a shared generation failed")
            raise
        finally:
            if not (self.complete or self.error):
                self.error = EngineUnavailable("the generation was given up")
            self._ended(self)
            self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def _check(deadline: float) -> None:
    if asyncio.get_running_loop().time() >= deadline:
        raise DeadlineExceeded("the answer was not complete in time")
