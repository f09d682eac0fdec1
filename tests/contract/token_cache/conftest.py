"""The stores in memory and in Redis, each with a way to let time pass."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from deployments.core.ports import CounterStore, HotPaths, SegmentStore
from deployments.redis.connection import RedisLink
from deployments.token_cache.counters import RedisCounterStore
from deployments.token_cache.hot_paths import RedisHotPaths
from deployments.token_cache.redis_store import RedisSegmentStore
from tests.memory_stores import (
    InMemoryCounterStore,
    InMemoryHotPaths,
    InMemorySegmentStore,
)


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


@pytest.fixture
def in_redis(link: RedisLink, advance_redis: Callable[[int], Awaitable[None]]) -> Stores:
    return Stores(
        RedisSegmentStore(link),
        lambda **how: RedisCounterStore(link, **how),
        lambda **how: RedisHotPaths(link, **how),
        advance_redis,
        link,
    )


@pytest.fixture
def in_memory() -> Stores:
    now_s = 0.0

    async def advance(seconds: int) -> None:
        nonlocal now_s
        now_s += seconds

    return Stores(InMemorySegmentStore(clock=lambda: now_s), InMemoryCounterStore, InMemoryHotPaths, advance)


@pytest.fixture(params=["in_memory", "in_redis"])
def stores(request: pytest.FixtureRequest) -> Stores:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Stores)
    return found
