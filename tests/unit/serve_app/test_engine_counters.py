"""An engine replica's counters, exported as metrics."""

from __future__ import annotations

import asyncio
from dataclasses import fields

from deployments.core import metrics
from deployments.engine.counters import EngineCounters
from serve_app.metrics.engine_counters import EXPORTED, export_engine_counters
from tests.fakes import RecordingMeter


def test_each_counter_is_exported():
    """One that is forgotten would show in no dashboard."""
    assert list(EXPORTED) == [field.name for field in fields(EngineCounters)]


async def test_gauges_show_the_present_and_counters_what_was_added() -> None:
    """Again and again."""
    meter = RecordingMeter()
    now = EngineCounters(resident_blocks=5, pending_tokens=7, evicted_blocks=3)
    exporting = asyncio.create_task(export_engine_counters(lambda: now, meter, every_s=0.01))
    await asyncio.sleep(0.05)
    assert set(meter.of(metrics.ENGINE_BLOCKS)) == {5.0}
    assert set(meter.of(metrics.ENGINE_PENDING)) == {7.0}
    assert set(meter.of(metrics.ENGINE_ESTIMATED)) == {0.0}
    assert meter.of(metrics.ENGINE_PREFILL_RATE) == []  # not measured
    assert meter.of(metrics.ENGINE_EVICTED) == [3.0]
    now = EngineCounters(residency_estimated=True, evicted_blocks=10)
    await asyncio.sleep(0.05)
    assert meter.of(metrics.ENGINE_ESTIMATED)[-1] == 1.0
    assert meter.of(metrics.ENGINE_EVICTED) == [3.0, 7.0]
    exporting.cancel()
    await asyncio.gather(exporting, return_exceptions=True)
