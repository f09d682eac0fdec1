"""Exports an engine replica's counters as metrics of Ray."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ray.serve.metrics import Gauge

from deployments.engine.counters import EngineCounters

EVERY_S = 5.0
"""Seconds between updates. Prometheus seldom scrapes more often."""

_GAUGES = {
    "resident_blocks": "KV blocks in the engine's cache, by its events",
    "resident_paths": "prefixes of prompts that those belong to",
    "residency_estimated": "1 while the engine's events are lost and its cache is estimated",
    "pending_tokens": "prompt tokens that wait to be prefilled",
}


async def export_engine_gauges(counters: Callable[[], EngineCounters]) -> None:
    """Sets the gauges from `counters` every `EVERY_S` seconds, until it is cancelled."""
    gauges = {name: Gauge(f"warmline_engine_{name}", what) for name, what in _GAUGES.items()}
    while True:
        current = counters()
        for name, gauge in gauges.items():
            gauge.set(float(getattr(current, name)))
        await asyncio.sleep(EVERY_S)
