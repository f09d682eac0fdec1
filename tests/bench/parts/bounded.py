"""The mixed workload in a cache too small for it: b and d have an engine each, of the same cache size.

b's evicts as vLLM does, d's as the application does by default.
"""

from __future__ import annotations

from contextlib import AsyncExitStack

from tests.bench.harness.arms import Arm, build_arms
from tests.bench.harness.bench import Bench
from tests.bench.harness.testbed import open_engine
from tests.bench.harness.trace_replay import modelled, replayed
from tests.bench.workload.generator import miniature

BLOCK_TOKENS = 32
MODEL_LEN = 4096
EVICTIONS = {"b": "lru", "d": "documents"}
SHARE = 0.25
"""Size of the cache, as a share of the document tokens that b leaves in an unlimited cache."""


async def run(bench: Bench) -> None:
    """Prints a table; this part makes no claim."""
    bed, seed = await bench.testbed(), bench.seed
    requests = bench.plan.requests((await bench.rate()).prefilled_per_s, bounded=True)
    trace = miniature(requests, seed)
    documents = sum(trace.tokens_of(request.passages) for request in trace.asks)
    unlimited = modelled(trace, bed)
    capacity_tokens = max(round(SHARE * unlimited["b"] * documents), MODEL_LEN + BLOCK_TOKENS)
    settings = bed.settings.model_copy(
        update={
            "engine_num_gpu_blocks": capacity_tokens // BLOCK_TOKENS + 1,
            "engine_max_model_len": MODEL_LEN,
            "engine_kv_cache_gib": 0.25,
        }
    )
    async with AsyncExitStack() as stack:
        arms: dict[str, Arm] = {}
        for name, eviction in EVICTIONS.items():
            own = settings.model_copy(update={"eviction": eviction})
            engine = await stack.enter_async_context(open_engine(own, bed.models, f"bounded-{name}"))
            arms |= await build_arms(bed, engine, name)
        outcome = await replayed(bed, arms, trace, seed, always="bd", seldom="")
    title = f"Mixed workload, cache of {capacity_tokens} tokens ({requests} requests)"
    bench.report.table(title, outcome.rows)
    print(f"  d against b: document tokens prefilled {outcome.documents}, median TTFT {outcome.ttft}")
    by_model = modelled(trace, bed, capacity_tokens)
    print(f"  the same by a model of the cache: {by_model}")
    size = {"capacity_tokens": capacity_tokens, "seed": seed, "modelled": by_model}
    bench.report.add("mixed_bounded", outcome.as_dict() | size)
