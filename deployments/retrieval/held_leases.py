"""The holder's side of leases: which leases this process holds, and the task that renews them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import uuid4

from deployments.core.detached_task import detached_task
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

log = logging.getLogger(__name__)

KEPT_SCOPES = 2000
"""How many scopes may have leases here: a collection and an epoch for each of 1,000 tenants. The least
recently used are forgotten first."""

WATCHED_S = 300.0
"""How long after its last use the lease on a scope is still renewed, so that a question that is asked again
after some minutes finds its passages and their ids here."""

_RETRY_S = 1.0


@dataclass(slots=True)
class _Held:
    generation: int
    state: str
    until_s: float
    """When the lease runs out."""
    learnt_s: float
    """When this process first heard of the generation."""
    used_s: float
    """When the state was last asked for."""


class HeldLeases:
    """The leases that this process holds, by scope. No method waits; `clock` gives seconds.

    After this process has heard of a generation, it ignores a late answer with an older one, because it
    may have acknowledged the newer one. It accepts an older generation only after every call that was
    sent earlier has run out of time: then the database must have been replaced by an older copy.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._held: dict[Scope, _Held] = {}

    def state(self, scope: Scope) -> str | None:
        """The state that the scope is in now; None without a valid lease."""
        held = self._held.get(scope)
        if held is None:
            return None
        held.used_s = self._clock()
        return held.state if held.used_s < held.until_s else None

    def accept(self, scope: Scope, lease: Lease, sent_s: float) -> bool:
        """Takes the lease in the answer to a call sent at `sent_s`; True if the scope has changed."""
        now_s = self._clock()
        held = self._held.get(scope)
        until_s = sent_s + lease.lease_s
        if held is not None and lease.generation < held.generation:
            is_replaced = now_s >= held.learnt_s + LEASE_S and now_s < until_s
            if not is_replaced:
                return False
        if held is not None and (held.generation, held.state) == (lease.generation, lease.state):
            held.until_s = max(held.until_s, until_s)
            return False
        used_s = now_s if held is None else held.used_s
        self._held[scope] = _Held(lease.generation, lease.state, until_s, now_s, used_s)
        self._forget(now_s)
        return held is not None

    def known(self, used_within_s: float) -> dict[Scope, int]:
        """The generations of the scopes used in the last `used_within_s` seconds."""
        since_s = self._clock() - used_within_s
        return {scope: held.generation for scope, held in self._held.items() if held.used_s >= since_s}

    def _forget(self, now_s: float) -> None:
        """Drops the least recently used scopes for which no earlier call can still bring a lease."""
        if len(self._held) <= KEPT_SCOPES:
            return
        for scope, held in sorted(self._held.items(), key=lambda item: item[1].used_s):
            if len(self._held) <= KEPT_SCOPES:
                return
            if now_s >= max(held.until_s, held.learnt_s + LEASE_S):
                del self._held[scope]


class LeaseKeeper:
    """Gets and renews the leases of one process on one knowledge base. Belongs to one event loop.

    While scopes are in use, one call at a time waits at the knowledge base for changes. While none is,
    the keeper sends nothing.
    """

    def __init__(
        self,
        knowledge: LeasingKnowledge,
        changed: Callable[[Scope], None] = lambda _scope: None,
        clock: Callable[[], float] = lease_clock,
        *,
        unwatched: Callable[[Scope], None] = lambda _scope: None,
    ) -> None:
        """`changed` is called with each scope whose state has changed, `unwatched` with each scope of whose
        changes this process hears no longer. `clock` gives seconds.
        """
        self._knowledge = knowledge
        self._changed = changed
        self._unwatched = unwatched
        self._clock = clock
        self._holder = HolderId(uuid4().hex)
        self._held = HeldLeases(clock)
        self._watching: asyncio.Task[None] | None = None

    def state(self, scope: Scope) -> str | None:
        """The state that the scope is in now; None without a valid lease. Starts renewing leases."""
        state = self._held.state(scope)
        self._watch()
        return state

    async def current_state(self, scope: Scope) -> str:
        """The state, from the knowledge base if there is no lease. Raises KnowledgeUnavailable."""
        return (await self.current_states([scope]))[scope]

    async def current_states(self, scopes: Iterable[Scope]) -> dict[Scope, str]:
        """The states of several scopes, by one call at most. Raises KnowledgeUnavailable."""
        states = {scope: self.state(scope) for scope in scopes}
        found = {scope: state for scope, state in states.items() if state is not None}
        if unknown := dict.fromkeys(states.keys() - found.keys(), UNKNOWN):
            sent_s = self._clock()
            for scope, lease in (await self._knowledge.watch(self._holder, unknown)).items():
                self._accept(scope, lease, sent_s)
                found[scope] = lease.state
        return found

    async def search(self, query: SearchQuery) -> LeasedRetrieval:
        """Searches, and takes the lease in the answer. Raises KnowledgeUnavailable."""
        sent_s = self._clock()
        found = await self._knowledge.leased_search(self._holder, query)
        self._accept(query.scope, found.lease, sent_s)
        return found

    async def close(self) -> None:
        """Stops renewing; the leases run out."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    def _accept(self, scope: Scope, lease: Lease, sent_s: float) -> None:
        if self._held.accept(scope, lease, sent_s):
            self._changed(scope)
        self._watch()

    def _watch(self) -> None:
        if (self._watching is None or self._watching.done()) and self._held.known(WATCHED_S):
            self._watching = detached_task(self._keep_watching())

    async def _keep_watching(self) -> None:
        watched: set[Scope] = set()
        while known := self._held.known(WATCHED_S):
            self._leave(watched - known.keys())
            watched = set(known)
            sent_s = self._clock()
            try:
                async with asyncio.timeout(POLL_S + LEASE_S):
                    leases = await self._knowledge.watch(self._holder, known)
            except (WarmlineError, TimeoutError) as error:
                log.info("no leases from the knowledge base, searching for each question: %s", error)
                await asyncio.sleep(_RETRY_S)
                continue
            for scope, lease in leases.items():
                if self._held.accept(scope, lease, sent_s):
                    self._changed(scope)
        self._leave(watched)

    def _leave(self, scopes: set[Scope]) -> None:
        for scope in scopes:
            self._unwatched(scope)
