"""Requests of an engine take turns, fairly among tenants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from deployments.core.errors import DeadlineExceeded, Overloaded
from deployments.engine.deadline import INCOMPLETE
from deployments.engine.fair_queue import FairQueue, may_take


@dataclass(slots=True, eq=False)
class Turn:
    """A request that waits or runs."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the request may run."""
    priority: int = 0
    """The engine takes requests with smaller numbers first. Known when the turn has begun."""
    waited_s: float = 0.0
    """How long it has waited. Known when the turn has begun."""
    unused_tokens: int = 0
    """How many tokens less it has cost than was said, as its caller finds out."""


class EngineTurns:
    """The turns of one engine, which runs `seats` requests and has `places` for running and waiting ones.

    Belongs to one event loop.
    """

    def __init__(self, seats: int, places: int) -> None:
        self._queue: FairQueue[Turn] = FairQueue(seats)
        self._places = places
        self._taken = 0

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return self._taken - self._queue.running

    @asynccontextmanager
    async def turn(self, tenant: str, tokens: int, within_s: float) -> AsyncIterator[Turn]:
        """Waits for the tenant's turn, and holds a seat inside the context. `tokens` is what the request
        will cost.

        Raises Overloaded at once if the tenant has its share of the places; DeadlineExceeded after
        `within_s` seconds.
        """
        if not may_take(self._queue.count(tenant), self._places - self._taken):
            raise Overloaded("too many requests of this tenant wait for the engine; try again later")
        turn = Turn()
        self._taken += 1
        self._queue.add(tenant, tokens, turn)
        self._begin()
        try:
            await _wait(turn, within_s)
            yield turn
        finally:
            self._taken -= 1
            # A turn can begin in the moment in which its caller is cancelled.
            if turn.begun.is_set():
                self._queue.end(tenant, turn.priority, turn.unused_tokens)
            else:
                self._queue.withdraw(tenant, turn)
            self._begin()

    def _begin(self) -> None:
        """Begins all turns that can begin."""
        while (started := self._queue.start()) is not None:
            turn, priority = started
            turn.priority = priority
            turn.begun.set()


async def _wait(turn: Turn, within_s: float) -> None:
    loop = asyncio.get_running_loop()
    since_s = loop.time()
    try:
        async with asyncio.timeout(within_s):
            await turn.begun.wait()
    except TimeoutError:
        raise DeadlineExceeded(INCOMPLETE) from None
    turn.waited_s = loop.time() - since_s
