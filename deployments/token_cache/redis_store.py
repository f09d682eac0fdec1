"""Encoded segments in Redis, shared by all replicas. Only commands that Redis 6.2 has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from deployments.core.errors import CacheUnavailable
from deployments.core.ids import CollectionName, Scope, SegmentKey, TenantId
from deployments.core.messages import CacheUsage
from deployments.redis.connection import WRONG_TYPE, RedisLink, expect
from deployments.redis.walking import BATCH, unlinked, walk
from deployments.token_cache.batches import batches
from deployments.token_cache.codec import PEEK_BYTES, peek_count
from deployments.token_cache.keys import segment_prefix, segments_pattern


class RedisSegmentStore:
    """A `SegmentStore`. `wrong_typed` counts the entries found to be no strings, and deleted."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self.wrong_typed = 0

    async def get_many(self, scope: Scope, keys: Sequence[SegmentKey]) -> list[bytes | None]:
        """All values in one round trip; see `SegmentStore`."""
        if not keys:
            return []
        names = _names(scope, keys)
        replies = await self._link.call(*(("GET", name) for name in names))
        wrong = [name for name, reply in zip(names, replies, strict=True) if reply is WRONG_TYPE]
        if wrong:
            self.wrong_typed += len(wrong)
            with suppress(CacheUnavailable):  # the other values are good; the next reader tries again
                await self._link.call(("UNLINK", *wrong))
        return [None if r in (None, WRONG_TYPE) else expect(bytes, r) for r in replies]

    async def put_many(self, scope: Scope, values: Mapping[SegmentKey, bytes], ttl_s: int) -> None:
        """See `SegmentStore`. What an earlier round trip stored stays when a later one fails."""
        for batch in batches(list(values.items()), BATCH):
            named = zip(_names(scope, [key for key, _ in batch]), batch, strict=True)
            await self._link.call(*(("SET", name, raw, "EX", ttl_s) for name, (_, raw) in named))

    async def delete_many(self, scope: Scope, keys: Sequence[SegmentKey]) -> int:
        """See `SegmentStore`."""
        return sum([await unlinked(self._link, names) for names in batches(_names(scope, keys), BATCH)])

    async def clear(self, tenant: TenantId, collection: CollectionName | None) -> int:
        """See `SegmentStore`. SCAN may name an entry twice, UNLINK counts it once."""
        pages = walk(self._link, segments_pattern(tenant, collection))
        return sum([await unlinked(self._link, names) async for names in pages if names])

    async def usage(self, scope: Scope) -> CacheUsage:
        """See `SegmentStore`. Walks all the server's keys, so ask seldom; reads headers, not values."""
        lengths: dict[bytes, int] = {}
        tokens = 0
        async for names in walk(self._link, segments_pattern(scope.tenant, scope.collection)):
            fresh = [name for name in set(names) if name not in lengths]  # SCAN may repeat itself
            commands = [c for n in fresh for c in (("STRLEN", n), ("GETRANGE", n, 0, PEEK_BYTES - 1))]
            replies = await self._link.call(*commands) if commands else []
            for name, length, head in zip(fresh, replies[::2], replies[1::2], strict=True):
                if length is WRONG_TYPE or head is WRONG_TYPE or not length:
                    continue  # no segment, or expired since the walk met it
                lengths[name] = expect(int, length)
                tokens += peek_count(expect(bytes, head)) or 0
        return CacheUsage(entries=len(lengths), tokens=tokens, value_bytes=sum(lengths.values()))

    async def ping(self) -> None:
        """See `SegmentStore`."""
        await self._link.call(("PING",))

    async def close(self) -> None:
        """Closes the link, which may be shared with a counter store."""
        await self._link.close()


def _names(scope: Scope, keys: Sequence[SegmentKey]) -> list[str]:
    prefix = segment_prefix(scope)
    return [prefix + key for key in keys]
