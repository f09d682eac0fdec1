"""Deletions that survive a failover."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from deployments.core.errors import CacheUnavailable
from deployments.redis.connection import RedisLink, RedisShard, expect

_WAIT_S = 5.0
"""How long replicas may take. They report once a second what they have."""
_ASK_EVERY_S = 0.1


@asynccontextmanager
async def replicated(link: RedisLink) -> AsyncIterator[None]:
    """Waits after the block until all replicas have what it wrote or deleted.

    Redis replicates after it has answered. A replica that becomes the primary before it has got a deletion
    still has the entry. Raises CacheUnavailable if a replica takes longer than 5 s, or a replica became the
    primary meanwhile: the caller repeats the block.
    """
    before = await _histories(link)
    yield
    shards = await link.shards()
    try:
        async with asyncio.timeout(_WAIT_S):
            await asyncio.gather(*(_caught_up(shard) for shard in shards))
    except TimeoutError:
        raise CacheUnavailable(f"a replica of Redis was more than {_WAIT_S:g} s late; try again") from None
    if await _histories(link) != before:
        raise CacheUnavailable("a replica of Redis became the primary meanwhile; try again")


async def _caught_up(shard: RedisShard) -> None:
    written = (await _replication(shard)).get("master_repl_offset", 0)
    while not _have(written, await _replication(shard)):  # noqa: ASYNC110 - Redis sends no event
        await asyncio.sleep(_ASK_EVERY_S)


async def _histories(link: RedisLink) -> set[str | None]:
    """The names of the histories of writes. A replica that becomes the primary begins one."""
    return {(await _replication(shard)).get("master_replid") for shard in await link.shards()}


async def _replication(shard: RedisShard) -> Mapping[str, Any]:
    (info,) = await shard.call(("INFO", "replication"))
    return expect(dict, info)


def _have(written: int, info: Mapping[str, Any]) -> bool:
    """Whether all replicas have the first `written` bytes of the history."""
    replicas = (value for value in info.values() if isinstance(value, dict))
    return all(replica.get("offset", 0) >= written for replica in replicas)
