"""Encoded segments in Redis, shared by all replicas. Uses only commands that Redis 6.2 has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deployments.core.batches import batches
from deployments.core.cache_figures import CacheUsage
from deployments.core.ids import CollectionName, Scope, SegmentKey, TenantId
from deployments.redis.connection import UNANSWERED, WRONG_TYPE, RedisLink, expect
from deployments.redis.replication import replicated
from deployments.redis.walking import BATCH, unlinked, walk
from deployments.token_cache.codec import PEEK_BYTES, peek_count
from deployments.token_cache.keys import ALL_SEGMENTS, segment_prefix, segments_pattern

_NO_VALUE = (None, WRONG_TYPE, UNANSWERED)


class RedisSegmentStore:
    """Implements `SegmentStore`. All methods raise CacheUnavailable."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    async def get_many(self, scope: Scope, keys: Sequence[SegmentKey]) -> list[bytes | None]:
        """Reads all values in one round trip, in the order of `keys`; None where there is none.

        Where one server of a cluster fails, its values count as missing. An entry of the wrong type is no
        value; storing the value replaces it.
        """
        values = await self._link.values(_names(scope, keys)) if keys else []
        return [None if value in _NO_VALUE else expect(bytes, value) for value in values]

    async def put_many(self, scope: Scope, values: Mapping[SegmentKey, bytes], ttl_s: int) -> None:
        """Stores values for `ttl_s` seconds, in several round trips.

        If a round trip fails, what earlier ones stored stays.
        """
        for batch in batches(list(values.items()), BATCH):
            named = zip(_names(scope, [key for key, _ in batch]), batch, strict=True)
            await self._link.call(*(("SET", name, raw, "EX", ttl_s) for name, (_, raw) in named))

    async def delete_many(self, scope: Scope, keys: Sequence[SegmentKey]) -> int:
        """Deletes entries; returns how many there were."""
        return sum([await unlinked(self._link, names) for names in batches(_names(scope, keys), BATCH)])

    async def clear(self, tenant: TenantId, collection: CollectionName | None) -> int:
        """Deletes a tenant's entries, of one collection or all; returns how many there were.

        Returns when replicas have deleted them, too. The count is exact: SCAN may return a name twice, but
        UNLINK counts it once.
        """
        pages = walk(self._link, segments_pattern(tenant, collection))
        async with replicated(self._link):
            return sum([await unlinked(self._link, names) async for names in pages if names])

    async def usage_by_scope(self) -> dict[str, CacheUsage]:
        """Measures the entries of all scopes, by their headers; a scope without entries has no row.

        Walks all keys of the server, so call it seldom. An entry counts twice if the server's table grows
        meanwhile and SCAN returns its name again.
        """
        usages: dict[str, CacheUsage] = {}
        async for found in walk(self._link, ALL_SEGMENTS):
            names = list(set(found))
            commands = [c for n in names for c in (("STRLEN", n), ("GETRANGE", n, 0, PEEK_BYTES - 1))]
            replies = await self._link.call(*commands) if commands else []
            for name, length, head in zip(names, replies[::2], replies[1::2], strict=True):
                if length is WRONG_TYPE or head is WRONG_TYPE or not length:
                    continue  # not a segment, or expired after SCAN returned its name
                scope = name.split(b":", 3)[2].decode()
                entry = CacheUsage(1, peek_count(expect(bytes, head)) or 0, expect(int, length))
                usages[scope] = usages[scope] + entry if scope in usages else entry
        return usages

    async def ping(self) -> None:
        """Returns when the server answers."""
        await self._link.call(("PING",))

    async def close(self) -> None:
        """Closes the link. Other stores that use the same link cannot be used afterwards either."""
        await self._link.close()


def _names(scope: Scope, keys: Sequence[SegmentKey]) -> list[str]:
    prefix = segment_prefix(scope)
    return [prefix + key for key in keys]
