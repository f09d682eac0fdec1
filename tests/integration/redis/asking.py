"""A client that asks for the same segments without a pause while servers are killed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from deployments.core.ids import CollectionName, Scope, TenantId
from deployments.core.messages import SegmentSource, TokenizerBundle
from deployments.core.token_ids import token_ids
from deployments.redis.connection import RedisLink
from deployments.token_cache.lru import SegmentLru
from deployments.token_cache.redis_store import RedisSegmentStore
from deployments.token_cache.resolver import CachedResolver
from deployments.token_cache.service import TokenCacheService
from tests.fakes import FAKE_VOCAB_SIZE, SCAFFOLD, FakeEncoder

SCOPE = Scope(TenantId("a"), CollectionName("kb"))
TEXTS = [f"passage {number}" for number in range(8)]
_IDS = tuple(token_ids(map(ord, text)) for text in TEXTS)
_PATIENT_S = 30.0


@dataclass
class Asking:
    """What the client was told."""

    answers: int = 0
    wrong: int = 0
    """Answers with other ids than without a cache."""
    longest_s: float = 0.0
    """Time that an answer took at most."""
    hits: int = 0
    """Segments of the last answer that came from Redis."""
    seen: set[int] = field(default_factory=set)
    """All numbers of hits since the last `until`."""

    async def until(self, true: Callable[[int], bool]) -> None:
        """Waits for an answer whose number of hits is as wanted."""
        self.seen.clear()
        async with asyncio.timeout(_PATIENT_S):
            while not any(map(true, self.seen)):  # noqa: ASYNC110 - the client does not stop for a waiting test
                await asyncio.sleep(0.01)


@asynccontextmanager
async def asking(url: str) -> AsyncIterator[Asking]:
    """Asks until the block ends, with the application's own time limits and without L1."""
    link = RedisLink(url)
    store, encoder = RedisSegmentStore(link), FakeEncoder()
    bundle = TokenizerBundle("{}", SCAFFOLD, encoder.fingerprint, FAKE_VOCAB_SIZE)
    service = TokenCacheService(bundle, encoder, store, lambda _collection: 600)
    resolver = CachedResolver(encoder, SegmentLru(0), store, service)
    told = Asking()

    async def ask() -> None:
        while True:
            began_s = time.monotonic()
            answer = await resolver.resolve(SCOPE, TEXTS)
            told.longest_s = max(told.longest_s, time.monotonic() - began_s)
            told.answers += 1
            told.wrong += answer.ids != _IDS
            told.hits = answer.sources.count(SegmentSource.REDIS)
            told.seen.add(told.hits)
            await asyncio.sleep(0.001)

    task = asyncio.create_task(ask())
    try:
        yield told
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await link.close()
