"""Keeps leases alive while they are used, and brings the news that ends them."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable
from uuid import uuid4

from deployments.core.documents import SearchQuery
from deployments.core.errors import WarmlineError
from deployments.core.ids import Scope
from deployments.core.leases import (
    LEASE_S,
    POLL_S,
    UNKNOWN,
    HolderId,
    Lease,
    LeasedRetrieval,
    LeasingKnowledge,
    lease_clock,
)
from deployments.retrieval.held_leases import HeldLeases

log = logging.getLogger(__name__)

WATCHED_S = 30.0
"""A scope that nobody has asked about for so long is not watched: its lease runs out."""

_RETRY_S = 1.0


class LeaseKeeper:
    """The leases of one process on one knowledge base. Belongs to one event loop.

    One call waits at the knowledge base as long as anything is asked; nothing is sent when nobody asks.
    `changed` is told of a scope whose state is another than before.
    """

    def __init__(
        self,
        knowledge: LeasingKnowledge,
        changed: Callable[[Scope], None] = lambda _scope: None,
        clock: Callable[[], float] = lease_clock,
    ) -> None:
        self._knowledge = knowledge
        self._changed = changed
        self._clock = clock
        self._holder = HolderId(uuid4().hex)
        self._held = HeldLeases(clock)
        self._watching: asyncio.Task[None] | None = None

    def state(self, scope: Scope) -> str | None:
        """The state that a scope is in at this moment, for certain; None when there is no saying."""
        state = self._held.state(scope)
        self._watch()
        return state

    async def current_state(self, scope: Scope) -> str | None:
        """The same, asking where it is not known. Raises KnowledgeUnavailable."""
        if (state := self.state(scope)) is not None:
            return state
        sent_s = self._clock()
        leases = await self._knowledge.watch(self._holder, {scope: UNKNOWN})
        for answered, lease in leases.items():
            self._accept(answered, lease, sent_s)
        return self.state(scope)

    async def search(self, query: SearchQuery) -> LeasedRetrieval:
        """Searches, and takes the lease that comes with the answer. Raises KnowledgeUnavailable."""
        sent_s = self._clock()
        found = await self._knowledge.leased_search(self._holder, query)
        self._accept(query.scope, found.lease, sent_s)
        return found

    async def close(self) -> None:
        """Stops watching; leases run out."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    def _accept(self, scope: Scope, lease: Lease, sent_s: float) -> None:
        if self._held.accept(scope, lease, sent_s):
            self._changed(scope)
        self._watch()

    def _watch(self) -> None:
        if (self._watching is None or self._watching.done()) and self._held.known(WATCHED_S):
            # In a context of its own: it outlives the request that happens to start it, and a Serve handle
            # takes calls that are made within one request for parts of it.
            self._watching = asyncio.get_running_loop().create_task(
                self._keep_watching(), context=contextvars.Context()
            )

    async def _keep_watching(self) -> None:
        while known := self._held.known(WATCHED_S):
            sent_s = self._clock()
            try:
                async with asyncio.timeout(POLL_S + LEASE_S):
                    leases = await self._knowledge.watch(self._holder, known)
            except (WarmlineError, TimeoutError) as error:
                log.info("no leases on the knowledge base, each question is searched for: %s", error)
                await asyncio.sleep(_RETRY_S)
                continue
            for scope, lease in leases.items():
                if self._held.accept(scope, lease, sent_s):
                    self._changed(scope)
