"""Five segments of the running Redis: reading their ids against tokenizing them, and their size."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any

from redis.asyncio import Redis

from deployments.core.ids import DEFAULT_TENANT, CollectionName, Scope, SegmentKey
from deployments.token_cache.codec import decode
from deployments.token_cache.connection import RedisLink
from deployments.token_cache.encoder import BundleEncoder
from deployments.token_cache.redis_store import RedisSegmentStore
from tests.integration.application.running import Application

_SCOPE = Scope(DEFAULT_TENANT, CollectionName("support_kb"))
_PREFIX = f"warmline:seg:{_SCOPE}:"
_RUNS = 500
_LONG_TOKENS = 200


async def test_segments_from_redis(
    application: Application, encoder: BundleEncoder, results: dict[str, Any]
) -> None:
    """Prints a table."""
    socket = f"unix://{application.state_dir / 'redis' / 'sock'}"
    async with Redis.from_url(socket) as redis:
        names = sorted([name.decode() async for name in redis.scan_iter(f"{_PREFIX}*")])
        raws = dict(zip(names, await redis.mget(names), strict=True))
        memory = {name: await redis.memory_usage(name, samples=0) or 0 for name in names}
    ids = {name: decode(raw, _key(name)) for name, raw in raws.items()}
    long = [name for name in names if len(ids[name]) >= _LONG_TOKENS]
    five = long[:5]
    texts = [encoder.decode(ids[name]) for name in five]
    link = RedisLink(socket)
    store = RedisSegmentStore(link)

    async def read() -> None:
        keys = [_key(name) for name in five]
        for key, raw in zip(keys, await store.get_many(_SCOPE, keys), strict=True):
            decode(raw or b"", key)

    async def tokenize() -> None:
        for text in texts:
            encoder.encode_text(text)

    summary = {
        "segments": len(names),
        "tokens_of_the_five": sum(len(ids[name]) for name in five),
        "five_from_redis_ms_median": await _median_ms(read),
        "five_tokenized_ms_median": await _median_ms(tokenize),
        "value_bytes_a_token": sum(map(len, raws.values())) / sum(map(len, ids.values())),
        "value_bytes_a_token_from_200_tokens_on": _a_token(raws, ids, long),
        "redis_memory_a_token": sum(memory.values()) / sum(map(len, ids.values())),
    }
    await link.close()
    results["tokens"] = summary
    print("\n" + "\n".join(f"{name:40} {value:.4g}" for name, value in summary.items()))


def _key(name: str) -> SegmentKey:
    return SegmentKey(name.removeprefix(_PREFIX))


def _a_token(raws: dict[str, bytes], ids: dict[str, Any], names: list[str]) -> float:
    return sum(len(raws[name]) for name in names) / sum(len(ids[name]) for name in names)


async def _median_ms(work: Callable[[], Awaitable[None]]) -> float:
    times = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        await work()
        times.append((time.perf_counter() - start) * 1000)
    return median(times)
