"""The stores in memory and in Redis, each with a way to let time pass."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import pytest

from deployments.core.ports import CounterStore, HotPaths, SegmentStore
from deployments.redis.connection import RedisLink
from deployments.token_cache.counters import RedisCounterStore
from deployments.token_cache.hot_paths import RedisHotPaths
from deployments.token_cache.redis_store import RedisSegmentStore
from tests.contract.conftest import REDIS
from tests.memory_stores import (
    InMemoryCounterStore,
    InMemoryHotPaths,
    InMemorySegmentStore,
)
from tests.redis_topologies import advance, emptied


@dataclass(frozen=True)
class Stores:
    """Empty stores of one kind."""

    segments: SegmentStore
    counters: Callable[..., CounterStore]
    paths: Callable[..., HotPaths]
    advance: Callable[[int], Awaitable[None]]
    """Lets seconds pass for the stores."""
    link: RedisLink | None = None
    """None if the stores are in memory."""


def in_redis(link: RedisLink) -> Stores:
    return Stores(
        RedisSegmentStore(link),
        lambda **how: RedisCounterStore(link, **how),
        lambda **how: RedisHotPaths(link, **how),
        partial(advance, link),
        link,
    )


def in_memory() -> Stores:
    now_s = 0.0

    async def advance(seconds: int) -> None:
        nonlocal now_s
        now_s += seconds

    return Stores(InMemorySegmentStore(clock=lambda: now_s), InMemoryCounterStore, InMemoryHotPaths, advance)


@pytest.fixture(params=["memory", *REDIS])
async def stores(
    request: pytest.FixtureRequest, redis_servers: Callable[[str], str]
) -> AsyncIterator[Stores]:
    if request.param == "memory":
        yield in_memory()
        return
    async with emptied(redis_servers(request.param)) as link:
        yield in_redis(link)
