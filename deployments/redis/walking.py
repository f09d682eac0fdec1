"""Walking through all names that match a pattern in Redis, and deleting names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from deployments.redis.connection import RedisLink, expect

BATCH = 500
"""Keys per round trip where there may be many: so few that a round trip stays within its time limit."""


async def walk(link: RedisLink, pattern: str) -> AsyncIterator[list[bytes]]:
    """Yields the names in batches; SCAN may return a name twice. Raises CacheUnavailable."""
    cursor = 0
    while True:
        (reply,) = await link.call(("SCAN", cursor, "MATCH", pattern, "COUNT", BATCH))
        cursor, names = expect(tuple, reply)
        yield [expect(bytes, name) for name in expect(list, names)]
        if cursor == 0:
            return


async def unlinked(link: RedisLink, names: Sequence[str | bytes]) -> int:
    """Deletes entries of any type; returns how many existed. Raises CacheUnavailable."""
    (count,) = await link.call(("UNLINK", *names))
    return expect(int, count)
