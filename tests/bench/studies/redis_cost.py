"""What one question costs a Redis server: commands, and CPU time, by the application's own stores."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from random import Random

from redis.asyncio import Redis

from deployments.access.redis_spending import RedisSpending
from deployments.core.counted_use import CountBatch
from deployments.core.documents import Passage, Retrieval, SearchQuery
from deployments.core.ids import CollectionName, DocId, Scope, SegmentKey, TenantId
from deployments.core.quotas import RULES, Claim, Quota
from deployments.core.token_ids import token_ids
from deployments.redis.connection import Command, RedisLink, Reply
from deployments.redis.embedded_server import EmbeddedRedis
from deployments.retrieval.cached_retriever import RetrievalKey
from deployments.retrieval.retrieval_store import RedisRetrievalStore
from deployments.token_cache.codec import encode
from deployments.token_cache.counters import RedisCounterStore
from deployments.token_cache.hot_paths import RedisHotPaths
from deployments.token_cache.redis_store import RedisSegmentStore

PASSAGES = 6
PASSAGE_TOKENS = 220
VOCABULARY = 150_000
_TTL_S = 3600
_TEXT = "A passage of about as many words as the generator's have. " * 16


class _CountingLink(RedisLink):
    """A link that counts what is sent."""

    sent = calls = 0

    async def call(self, *commands: Command) -> list[Reply]:
        self.sent += len(commands)
        self.calls += 1
        return await super().call(*commands)


@dataclass(frozen=True, slots=True)
class RedisCost:
    """The mean of questions that find nothing in their replica: no retrieval, no ids, no counts to add to."""

    commands: float
    """Commands that are sent; those that a script calls are not counted."""
    round_trips: float
    server_us: float
    """CPU time of the server."""


async def redis_cost(tenants: int = 1000, questions: int = 5000) -> RedisCost:
    """Asks an embedded server `questions` questions of random tenants."""
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedRedis(Path(folder))
        link = _CountingLink(server.acquire(), timeout_s=5.0)
        try:
            async with Redis.from_url(server.url) as redis:
                return await _measured(link, redis, tenants, questions)
        finally:
            await link.close()
            server.release()


async def _measured(link: _CountingLink, redis: Redis, tenants: int, questions: int) -> RedisCost:
    rng, bed = Random(0), _Questions(link)
    for tenant in range(tenants):
        await bed.store(tenant)
    link.sent = link.calls = 0
    started_us = await _cpu_us(redis)
    for number in range(questions):
        await bed.ask(rng.randrange(tenants), number)
    return RedisCost(
        commands=link.sent / questions,
        round_trips=link.calls / questions,
        server_us=(await _cpu_us(redis) - started_us) / questions,
    )


async def _cpu_us(redis: Redis) -> float:
    info = await redis.info("cpu")
    return float(info["used_cpu_user"] + info["used_cpu_sys"]) * 1e6


class _Questions:
    """The calls of one question, in the application's order."""

    def __init__(self, link: RedisLink) -> None:
        self._spending = RedisSpending(link, hold_s=120.0)
        self._retrievals = RedisRetrievalStore(link)
        self._segments = RedisSegmentStore(link)
        self._counters = RedisCounterStore(link)
        self._paths = RedisHotPaths(link)
        rng = Random(1)
        self._ids = token_ids(rng.choices(range(VOCABULARY), k=PASSAGE_TOKENS))

    async def store(self, tenant: int) -> None:
        """Writes a tenant's segments through, as storing documents does."""
        values = {key: encode(self._ids, key, VOCABULARY) for key in _keys(tenant)}
        await self._segments.put_many(_scope(tenant), values, _TTL_S)

    async def ask(self, tenant: int, number: int) -> None:
        """One question: its quota, its retrieval, its segments, what is counted, and its tokens."""
        scope, keys = _scope(tenant), _keys(tenant)
        adds = {
            Quota.REQUESTS_IN_FLIGHT: 1,
            Quota.REQUESTS_PER_MINUTE: 1,
            Quota.PROMPT_TOKENS_PER_MINUTE: 0,
            Quota.PROMPT_TOKENS_PER_DAY: 0,
        }
        limits = {quota: RULES[quota].default for quota in adds}
        claim = Claim(scope.tenant, f"claim{number}", adds, limits)
        await self._spending.claim(claim)
        retrieval = RetrievalKey(SearchQuery(scope, f"question {number}", PASSAGES), "1", "")
        if await self._retrievals.get(retrieval) is None:
            await self._retrievals.put(retrieval, Retrieval(_PASSAGES, 1, "1"), _TTL_S)
        await self._segments.get_many(scope, keys)
        counted = {"prompts": 1.0, "hits": 1.0, "segments": float(PASSAGES), "latency_us": 1234.0}
        await self._counters.record(scope, CountBatch("writer", number + 1, counted, {}))
        await self._paths.record({scope: [tuple(keys)]})
        await self._spending.spend(scope.tenant, {Quota.PROMPT_TOKENS_PER_DAY: 1500})
        await self._spending.release(claim)


_PASSAGES = tuple(
    Passage(DocId(f"doc{n}"), "Title", "Heading", None, 1, n, _TEXT, 0.5, 0.5) for n in range(PASSAGES)
)


def _scope(tenant: int) -> Scope:
    return Scope(TenantId(f"tenant{tenant}"), CollectionName("support_kb"))


def _keys(tenant: int) -> list[SegmentKey]:
    return [SegmentKey(f"{tenant * PASSAGES + n:032x}") for n in range(PASSAGES)]
