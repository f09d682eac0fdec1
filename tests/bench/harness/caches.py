"""What the caches hold at the end of a run: Redis by what the entries are, and the engine's KV cache."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from redis.asyncio import Redis

from deployments.engine.deployment import Engine
from deployments.token_cache.embedded_server import EmbeddedRedis
from tests.bench.bed import Bed


async def held(bed: Bed, engine: Engine) -> dict[str, Any]:
    """Entries and their memory by kind of name in Redis; KV tokens, and how many of them are resident."""
    kinds: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    async with Redis.from_url(EmbeddedRedis(bed.settings.state_dir).acquire()) as redis:
        async for name in redis.scan_iter("*"):
            kind = kinds[":".join(name.decode(errors="replace").split(":")[:2])]
            kind[0] += 1
            kind[1] += int(await redis.memory_usage(name, samples=0) or 0)
        used = int((await redis.info("memory"))["used_memory"])
    info, counters = await engine.describe(), await engine.counters()
    return {
        "redis": {kind: {"entries": n, "memory_bytes": size} for kind, (n, size) in sorted(kinds.items())},
        "redis_used_bytes": used,
        "kv_tokens": info.kv_cache_tokens,
        "kv_resident_tokens": counters.resident_blocks * info.block_size,
        "kv_paths": counters.resident_paths,
    }
