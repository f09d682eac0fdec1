"""Retrieval without asking Knowledge: a question asked before, on a collection that has not changed since.

An entry counts only while this process holds a lease on the collection in the state that the entry was found
in (see `core.leases`). The moment at which that is looked up lies behind the request's arrival, so an answer
is never older than the request.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from deployments.core.documents import Retrieval, SearchQuery
from deployments.core.errors import CacheUnavailable
from deployments.core.ids import CollectionName, TenantId
from deployments.core.leases import lease_clock
from deployments.core.ports import Retriever
from deployments.core.retrievals import RetrievalKey, RetrievalStore, Rhythm, normalised
from deployments.retrieval.lease_keeper import LeaseKeeper
from deployments.retrieval.retrieval_lru import RetrievalLru
from deployments.retrieval.rhythms import Rhythms

log = logging.getLogger(__name__)

RETRIEVAL_L1_BYTES = 32 * 2**20


@dataclass(frozen=True, slots=True)
class RetrievalCacheParts:
    """`ttl_s` says how long a collection's entries are worth keeping in `shared`, by their rhythm."""

    keeper: LeaseKeeper
    rhythms: Rhythms
    shared: RetrievalStore
    ttl_s: Callable[[CollectionName, Rhythm], int]
    max_bytes: int = RETRIEVAL_L1_BYTES
    clock: Callable[[], float] = lease_clock


class CachedRetriever:
    """A `Retriever`. `hits`, `shared_hits` (from the other replicas' store) and `misses` count its answers.

    Without `inner` it searches the knowledge base. With one, whose answer may be put together from several
    calls, that answer is kept only if the collection was in one state before and behind them; `kind` keeps
    its entries apart from others'.
    """

    def __init__(self, parts: RetrievalCacheParts, inner: Retriever | None = None, kind: str = "") -> None:
        self._keeper = parts.keeper
        self._rhythms = parts.rhythms
        self._shared = parts.shared
        self._ttl_s = parts.ttl_s
        self._clock = parts.clock
        self._lru = RetrievalLru(parts.max_bytes)
        self._inner = inner
        self._kind = kind
        self.hits = 0
        self.shared_hits = 0
        self.misses = 0

    async def search(self, query: SearchQuery) -> Retrieval:
        """See `Retriever`."""
        query = replace(query, text=normalised(query.text))
        state = self._keeper.state(query.scope)
        if state is not None:
            if (known := self._known(query, state)) is not None:
                self.hits += 1
                return known
            if (shared := await self._from_others(query, state)) is not None:
                self.shared_hits += 1
                return shared
        self.misses += 1
        return await self._searched(query, state)

    def clear(self, tenant: TenantId, collection: CollectionName | None) -> int:
        """Drops this process's entries of a tenant; returns how many there were."""
        return self._lru.clear(tenant, collection)

    def _known(self, query: SearchQuery, state: str) -> Retrieval | None:
        found = self._lru.get(query, state)
        if found is None:
            return None
        now_s = self._clock()
        self._rhythms.reused(query.scope, now_s - found.used_s)
        found.used_s = now_s
        return found.retrieval

    async def _from_others(self, query: SearchQuery, state: str) -> Retrieval | None:
        try:
            found = await self._shared.get(RetrievalKey(query, state, self._kind))
        except CacheUnavailable as error:
            log.debug("no shared retrievals: %s", error)
            return None
        if found is not None:
            self._lru.put(query, found, self._clock())
        return found

    async def _searched(self, query: SearchQuery, state: str | None) -> Retrieval:
        if self._inner is None:
            found = (await self._keeper.search(query)).retrieval
            keep = bool(found.state)
        else:
            before = state or await self._keeper.current_state(query.scope)
            found = await self._inner.search(query)
            keep = bool(found.state) and found.state == before
        if keep:
            self._lru.put(query, found, self._clock())
            await self._share(query, found)
        return found

    async def _share(self, query: SearchQuery, found: Retrieval) -> None:
        ttl_s = self._ttl_s(query.scope.collection, self._rhythms.of(query.scope))
        try:
            await self._shared.put(RetrievalKey(query, found.state, self._kind), found, ttl_s)
        except CacheUnavailable as error:
            log.debug("a retrieval is not shared: %s", error)
