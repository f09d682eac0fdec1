"""One store after the other, each with a way to let its time pass."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deployments.core.ports import CounterStore, HotPaths, SegmentStore
from deployments.redis.connection import RedisLink, expect
from deployments.redis.embedded_server import EmbeddedRedis
from deployments.token_cache.counters import RedisCounterStore
from deployments.token_cache.hot_paths import RedisHotPaths
from deployments.token_cache.memory_store import (
    InMemoryCounterStore,
    InMemoryHotPaths,
    InMemorySegmentStore,
)
from deployments.token_cache.redis_store import RedisSegmentStore


@dataclass(frozen=True)
class Stores:
    """Empty stores. `advance` lets seconds pass for them; `link` is there when they are in Redis."""

    segments: SegmentStore
    counters: Callable[..., CounterStore]
    paths: Callable[..., HotPaths]
    advance: Callable[[int], Awaitable[None]]
    link: RedisLink | None = None


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = EmbeddedRedis(Path(tmp_path_factory.mktemp("redis")))
    yield server.acquire()
    server.release()


@pytest.fixture
async def link(redis_url: str) -> AsyncIterator[RedisLink]:
    # What is tested here is what the server does, not how fast: a busy machine must not fail it.
    link = RedisLink(redis_url, timeout_s=10)
    await link.call(("FLUSHALL",))
    yield link
    await link.close()


@pytest.fixture
def in_redis(link: RedisLink) -> Stores:
    async def advance(seconds: int) -> None:
        """Brings every expiry nearer, which for the server is the same as waiting."""
        (names,) = await link.call(("KEYS", "*"))
        for name in expect(list, names):
            (left_ms,) = await link.call(("PTTL", name))
            if expect(int, left_ms) >= 0:
                await link.call(("PEXPIRE", name, expect(int, left_ms) - 1000 * seconds))

    return Stores(
        RedisSegmentStore(link),
        lambda **how: RedisCounterStore(link, **how),
        lambda **how: RedisHotPaths(link, **how),
        advance,
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
