"""The mixed workload where the cache is too small for it: b and d have an engine each, of one size."""

from __future__ import annotations

from contextlib import AsyncExitStack

from tests.bench import mixed
from tests.bench.arms import Arm, arms
from tests.bench.bed import Bed, open_engine
from tests.bench.report import Report

BLOCK_TOKENS = 32
MODEL_LEN = 4096
PART = 0.25
"""Of what b would fill an unlimited cache with."""


async def run(bed: Bed, report: Report, requests: int, seed: int) -> None:
    """As measured; there is no goal."""
    trace = mixed.miniature(requests, seed)
    documents = sum(trace.tokens_of(request.passages) for request in trace.asks)
    unlimited = mixed.modelled(trace, bed)
    capacity_tokens = max(round(PART * unlimited["b"] * documents), MODEL_LEN + BLOCK_TOKENS)
    settings = bed.settings.model_copy(
        update={
            "engine_num_gpu_blocks": capacity_tokens // BLOCK_TOKENS + 1,
            "engine_max_model_len": MODEL_LEN,
            "engine_kv_cache_gib": 0.25,
        }
    )
    async with AsyncExitStack() as stack:
        two: dict[str, Arm] = {}
        for name in "bd":
            engine = await stack.enter_async_context(open_engine(settings, bed.models, f"bounded-{name}"))
            two |= await arms(bed, engine, name)
        outcome = await mixed.through(bed, two, trace, seed, always="bd", seldom="")
    report.table(f"Mixed workload, cache of {capacity_tokens} tokens ({requests} requests)", outcome.rows)
    print(f"  d against b: document tokens prefilled {outcome.documents}, median TTFT {outcome.ttft}")
    by_model = mixed.modelled(trace, bed, capacity_tokens)
    print(f"  the same by a model of the cache: {by_model}")
    report.add(
        "mixed_bounded",
        mixed.figures(outcome) | {"capacity_tokens": capacity_tokens, "seed": seed, "modelled": by_model},
    )
