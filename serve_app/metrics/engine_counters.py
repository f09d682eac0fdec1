"""Exports an engine replica's counters as metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from deployments.core import metrics
from deployments.core.metrics import Kind, Meter, Metric
from deployments.engine.counters import EngineCounters

EVERY_S = 5.0
"""Seconds between updates. Prometheus seldom scrapes more often."""

EXPORTED: Mapping[str, Metric] = {
    "running": metrics.ENGINE_RUNNING,
    "waiting": metrics.ENGINE_WAITING,
    "kv_cache_usage": metrics.ENGINE_KV_USAGE,
    "prefix_queries": metrics.ENGINE_LOOKED_UP,
    "prefix_hits": metrics.ENGINE_HITS,
    "resident_blocks": metrics.ENGINE_BLOCKS,
    "resident_paths": metrics.ENGINE_PATHS,
    "residency_estimated": metrics.ENGINE_ESTIMATED,
    "pending_tokens": metrics.ENGINE_PENDING,
    "prefill_tokens_per_s": metrics.ENGINE_PREFILL_RATE,
    "evicted_blocks": metrics.ENGINE_EVICTED,
    "admitted": metrics.ENGINE_ADMITTED,
    "refused": metrics.ENGINE_REFUSED,
}
"""The metric of each field of `EngineCounters`."""


async def export_engine_counters(
    counters: Callable[[], EngineCounters], meter: Meter, every_s: float = EVERY_S
) -> None:
    """Records `counters` every `every_s` seconds, until it is cancelled. What is None is not recorded."""
    before = EngineCounters()
    while True:
        now = counters()
        for field, metric in EXPORTED.items():
            value, earlier = getattr(now, field), getattr(before, field)
            if metric.kind is Kind.COUNTER and value >= earlier:  # else the engine has started again
                value -= earlier
            if value is not None:
                meter.record(metric, float(value))
        before = now
        await asyncio.sleep(every_s)
