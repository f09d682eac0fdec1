"""Walking through all names that match a pattern in Redis, and deleting names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from deployments.redis.connection import RedisLink, expect

BATCH = 500
"""Keys per round trip where there may be many: so few that a round trip stays within its time limit."""


async def walk(link: RedisLink, pattern: str) -> AsyncIterator[list[bytes]]:
    """Yields the names in batches, of one server after the other. Raises CacheUnavailable.

    SCAN may return a name twice. In a cluster, a name whose slot moves to another server meanwhile may be
    returned twice or not at all.
    """
    for shard in await link.shards():
        cursor = 0
        while True:
            (reply,) = await shard.call(("SCAN", cursor, "MATCH", pattern, "COUNT", BATCH))
            cursor, names = expect(tuple, reply)
            yield [expect(bytes, name) for name in expect(list, names)]
            if cursor == 0:
                break


async def unlinked(link: RedisLink, names: Sequence[str | bytes]) -> int:
    """Deletes entries of any type; returns how many existed. Raises CacheUnavailable.

    One command for each, because a cluster refuses one that has keys of several slots.
    """
    counts = await link.call(*(("UNLINK", name) for name in names))
    return sum(expect(int, count) for count in counts)
