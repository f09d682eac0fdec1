"""What an engine replica holds, as Ray's metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ray.serve.metrics import Gauge

from deployments.engine.counters import EngineCounters

EVERY_S = 5.0
"""Prometheus seldom asks more often."""

_GAUGES = {
    "resident_blocks": "KV blocks in the engine's cache, by its events",
    "resident_paths": "beginnings of prompts that those belong to",
    "residency_estimated": "1 while the engine's events are lost and its cache is estimated",
    "pending_tokens": "prompt tokens that wait to be prefilled",
}


async def export_engine_gauges(counters: Callable[[], EngineCounters]) -> None:
    """Sets them every few seconds, until it is cancelled."""
    gauges = {name: Gauge(f"warmline_engine_{name}", what) for name, what in _GAUGES.items()}
    while True:
        now = counters()
        for name, gauge in gauges.items():
            gauge.set(float(getattr(now, name)))
        await asyncio.sleep(EVERY_S)
