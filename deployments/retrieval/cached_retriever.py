"""A retriever that answers a repeated question without a search while the collection has not changed.

It uses a kept result only while this process holds a lease on the collection in the state in which the
result was found. It checks the lease after the request has arrived, so an answer is never older than the
request.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from deployments.core.documents import Retrieval, SearchQuery, normalised
from deployments.core.errors import CacheUnavailable
from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.core.leases import lease_clock
from deployments.core.ports import Retriever
from deployments.retrieval.held_leases import LeaseKeeper
from deployments.retrieval.retrieval_lru import RetrievalLru
from deployments.retrieval.rhythms import Rhythms, retrieval_ttl_s

log = logging.getLogger(__name__)

RETRIEVAL_L1_BYTES = 32 * 2**20


@dataclass(frozen=True, slots=True)
class RetrievalKey:
    """Everything that decides what a retriever returns."""

    query: SearchQuery
    """Its text is normalised."""
    state: str
    """The state of the collection, as in `Lease`."""
    kind: str
    """The kind of retriever; "" for the knowledge base's own search."""


class RetrievalStore(Protocol):
    """Retrievals shared by all replicas. The key contains the state, so an entry never changes.

    Every method raises CacheUnavailable, and nothing else, when the store cannot be used.
    """

    async def get(self, key: RetrievalKey) -> Retrieval | None:
        """What was stored; None if there is nothing, or the entry was damaged (it is then deleted)."""

    async def put(self, key: RetrievalKey, retrieval: Retrieval, ttl_s: int) -> None:
        """Stores an entry that expires after `ttl_s` seconds."""


@dataclass(frozen=True, slots=True)
class RetrievalCacheParts:
    """What a `CachedRetriever` is made of."""

    keeper: LeaseKeeper
    rhythms: Rhythms
    shared: RetrievalStore
    """The store that all replicas share."""
    max_ttl_s: int
    """The longest TTL, in seconds, of entries in `shared`."""
    max_bytes: int = RETRIEVAL_L1_BYTES
    """The size of the cache in this process."""
    clock: Callable[[], float] = lease_clock
    """Gives seconds."""


class CachedRetriever:
    """A `Retriever` that keeps results, in this process and in a store that all replicas share.

    Attributes:
        hits: answers from this process's cache.
        shared_hits: answers from the shared store.
        misses: answers from a search.
    """

    def __init__(self, parts: RetrievalCacheParts, inner: Retriever | None = None, kind: str = "") -> None:
        """Without `inner`, it searches the knowledge base.

        `inner` may make several calls for one answer, so its answer is kept only if the collection was
        in the same state before and after them. `kind` keeps its entries apart from those of other
        retrievers.
        """
        self._keeper = parts.keeper
        self._rhythms = parts.rhythms
        self._shared = parts.shared
        self._max_ttl_s = parts.max_ttl_s
        self._clock = parts.clock
        self._lru = RetrievalLru(parts.max_bytes)
        self._inner = inner
        self._kind = kind
        self.hits = 0
        self.shared_hits = 0
        self.misses = 0

    async def search(self, query: SearchQuery) -> Retrieval:
        """The passages found, best first. Raises KnowledgeUnavailable."""
        query = replace(query, text=normalised(query.text))
        state = self._keeper.state(query.scope)
        if state is not None:
            if (kept := self._kept(query, state)) is not None:
                self.hits += 1
                return kept
            if (shared := await self._from_shared(query, state)) is not None:
                self.shared_hits += 1
                return shared
        self.misses += 1
        return await self._searched(query, state)

    def clear(self, tenant: TenantId, collection: CollectionName | None) -> int:
        """Drops this process's entries of a tenant, of one collection or all; returns their number."""
        return self._lru.clear(tenant, collection)

    def forget(self, matches: Callable[[Scope], bool]) -> int:
        """Drops this process's entries of the scopes that match; returns their number."""
        return self._lru.forget(matches)

    def _kept(self, query: SearchQuery, state: str) -> Retrieval | None:
        found = self._lru.get(query, state)
        if found is None:
            return None
        now_s = self._clock()
        self._rhythms.reused(query.scope, now_s - found.used_s)
        found.used_s = now_s
        return found.retrieval

    async def _from_shared(self, query: SearchQuery, state: str) -> Retrieval | None:
        try:
            found = await self._shared.get(RetrievalKey(query, state, self._kind))
        except CacheUnavailable as error:
            log.debug("can't read the shared retrievals: %s", error)
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
        ttl_s = retrieval_ttl_s(self._rhythms.of(query.scope), self._max_ttl_s)
        try:
            await self._shared.put(RetrievalKey(query, found.state, self._kind), found, ttl_s)
        except CacheUnavailable as error:
            log.debug("can't share a retrieval: %s", error)
