"""Changes that wait for those who hold leases, and holders that wait for changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress

from deployments.core.ids import Scope
from deployments.core.leases import POLL_S, HolderId, lease_clock
from deployments.retrieval.lease_table import GRANTED_S, LeaseTable


class Signal:
    """Wakes all who wait for it now, and nobody who comes later."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    async def wait(self) -> None:
        """Until the next `fire`."""
        await self._event.wait()

    def fire(self) -> None:
        """Wakes all."""
        self._event.set()
        self._event = asyncio.Event()


class Leases:
    """A `LeaseTable` with the waiting around it. Belongs to one event loop.

    `alone`: no other process grants leases on this database. Otherwise nobody knows who holds one, and each
    change waits for as long as a lease may last. `predecessor`: a process before this one may have granted
    some on it.
    """

    def __init__(
        self, *, alone: bool, predecessor: bool = True, clock: Callable[[], float] = lease_clock
    ) -> None:
        self.table = LeaseTable(clock, predecessor=predecessor)
        self._alone = alone
        self._clock = clock
        self._starting = False
        self._announced = Signal()
        self._acknowledged = Signal()

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Changes in here wait for nobody: this is the process's own start, not a caller's call."""
        self._starting = True
        try:
            yield
        finally:
            self._starting = False

    @asynccontextmanager
    async def settling(self, scope: Scope, generation: int) -> AsyncIterator[None]:
        """Enter when a change has been committed; ends when nobody uses older texts of the scope any more.

        Also for one that has changed nothing: an equal one may have been committed, and its caller gone,
        before the last holder heard of it.
        """
        changed_s = self._clock()
        self.table.announce(scope, generation)
        self._announced.fire()
        try:
            yield
            if not self._starting:
                await self._settled(scope, generation, changed_s)
        finally:
            self.table.withdraw(scope, generation)

    async def news(self, holder: HolderId) -> None:
        """Returns when a change waits for the holder, and after `POLL_S`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_S):
                while not self.table.behind(holder):
                    await self._announced.wait()

    def acknowledge(self, holder: HolderId, known: Mapping[Scope, int]) -> None:
        """A holder uses nothing older than this from now on."""
        self.table.acknowledge(holder, known)
        self._acknowledged.fire()

    async def _settled(self, scope: Scope, generation: int, changed_s: float) -> None:
        if not self._alone:
            await asyncio.sleep(max(changed_s + GRANTED_S - self._clock(), 0.0))
            return
        while (until_s := self.table.wait_until_s(scope, generation)) is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(until_s - self._clock(), 0.0)):
                    await self._acknowledged.wait()
