"""What Redis and the engine's KV cache hold at the end of a run."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from redis.asyncio import Redis

from deployments.engine.service import EngineService
from deployments.redis.embedded_server import EmbeddedRedis
from tests.bench.harness.testbed import Testbed


async def held(bed: Testbed, engine: EngineService) -> dict[str, Any]:
    """Redis: entries and their memory by prefix of the key. The engine: KV tokens, total and resident."""
    prefixes: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    async with Redis.from_url(EmbeddedRedis(bed.settings.state_dir).acquire()) as redis:
        async for name in redis.scan_iter("*"):
            prefix = prefixes[":".join(name.decode(errors="replace").split(":")[:2])]
            prefix[0] += 1
            prefix[1] += int(await redis.memory_usage(name, samples=0) or 0)
        used = int((await redis.info("memory"))["used_memory"])
    info, counters = await engine.describe(), await engine.counters()
    return {
        "redis": {name: {"entries": n, "memory_bytes": size} for name, (n, size) in sorted(prefixes.items())},
        "redis_used_bytes": used,
        "kv_tokens": info.kv_cache_tokens,
        "kv_resident_tokens": counters.resident_blocks * info.block_size,
        "kv_paths": counters.resident_paths,
    }
