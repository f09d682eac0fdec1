"""Retrievals in Redis, shared by all replicas. Only commands that Redis 6.2 has."""

from __future__ import annotations

import logging
from contextlib import suppress

from deployments.core.documents import Retrieval
from deployments.core.errors import CacheUnavailable
from deployments.core.ids import CollectionName, TenantId
from deployments.core.retrievals import RetrievalKey
from deployments.redis.connection import WRONG_TYPE, RedisLink, expect
from deployments.redis.walking import unlinked, walk
from deployments.retrieval.retrieval_codec import decode_retrieval, encode_retrieval
from deployments.token_cache.codec import CorruptEntry
from deployments.token_cache.keys import retrieval_name, retrievals_pattern

log = logging.getLogger(__name__)


class RedisRetrievalStore:
    """A `RetrievalStore`. `corrupt_entries` counts those that were found damaged, and deleted."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self.corrupt_entries = 0

    async def get(self, key: RetrievalKey) -> Retrieval | None:
        """See `RetrievalStore`."""
        name = retrieval_name(key)
        (reply,) = await self._link.call(("GET", name))
        if reply is None:
            return None
        try:
            if reply is WRONG_TYPE:
                raise CorruptEntry("of another type")
            return decode_retrieval(expect(bytes, reply), name, key.state)
        except CorruptEntry as error:
            log.warning("a damaged retrieval of %s is searched for anew: %s", key.query.scope, error)
            self.corrupt_entries += 1
            with suppress(CacheUnavailable):  # the next reader tries again
                await self._link.call(("UNLINK", name))
            return None

    async def put(self, key: RetrievalKey, retrieval: Retrieval, ttl_s: int) -> None:
        """See `RetrievalStore`."""
        name = retrieval_name(key)
        await self._link.call(("SET", name, encode_retrieval(retrieval, name), "EX", ttl_s))

    async def clear(self, tenant: TenantId, collection: CollectionName | None) -> int:
        """Deletes a tenant's entries, of one collection or all; returns how many. Raises CacheUnavailable."""
        batches = walk(self._link, retrievals_pattern(tenant, collection))
        return sum([await unlinked(self._link, names) async for names in batches if names])
