"""Going through all names of a pattern in Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from deployments.redis.connection import RedisLink, expect

BATCH = 500
"""Keys a round trip of what may handle many: each stays far within the time limit."""


async def walk(link: RedisLink, pattern: str) -> AsyncIterator[list[bytes]]:
    """Names in batches; one may come twice. Raises CacheUnavailable."""
    cursor = 0
    while True:
        (reply,) = await link.call(("SCAN", cursor, "MATCH", pattern, "COUNT", BATCH))
        cursor, names = expect(tuple, reply)
        yield [expect(bytes, name) for name in expect(list, names)]
        if cursor == 0:
            return


async def unlinked(link: RedisLink, names: Sequence[str | bytes]) -> int:
    """Deletes entries of any type; returns how many there were. Raises CacheUnavailable."""
    (count,) = await link.call(("UNLINK", *names))
    return expect(int, count)
