"""The knowledge base's side of leases: searches grant them, and changes wait for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Protocol

from deployments.core.documents import Retrieval, SearchQuery
from deployments.core.ids import Scope
from deployments.core.leases import LEASE_S, POLL_S, HolderId, Lease, LeasedRetrieval, lease_clock
from deployments.retrieval.granted_leases import GRANTED_S, LeaseTable


class StatefulSearch(Protocol):
    """A search that returns the state of the collection it read. Raises KnowledgeUnavailable."""

    async def search(self, query: SearchQuery) -> Retrieval:
        """The passages found, with the generation and state that they were read at."""

    async def states(self, scopes: Iterable[Scope]) -> Mapping[Scope, tuple[int, str]]:
        """The generation and state of each collection now."""


class Signal:
    """Wakes the tasks that wait for it now, but none that starts to wait later."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    async def wait(self) -> None:
        """Returns at the next `fire`."""
        await self._event.wait()

    def fire(self) -> None:
        """Wakes all waiting tasks."""
        self._event.set()
        self._event = asyncio.Event()


class Leases:
    """A `LeaseTable`, and the waiting for its events. Belongs to one event loop."""

    def __init__(
        self, *, alone: bool, predecessor: bool = True, clock: Callable[[], float] = lease_clock
    ) -> None:
        """`alone`: no other process grants leases on this database. Otherwise this process does not know
        all holders, and each change waits for as long as a lease may last.

        `predecessor`: an earlier process may have granted leases on this database that are still valid.
        `clock` gives seconds.
        """
        self.table = LeaseTable(clock, predecessor=predecessor)
        self._alone = alone
        self._clock = clock
        self._starting = False
        self._announced = Signal()
        self._acknowledged = Signal()

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Changes inside this context wait for no lease: the process makes them while it starts."""
        self._starting = True
        try:
            yield
        finally:
            self._starting = False

    @asynccontextmanager
    async def settling(self, scope: Scope, generation: int) -> AsyncIterator[None]:
        """Enter it after a change was committed. It ends when no holder uses older texts of the scope.

        Enter it even if the call changed nothing: an equal change may have been committed earlier, and
        its caller cancelled before all holders had acknowledged it.
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

    async def wait_for_change(self, holder: HolderId) -> None:
        """Returns when a change waits for the holder, at the latest after `POLL_S` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_S):
                while not self.table.outdated(holder):
                    await self._announced.wait()

    def acknowledge(self, holder: HolderId, known: Mapping[Scope, int]) -> None:
        """Records that a holder uses nothing older than these generations from now on."""
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


class LeasedSearch:
    """Implements `LeasingKnowledge` over a search. Awaits nothing between a grant and the return."""

    def __init__(self, search: StatefulSearch, leases: Leases) -> None:
        self._search = search
        self._leases = leases

    async def leased_search(self, holder: HolderId, query: SearchQuery) -> LeasedRetrieval:
        """Searches and grants a lease on what was found. Raises KnowledgeUnavailable."""
        table = self._leases.table
        with table.reading([query.scope]) as readings:
            found = await self._search.search(query)
            granted = table.grant(readings[query.scope], query.scope, holder, found.generation)
        return LeasedRetrieval(found, LEASE_S if granted else 0.0)

    async def watch(self, holder: HolderId, known: Mapping[Scope, int]) -> dict[Scope, Lease]:
        """Waits for changes, then renews leases. Raises KnowledgeUnavailable."""
        table = self._leases.table
        self._leases.acknowledge(holder, known)
        if all(generation >= 0 for generation in known.values()):
            await self._leases.wait_for_change(holder)
        scopes = known.keys() | table.outdated(holder)
        renewed: dict[Scope, Lease] = {}
        with table.reading(scopes) as readings:
            for scope, (generation, state) in (await self._search.states(scopes)).items():
                granted = table.grant(readings[scope], scope, holder, generation)
                renewed[scope] = Lease(generation, state, LEASE_S if granted else 0.0)
        return renewed
