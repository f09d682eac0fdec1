"""The token cache on the sample knowledge: bytes a token, and reading ids compared with tokenizing."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from redis.asyncio import Redis

from deployments.agents.specs import AGENTS
from deployments.core.agent_spec import segment_ttl_s
from deployments.core.ids import DEFAULT_TENANT, CollectionName, Scope
from deployments.core.token_ids import TokenIds
from deployments.redis.connection import RedisLink
from deployments.redis.embedded_server import EmbeddedRedis
from deployments.token_cache.codec import decode, encode
from deployments.token_cache.keys import segment_key, segment_prefix
from deployments.token_cache.lru import SegmentLru
from deployments.token_cache.redis_store import RedisSegmentStore
from deployments.token_cache.resolver import CachedResolver
from tests.bench.harness.bench import Bench
from tests.bench.harness.claims import Claim
from tests.bench.harness.summaries import percentile
from tests.bench.harness.testbed import Testbed

COUNTS = (1, 5, 20, 50)
LONG_TOKENS = 200
SCOPE = Scope(DEFAULT_TENANT, CollectionName("documentation"))
_L1_BYTES = 64 * 2**20

Operation = Callable[[], Awaitable[object]]


async def run(bench: Bench) -> None:
    """Prints a table for sizes, for times and for the codec."""
    bed, report = await bench.testbed(), bench.report
    texts = [passage.segment for passage in await bed.passages(SCOPE)]
    url = EmbeddedRedis(bed.settings.state_dir).acquire()
    link = RedisLink(url, timeout_s=1.0)
    sizes = await _sizes(bed, url, texts)
    report.table("Bytes a token", [sizes])
    long = [text for text in texts if len(bed.encoder.encode_text(text)) >= LONG_TOKENS]
    rows = [await _times(bed, link, long[:count], bench.plan.token_runs) for count in COUNTS]
    report.table("Ids of so many segments, median in microseconds", rows)
    codec = _codec(bed, long)
    report.table("Codec", [codec])
    await link.close()
    report.add("tokens", {"sizes": sizes, "times": rows, "codec": codec})
    five = next(row for row in rows if row["segments"] == 5)
    how = f"{sizes['long_segments']} segments of {LONG_TOKENS} tokens and more"
    report.claim(Claim("redis_bytes_a_token", sizes["value_bytes_long"], "bytes", 2.0, "lower", how))
    how = f"{five['tokens']} tokens, keys and counts included, median"
    report.claim(Claim("five_segments_from_l1", five["l1_us"], "us", 50.0, "lower", how))
    report.claim(Claim("five_segments_from_redis", five["redis_us"], "us", 1000.0, "lower", how))


async def _sizes(bed: Testbed, url: str, texts: Sequence[str]) -> dict[str, Any]:
    """Bytes a token, of the stored values and of the memory that Redis uses for them."""
    ids = [bed.encoder.encode_text(text) for text in texts]
    names = [segment_prefix(SCOPE) + segment_key(bed.encoder.fingerprint, text) for text in texts]
    async with Redis.from_url(url) as redis:
        values = [raw or b"" for raw in await redis.mget(names)]
        memory = [int(await redis.memory_usage(name, samples=0) or 0) for name in names]
    stored = [i for i, raw in enumerate(values) if raw]
    long = [i for i in stored if len(ids[i]) >= LONG_TOKENS]

    def a_token(sizes: Sequence[int], which: Sequence[int]) -> float:
        return round(sum(sizes[i] for i in which) / sum(len(ids[i]) for i in which), 3)

    lengths = [len(raw) for raw in values]
    return {
        "segments": len(stored),
        "tokens": sum(len(ids[i]) for i in stored),
        "long_segments": len(long),
        "value_bytes": a_token(lengths, stored),
        "value_bytes_long": a_token(lengths, long),
        "redis_memory": a_token(memory, stored),
        "redis_memory_long": a_token(memory, long),
    }


async def _times(bed: Testbed, link: RedisLink, texts: Sequence[str], runs: int) -> dict[str, Any]:
    """Median microseconds of each operation. Resolving includes computing the keys, as in a request."""
    store = RedisSegmentStore(link)
    with_l1 = CachedResolver(bed.encoder, SegmentLru(_L1_BYTES), store, None)
    no_l1 = CachedResolver(bed.encoder, SegmentLru(0), store, None)
    ids = {segment_key(bed.encoder.fingerprint, text): bed.encoder.encode_text(text) for text in texts}
    values = {key: encode(some, key, bed.bundle.vocab_size) for key, some in ids.items()}

    async def tokenize() -> None:
        for text in texts:
            bed.encoder.encode_text(text)

    async def put() -> None:
        await store.put_many(SCOPE, values, segment_ttl_s(AGENTS, SCOPE.collection))

    await put()
    operations: dict[str, Operation] = {
        "l1_us": lambda: with_l1.resolve(SCOPE, _copies(texts)),
        "redis_us": lambda: no_l1.resolve(SCOPE, _copies(texts)),
        "redis_put_us": put,
        "tokenize_us": tokenize,
    }
    taken: dict[str, list[float]] = {name: [] for name in operations}
    for _ in range(runs):
        for name, operation in operations.items():
            started = time.perf_counter()
            await operation()
            taken[name].append((time.perf_counter() - started) * 1e6)
    medians = {name: round(percentile(values_us, 50), 1) for name, values_us in taken.items()}
    return {"segments": len(texts), "tokens": sum(map(len, ids.values()))} | medians


def _copies(texts: Sequence[str]) -> list[str]:
    """New string objects, as in each request: Python caches the hash of a string in its object."""
    return [text[:1] + text[1:] for text in texts]


def _codec(bed: Testbed, texts: Sequence[str]) -> dict[str, Any]:
    keys = [segment_key(bed.encoder.fingerprint, text) for text in texts]
    ids: list[TokenIds] = [bed.encoder.encode_text(text) for text in texts]
    tokens = sum(map(len, ids))
    started = time.perf_counter()
    values = [encode(some, key, bed.bundle.vocab_size) for some, key in zip(ids, keys, strict=True)]
    encoded_s = time.perf_counter() - started
    started = time.perf_counter()
    for raw, key in zip(values, keys, strict=True):
        decode(raw, key)
    decoded_s = time.perf_counter() - started
    return {
        "segments": len(texts),
        "encode_mtokens_per_s": round(tokens / encoded_s / 1e6, 2),
        "decode_mtokens_per_s": round(tokens / decoded_s / 1e6, 2),
    }
